package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"mailretr/store/mail"
)

// A maildrop of many may hold one mail several times, once for each recipient. Whoever brings the mail says
// so; here the octets of the first are used again, so that they need not be sent.

var (
	errFirstGone = errors.New("the message that has the same body is not here")
	errOtherSize = errors.New("the message does not have the size that a copy would have")
	errFirstLost = errors.New("the message whose body this one shares was not taken")
)

// Copy adds a message whose body is that of another one (see [mail.Copier]).
func (b *batch) Copy(ctx context.Context, m, of *mail.Message, to []mail.Recipient) error {
	if err := b.q.full(ctx); err != nil {
		return err
	}
	first, rec, err := b.first(ctx, of, len(to) > 0)
	if err != nil {
		return err
	}
	header, err := m.Content.Header(ctx)
	if err != nil {
		return err
	}
	if rec != nil && int64(len(header))+rec.Size-rec.Header != m.Content.Size() {
		return errOtherSize
	}
	e := &entry{m: m}
	if len(to) == 0 {
		e.mark.Key = b.q.ContentKey(header, m.Content.Size())
	} else {
		shared := *m
		shared.Envelope.Recipients = to
		shared.Content = &copied{Content: m.Content, engine: b.q.Engine, header: header, rec: rec}
		if e, err = b.q.stage(ctx, &shared, nil); err != nil {
			return err
		}
		e.m = m
	}
	e.n, e.of = len(m.Envelope.Recipients), first
	b.q.seal(ctx, e)
	b.in = append(b.in, e)
	return nil
}

// first finds the message whose body is used again: in this batch, then its entry is returned too, or among
// what is queued. Where the body is not needed, that it was queued is enough.
func (b *batch) first(ctx context.Context, of *mail.Message, needed bool) (*entry, *Record, error) {
	for _, e := range b.in {
		if e.m != of {
			continue
		}
		if e.sealing.Wait(); e.err != nil || len(e.parts) == 0 {
			return nil, nil, errFirstGone
		}
		return e, &e.parts[0].rec, nil
	}
	switch {
	case of.ID.Zero():
		return nil, nil, errFirstGone
	case !needed:
		return nil, nil, nil
	}
	rec, err := b.q.Engine.Get(ctx, of.ID)
	if errors.Is(err, ErrNotFound) { // it was delivered already
		return nil, nil, errFirstGone
	}
	return nil, &rec, err
}

// widowed leaves out copies whose first message is not taken with them: it stays upstream, and they with it.
func widowed(live []*entry) []*entry {
	return slices.DeleteFunc(live, func(e *entry) bool {
		lone := e.of != nil && (e.of.err != nil || !slices.Contains(live, e.of))
		if lone {
			e.fail(local(errFirstLost, ""))
			e.discard()
		}
		return lone
	})
}

// copied is a content of one message's header and another one's body.
type copied struct {
	mail.Content
	engine Engine
	header []byte
	rec    *Record // of the other one
}

// Header returns the message's own header.
func (c *copied) Header(context.Context) ([]byte, error) { return c.header, nil }

// Open returns the whole.
func (c *copied) Open(ctx context.Context) (io.ReadCloser, error) {
	body, err := c.engine.OpenBody(ctx, c.rec.Body)
	if err != nil {
		return nil, fmt.Errorf("opening the body of %s: %w", c.rec.ID, err)
	}
	if _, err := body.Seek(c.rec.Header, io.SeekStart); err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return &spliced{header: c.header, ReadSeekCloser: body}, nil
}

type spliced struct {
	header []byte
	io.ReadSeekCloser
}

// Read reads the header, then the body.
func (s *spliced) Read(b []byte) (int, error) {
	if len(s.header) == 0 {
		return s.ReadSeekCloser.Read(b)
	}
	n := copy(b, s.header)
	s.header = s.header[n:]
	return n, nil
}

var _ mail.Copier = (*batch)(nil)
