package imap

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// reissue is how often IDLE is begun anew. RFC 2177 wants it within 29 minutes; many routers forget a connection
// that is silent for ten.
const reissue = 9 * time.Minute

// babble is what a server may say in one IDLE, in octets: a few thousand lines. More is no news.
const babble = 128 << 10

var errOver = errors.New("the wait is over")

var errNoIdle = errors.New("the server cannot say when mail comes (no IDLE)")

// Watch waits for news by IDLE (RFC 2177), with one connection for each folder: IDLE tells of the selected one
// alone. No mail crosses them, so they are not compressed. It returns with the first that ends; a folder that
// cannot be opened, which visits leave out as well, ends only its own.
func (r *Retriever) Watch(ctx context.Context, news func()) error {
	folders, err := r.watched(ctx)
	if err != nil {
		return err
	}
	if len(folders) == 1 { // as with most, which need no goroutine of its own
		return r.watchFolder(ctx, folders[0], news)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	closed := make([]error, len(folders))
	var all sync.WaitGroup
	for i, name := range folders {
		all.Go(func() {
			err := r.watchFolder(ctx, name, news)
			if errors.As(err, new(unopened)) {
				closed[i] = err
			} else if err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if t := new(mail.Trouble); errors.As(context.Cause(ctx), &t) {
		return t
	}
	if !slices.Contains(closed, nil) {
		return closed[0]
	}
	return nil
}

// unopened is the trouble of one folder that cannot be opened.
type unopened struct{ *mail.Trouble }

// Unwrap returns the trouble.
func (u unopened) Unwrap() error { return u.Trouble }

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
	o.Dial.TLS.Classic, o.Dial.ReadBuffer = o.ClassicWatch, lineBuffer
	if err := o.check(); err != nil {
		return &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Server: o.Dial.Address, Err: err}
	}
	err := (&watch{o: &o, name: name, news: news}).run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// A watch is one connection that waits. It does without the library, whose goroutines and buffers are dear where a
// thousand of them wait; three commands is all that it says.
type watch struct {
	o     *Options
	c     *imapconn.Conn
	name  string
	news  func()
	count int // messages in the folder, as it was said last
	waits bool

	unhook func() // from the context
}

// lineBuffer is what is read at once while waiting, in octets.
const lineBuffer = 512

// run logs in, opens the folder, and waits.
func (w *watch) run(ctx context.Context) error {
	// In a goroutine of its own: a handshake leaves a stack behind that is more than waiting needs.
	begun := make(chan error, 1)
	go func() { begun <- w.begin(ctx) }()
	err := <-begun
	if w.c != nil {
		defer func() {
			w.unhook()
			w.c.Abort(errOver)
		}()
	}
	if err != nil {
		return err
	}
	every := cmp.Or(w.o.Reissue, reissue)
	w.c.SetIdle(every + time.Minute)
	for ctx.Err() == nil {
		if err := w.wait(every); err != nil {
			return err
		}
	}
	return nil
}

// begin connects and enters the folder. Where it fails there may be a connection all the same.
func (w *watch) begin(ctx context.Context) error {
	e := w.o.entry()
	if err := e.Prepare(ctx); err != nil {
		return err
	}
	conn, err := wire.Dial(ctx, w.o.Dial)
	if err != nil {
		return mail.TroubleOf(mail.OpDial, w.server(), err)
	}
	w.c, w.unhook = imapconn.New(conn, e), conn.Watch(ctx)
	err = w.enter(ctx)
	w.c.Caps, w.c.Password = nil, "" // nothing more is asked for that not every server can
	return err
}

// enter goes from a connection to an open folder.
func (w *watch) enter(ctx context.Context) error {
	in, err := w.c.Greet(ctx)
	if err == nil && !in {
		in, err = w.c.Authenticate(ctx)
	}
	if err == nil && !in {
		err = w.c.Login()
	}
	if err == nil && w.c.Caps == nil {
		err = w.c.Ask()
	}
	if err != nil {
		return err
	}
	if !w.c.Can("IDLE") {
		return &mail.Trouble{Op: mail.OpWatch, Kind: mail.Local, Server: w.server(), Err: errNoIdle,
			Hint: "Leave out idle: for this maildrop; it is asked at its interval."}
	}
	return w.examine()
}

// examine opens the folder, to be read only.
func (w *watch) examine() error {
	if err := w.c.Send(mail.OpWatch, "EXAMINE "+quoted(w.name)); err != nil {
		return err
	}
	r, err := w.until(false)
	if err == nil && r.Word != "OK" {
		t := imapconn.Judge(mail.OpList, w.server(), r)
		t.Op = mail.OpWatch
		if r.Word == "NO" && t.Kind == mail.Local {
			return unopened{t}
		}
		return t
	}
	return err
}

// wait waits once, for as long as a wait may be.
func (w *watch) wait(most time.Duration) error {
	if err := w.c.Send(mail.OpWatch, "IDLE"); err != nil {
		return err
	}
	r, err := w.until(true)
	switch {
	case err != nil:
		return err
	case r.Tag != "+":
		return imapconn.Judge(mail.OpWatch, w.server(), r)
	}
	if !w.waits { // something may have come before; what comes between two waits is said in answer to the next one
		w.waits = true
		w.news()
	}
	var done atomic.Bool
	enough := time.AfterFunc(most, func() {
		done.Store(true)
		if w.c.Line(mail.OpWatch, "DONE") == nil {
			_ = w.c.Flush() // where it fails, so does the read that waits
		}
	})
	defer enough.Stop()
	r, err = w.until(false)
	switch {
	case err != nil:
		return err
	case r.Word != "OK":
		return imapconn.Judge(mail.OpWatch, w.server(), r)
	case !done.Load():
		return &mail.Trouble{Op: mail.OpWatch, Kind: mail.Protocol, Server: w.server(),
			Err: errors.New("the server ended the wait by itself")}
	}
	return nil
}

// until reads to the answer to the last command, or to what begins a wait. What there is to be known on the way is how
// many messages there are; that some have gone is no news.
func (w *watch) until(plus bool) (imapconn.Reply, error) {
	return w.c.Until(mail.OpWatch, plus, babble, func(said string) { w.count = w.counted(said) })
}

func (w *watch) server() string { return w.o.Dial.Address }

// counted returns how many messages there are after an untagged response.
func (w *watch) counted(said string) int {
	number, word, _ := strings.Cut(said, " ")
	n, err := strconv.ParseUint(number, 10, 31)
	switch {
	case err != nil:
	case strings.EqualFold(word, "EXISTS"):
		if w.waits && int(n) > w.count {
			w.news()
		}
		return int(n)
	case strings.EqualFold(word, "EXPUNGE") && w.count > 0:
		return w.count - 1
	}
	return w.count
}
