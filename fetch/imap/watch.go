package imap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// reissue is how often IDLE is begun anew. RFC 2177 wants it within 29 minutes; many routers forget a connection
// that is silent for ten.
const reissue = 9 * time.Minute

// babble is what a server may say in one IDLE, in octets: a few thousand lines. More is no news.
const babble = 128 << 10

var errNoIdle = errors.New("the server cannot say when mail comes (no IDLE)")

// Watch waits for news by IDLE (RFC 2177), with one connection for each folder: IDLE tells of the selected one
// alone. No mail crosses them, so they are not compressed. It returns with the first that ends.
func (r *Retriever) Watch(ctx context.Context, news func()) error {
	folders, err := r.watched(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := func(name string) {
		if err := r.watchFolder(ctx, name, news); err != nil {
			cancel(err)
		}
	}
	var all sync.WaitGroup
	for i, name := range folders { // most have one, which needs no goroutine of its own
		if i < len(folders)-1 {
			all.Go(func() { watch(name) })
		} else {
			watch(name)
		}
	}
	all.Wait()
	if t := new(mail.Trouble); errors.As(context.Cause(ctx), &t) {
		return t
	}
	return nil
}

// watched finds out which folders there are to wait in. A visit may have Memory in hand meanwhile, so a session of its
// own asks where names alone do not say it.
func (r *Retriever) watched(ctx context.Context) ([]string, error) {
	o := r.Options
	switch {
	case len(o.Folders) == 0:
		return []string{"INBOX"}, nil
	case !o.listed():
		return o.Folders, nil
	}
	o.Memory, o.Observe = nil, nil
	d, err := (&Retriever{o}).Open(ctx)
	if err != nil {
		return nil, err
	}
	folders, _ := d.(mail.Coverer).Covers()
	return folders, d.Close()
}

// watchFolder waits in one folder until ctx ends (nil) or the connection does.
func (r *Retriever) watchFolder(ctx context.Context, name string, news func()) error {
	o := r.Options
	o.Folders, o.Memory, o.After = []string{name}, nil, Keep
	o.Dial.TLS.Classic = o.ClassicWatch
	o.Account = cmp.Or(o.Account, mail.AccountOf("imap", o.host(), o.User))
	if err := o.check(); err != nil {
		return &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Server: o.Dial.Address, Err: err}
	}
	s := newSession(&o)
	err := s.attend(ctx, news)
	if s.line != nil {
		s.end()
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// attend logs in, opens the folder, and waits.
func (s *session) attend(ctx context.Context, news func()) error {
	conn, err := wire.Dial(ctx, s.o.Dial)
	if err != nil {
		return mail.TroubleOf(mail.OpDial, s.o.Dial.Address, err)
	}
	defer conn.Watch(ctx)()
	s.told = &told{news: news}
	if err := s.start(ctx, conn); err != nil {
		conn.Abort(err)
		return err
	}
	if !s.caps.Has(goimap.CapIdle) {
		return &mail.Trouble{Op: mail.OpWatch, Kind: mail.Local, Server: s.server(), Err: errNoIdle,
			Hint: "Leave out idle: for this maildrop; it is asked at its interval."}
	}
	f := s.folders[0]
	if f.left {
		return &mail.Trouble{Op: mail.OpWatch, Kind: mail.Local, Server: s.server(),
			Err: fmt.Errorf("the folder %q cannot be opened", f.name)}
	}
	if err := s.enter(f); err != nil {
		return err
	}
	s.told.count.Store(f.exists)
	for ctx.Err() == nil {
		if err := s.idle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// idle waits once, for as long as a wait may be.
func (s *session) idle(ctx context.Context) error {
	done := s.line.begin(babble)
	cmd, err := s.c.Idle()
	done() // from here on silence is what was asked for
	if err != nil {
		return s.trouble(mail.OpWatch, err)
	}
	s.told.news()
	timer := time.NewTimer(cmp.Or(s.o.Reissue, reissue))
	defer timer.Stop()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case err := <-ended:
		return s.trouble(mail.OpWatch, cmp.Or(err, errors.New("the server ended the wait by itself")))
	}
	defer s.line.begin(chatter)()
	if err := cmd.Close(); err != nil {
		return s.trouble(mail.OpWatch, err)
	}
	if err := <-ended; err != nil {
		return s.trouble(mail.OpWatch, err)
	}
	return nil
}

// A told is who hears of news.
type told struct {
	news  func()
	count atomic.Uint32 // messages in the folder, as it was said last
}

// exists hears how many messages there are. That some have gone is no news.
func (t *told) exists(n uint32) {
	if before := t.count.Swap(n); n > before {
		t.news()
	}
}

// mailbox is told of unilateral data by the library's reading goroutine.
func (t *told) mailbox(data *imapclient.UnilateralDataMailbox) {
	if data.NumMessages != nil {
		t.exists(*data.NumMessages)
	}
}

// expunged is told that a message has gone.
func (t *told) expunged(uint32) {
	if n := t.count.Load(); n > 0 {
		t.count.Store(n - 1)
	}
}
