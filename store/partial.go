package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"mailretr/store/mail"
)

// The octets of a body that was cut are kept where the maildrop can go on with it: a note names the unsealed
// file, how much of it is synced, and how far upstream that is. Both are at the end of a line, so that what
// follows is brought to normal form as if nothing had happened.

// A Partial is what is here of a body that was not read to its end.
type Partial struct {
	Account   mail.Account `cbor:"-"`
	UID       mail.UID     `cbor:"-"`
	ID        mail.ID      `cbor:"1,keyasint"` // of its file
	Size      int64        `cbor:"2,keyasint"` // octets in the file, synced, in normal form, to the end of a line
	Upstream  int64        `cbor:"3,keyasint"` // octets that the maildrop sent for them
	Announced int64        `cbor:"4,keyasint"` // size of the whole
	Line      int64        `cbor:"5,keyasint"` // what they cost on the line
	At        time.Time    `cbor:"6,keyasint"`
}

// SpacePartial is the space of the notes of partial bodies: owner is the account, key the UID. An engine
// keeps an unsealed file that such a note names.
const SpacePartial = "partial"

// ReadPartial reads a note of [SpacePartial].
func ReadPartial(n Note) (p Partial, err error) {
	err = unpack(n.Value, &p)
	p.Account, p.UID = mail.Account(n.Owner), mail.UID(n.Key)
	return p, err
}

const (
	// partialFrom is the size from which on the beginning of a body is worth a file and two commits, in octets.
	partialFrom = 256 << 10
	// keepEvery is how much of a slow line's time a crash may cost.
	keepEvery = time.Second
	// partialAge is how long the beginning of a body is kept that nobody asks for the rest of.
	partialAge = 30 * 24 * time.Hour
)

// Partials yields the partial bodies of an account, or of all for "".
func (q *Queue) Partials(ctx context.Context, a mail.Account) iter.Seq2[Partial, error] {
	return readNotes(q.Engine.Notes(ctx, SpacePartial, string(a)), ReadPartial)
}

// A flow is one body on its way into the spool.
type flow struct {
	q     *Queue
	e     *entry
	h     *head
	from  Partial // what was there before; zero: nothing
	kept  Partial // as the note has it now; zero: there is none
	reach reach   // of this transfer
	since time.Time
	can   mail.Resumer // nil: the maildrop cannot go on in the middle
}

// begin brings what is here already into the new body, and opens the rest.
func (f *flow) begin(ctx context.Context) (io.ReadCloser, error) {
	m := f.e.m
	c, ok := m.Content.(mail.Resumer)
	if !ok || !c.Resumes() || m.Content.Size() < partialFrom || m.Origin.UID == "" || m.Origin.Account == "" {
		return m.Content.Open(ctx)
	}
	f.can, f.since = c, f.q.now()
	if err := f.restore(ctx); err != nil {
		return nil, local(err, "")
	}
	if f.from.Upstream == 0 {
		return m.Content.Open(ctx)
	}
	r, err := c.OpenAt(ctx, f.from.Upstream)
	if err != nil {
		return nil, f.broken(ctx, err, false) // a server that cannot go on there is asked for the whole the next time
	}
	return r, nil
}

