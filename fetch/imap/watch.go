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
	err := (&watch{access: access{session: newSession(&o)}, name: name, news: news}).run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// A watch is one connection that waits. It does without the library, whose goroutines and buffers are dear where a
// thousand of them wait; three commands is all that it says.
type watch struct {
	access
	name  string
	news  func()
	count int // messages in the folder, as it was said last
	heard int // octets in this wait
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
	if w.conn != nil {
		defer func() {
			w.unhook()
			w.conn.Abort(errOver)
		}()
	}
	if err != nil {
		return err
	}
	every := cmp.Or(w.o.Reissue, reissue)
	w.conn.SetIdle(every + time.Minute)
	for ctx.Err() == nil {
		if err := w.wait(every); err != nil {
			return err
		}
	}
	return nil
}

// begin connects and enters the folder. Where it fails there may be a connection all the same.
func (w *watch) begin(ctx context.Context) error {
	if err := w.prepare(ctx); err != nil {
		return err
	}
	conn, err := wire.Dial(ctx, w.o.Dial)
	if err != nil {
		return mail.TroubleOf(mail.OpDial, w.server(), err)
	}
	w.conn, w.unhook = conn, conn.Watch(ctx)
	err = w.enter(ctx)
	w.caps = nil // nothing more is asked for that not every server can
	return err
}

// enter goes from a connection to an open folder.
func (w *watch) enter(ctx context.Context) error {
	greeting, in, err := w.greet(ctx, w.conn)
	if err == nil && !in {
		greeting, in, err = w.authenticate(ctx, w.conn, greeting)
	}
	if err != nil {
		return err
	}
	if r, _ := parseReply(strings.TrimRight(greeting, "\r\n")); in && r.code == "CAPABILITY" {
		w.caps = strings.Fields(r.args)
	}
	if !in {
		w.conn.Mask(true)
		err := w.do("LOGIN " + text(w.o.User) + " " + text(w.password))
		w.conn.Mask(false)
		if err != nil {
			return redact(w.placed(err), w.password)
		}
	}
	if w.caps == nil {
		if err := w.ask(); err != nil {
			return err
		}
	}
	if !w.can("IDLE") {
		return &mail.Trouble{Op: mail.OpWatch, Kind: mail.Local, Server: w.server(), Err: errNoIdle,
			Hint: "Leave out idle: for this maildrop; it is asked at its interval."}
	}
	return w.examine()
}

// text is a quoted string of what is no folder name.
func text(s string) string { return `"` + escape.Replace(s) + `"` }

// escape makes what stands between the quotes.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// examine opens the folder, to be read only.
func (w *watch) examine() error {
	if err := w.send("EXAMINE " + quoted(w.name)); err != nil {
		return err
	}
	r, err := w.until(w.tag)
	if err == nil && r.word != "OK" {
		t := w.refused(mail.OpList, r)
		t.Op = mail.OpWatch
		if r.word == "NO" && t.Kind == mail.Local {
			return unopened{t}
		}
		return t
	}
	return err
}

// wait waits once, for as long as a wait may be.
func (w *watch) wait(most time.Duration) error {
	if err := w.send("IDLE"); err != nil {
		return err
	}
	r, err := w.until("+")
	switch {
	case err != nil:
		return err
	case r.tag != "+":
		return w.refused(mail.OpWatch, r)
	}
	w.waits = true
	w.news() // something may have come before
	var done atomic.Bool
	enough := time.AfterFunc(most, func() {
		done.Store(true)
		if w.write("DONE") == nil {
			_ = w.conn.Flush() // where it fails, so does the read that waits
		}
	})
	defer enough.Stop()
	r, err = w.until(w.tag)
	switch {
	case err != nil:
		return err
	case r.word != "OK":
		return w.refused(mail.OpWatch, r)
	case !done.Load():
		return w.foreign("the server ended the wait by itself")
	}
	return nil
}

// until reads to the answer to the last command, or to what is looked for, which may be "+". What there is to be known
// on the way is how many messages there are; that some have gone is no news.
func (w *watch) until(tag string) (reply, error) {
	for w.heard = 0; w.heard < babble; {
		line, err := w.conn.ReadLine(maxGreeting)
		if err != nil {
			return reply{}, w.trouble(mail.OpWatch, err)
		}
		said := string(line)
		w.heard += len(said) + 2
		if tag == "+" && (said == "+" || strings.HasPrefix(said, "+ ")) {
			return reply{tag: "+"}, nil
		}
		r, ok := parseReply(said)
		switch {
		case ok && r.tag == w.tag:
			return r, nil
		case ok && r.tag == "*" && r.word == "BYE":
			return r, w.refused(mail.OpWatch, r)
		case !strings.HasPrefix(said, "* "):
			return r, w.foreign("the server answered something that was not asked")
		}
		w.count = w.counted(said[2:])
	}
	return reply{}, w.foreign("the server sent more than was asked for")
}

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