// restore copies a partial body. It is read anew rather than added to: the envelope in the head of the file,
// and how many files there are, may be others now, and the disk is cheap.
func (f *flow) restore(ctx context.Context) error {
	m := f.e.m
	p, ok, err := f.q.partial(ctx, m.Origin)
	if err != nil || !ok {
		return err
	}
	f.kept = p
	if p.Announced != m.Content.Size() || p.Upstream <= 0 || p.Upstream > p.Announced {
		return nil
	}
	r, err := f.q.Engine.OpenPartial(ctx, p.ID, p.Size)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil {
		var n int64
		n, err = io.Copy(writer{func(b []byte) error { return f.write(ctx, b) }}, r)
		err = errors.Join(err, r.Close())
		if err == nil && n != p.Size {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		f.drop(ctx) // else each session would fail at it
		return fmt.Errorf("reading the first %d octets, which were here: %w", p.Size, err)
	}
	f.from = p
	return nil
}

type writer struct{ f func([]byte) error }

func (w writer) Write(b []byte) (int, error) { return len(b), w.f(b) }

// write adds octets in normal form.
func (f *flow) write(ctx context.Context, b []byte) error {
	f.h.add(b)
	for i := range f.e.parts {
		if _, err := f.e.parts[i].body.Write(b); err != nil {
			return local(err, "")
		}
	}
	return ctx.Err()
}

// tick keeps what is here, once in a while.
func (f *flow) tick(ctx context.Context) error {
	now := f.q.now()
	if f.can == nil || now.Sub(f.since) < keepEvery {
		return nil
	}
	f.since = now
	if err := f.keep(ctx); err != nil {
		return local(err, "")
	}
	return nil
}

// keep makes durable what is here, and says so in the note. One file is enough where the message has several
// lanes: the octets are the same.
func (f *flow) keep(ctx context.Context) error {
	m, x := f.e.m, &f.e.parts[0]
	p := Partial{
		Account: m.Origin.Account, UID: m.Origin.UID, ID: x.rec.ID, Announced: m.Content.Size(),
		Size: f.from.Size + f.reach.octets, Upstream: f.from.Upstream + f.reach.upstream,
		Line: f.from.Line + m.Line, At: f.q.now(),
	}
	if f.reach.octets == 0 || p.Upstream <= f.kept.Upstream && f.kept.ID == p.ID {
		return nil
	}
	if err := x.body.Sync(ctx); err != nil {
		return err
	}
	old := f.kept
	if err := f.q.commit(ctx, &Batch{Notes: []Note{p.Note()}}); err != nil {
		return err
	}
	f.kept = p
	if !old.ID.Zero() && old.ID != p.ID {
		return f.q.Engine.DropPartial(ctx, old.ID)
	}
	return nil
}

// Note returns the note that says so.
func (p *Partial) Note() Note {
	return Note{Space: SpacePartial, Owner: string(p.Account), Key: string(p.UID), Value: pack(p)}
}

// gone is the end of the note.
func (p *Partial) gone() Note {
	return Note{Space: SpacePartial, Owner: string(p.Account), Key: string(p.UID)}
}

// broken is told that the maildrop did not deliver the rest. It keeps what came if the line is to blame, and
// returns the error with how much that was. What a server got wrong is not built upon.
func (f *flow) broken(ctx context.Context, cause error, ours bool) error {
	if f.can == nil || ours && ctx.Err() == nil {
		return cause // where our disk is full, what was here before stays
	}
	ctx = context.WithoutCancel(ctx)
	if t := mail.TroubleOf(mail.OpFetch, "", cause); t.Kind != mail.Unreachable {
		f.drop(ctx)
		return cause
	}
	if err := f.keep(ctx); err != nil {
		return errors.Join(cause, local(err, ""))
	}
	x := &f.e.parts[0]
	if f.kept.ID != x.rec.ID {
		return cause // nothing new came
	}
	if err := x.body.Leave(); err != nil {
		return errors.Join(cause, local(err, ""))
	}
	x.body = nil
	return &keptError{cause, f.kept.Upstream - f.from.Upstream}
}

// A keptError is a transfer that was cut, of which what came is kept.
type keptError struct {
	error
	octets int64
}

// Unwrap returns the cause.
func (k *keptError) Unwrap() error { return k.error }

// Kept is how many octets of this transfer, as the maildrop sent them, need not be sent again.
func (k *keptError) Kept() int64 { return k.octets }

// drop forgets what is here. Where that fails it is tried again when the note is old.
func (f *flow) drop(ctx context.Context) {
	if f.kept.ID.Zero() {
		return
	}
	if err := f.q.dropPartials(context.WithoutCancel(ctx), f.kept); err != nil {
		f.q.observe(mail.Event{Op: mail.OpStore, Origin: f.e.m.Origin, Err: err, Text: "a partial body stays"})
	}
	f.kept, f.from = Partial{}, Partial{}
}

// partial returns what is here of one message.
func (q *Queue) partial(ctx context.Context, o mail.Origin) (Partial, bool, error) {
	for p, err := range q.Partials(ctx, o.Account) {
		if err != nil || p.UID == o.UID {
			return p, err == nil, err
		}
	}
	return Partial{}, false, nil
}

// dropPartials forgets partial bodies, then removes their files.
func (q *Queue) dropPartials(ctx context.Context, all ...Partial) error {
	if len(all) == 0 {
		return nil
	}
	b := &Batch{}
	for _, p := range all {
		b.Notes = append(b.Notes, p.gone())
	}
	if err := q.commit(ctx, b); err != nil {
		return err
	}
	for _, p := range all {
		if err := q.Engine.DropPartial(ctx, p.ID); err != nil {
			return err
		}
	}
	return nil
}

// unlistedPartials forgets those that a complete listing does not name.
func (q *Queue) unlistedPartials(ctx context.Context, l *Listing) error {
	return q.dropThose(ctx, l.Account, func(p *Partial) bool {
		return covered(p.UID, l.Folders) && !slices.Contains(l.UIDs, p.UID)
	})
}

// DropOld forgets partial bodies that nobody asked the rest of for thirty days: their maildrop is no longer
// in the configuration, perhaps. For use about once a day.
func (q *Queue) DropOld(ctx context.Context) error {
	return q.dropThose(ctx, "", func(p *Partial) bool { return q.now().Sub(p.At) > partialAge })
}

// dropThose forgets partial bodies of an account, or of all for "", that f says are of no use.
func (q *Queue) dropThose(ctx context.Context, a mail.Account, f func(*Partial) bool) error {
	var old []Partial
	for p, err := range q.Partials(ctx, a) {
		if err != nil {
			return err
		}
		if f(&p) {
			old = append(old, p)
		}
	}
	return q.dropPartials(ctx, old...)
}
