package imap

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
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

// unopened is the trouble of one folder that cannot be opened.
type unopened struct{ *mail.Trouble }

// Unwrap returns the trouble.
func (u unopened) Unwrap() error { return u.Trouble }

// watch begins to wait in one folder. The connection is open until stay returns, or ctx has ended.
func (r *Retriever) watch(ctx context.Context, name string, news func()) (*watch, error) {
	o := r.Options
	o.Folders, o.Memory, o.After = []string{name}, nil, Keep
	o.Dial.TLS.Classic, o.Dial.ReadBuffer = o.ClassicWatch, lineBuffer
	if err := o.check(); err != nil {
		return nil, &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Server: o.Dial.Address, Err: err}
	}
	w := &watch{o: &o, name: name, news: news}
	// In a goroutine of its own: a handshake leaves a stack behind that is more than waiting needs.
	begun := make(chan error, 1)
	go func() { begun <- w.begin(ctx) }()
	if err := <-begun; err != nil {
		w.end()
		return nil, err
	}
	return w, nil
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

// stay waits until ctx ends, or the connection does, and closes it.
func (w *watch) stay(ctx context.Context) error {
	defer w.end()
	every := cmp.Or(w.o.Reissue, reissue)
	w.c.SetIdle(every + time.Minute)
	for {
		if err := w.wait(every); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.idle(); err != nil {
			return err
		}
	}
}

// end takes down what there is.
func (w *watch) end() {
	if w.c != nil {
		w.unhook()
		w.c.Abort(errOver)
	}
}

// begin connects, enters the folder and begins to wait. Where it fails there may be a connection all the same.
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
	if err = w.enter(ctx); err == nil {
		err = w.idle()
	}
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
	name, err := w.written()
	if err != nil {
		return err
	}
	err = w.examine(name)
	if t := new(mail.Trouble); errors.As(err, &t) && unsafeLogin(t) && w.c.Can("ID") {
		if _, err := w.ask(whoWeAre); err != nil {
			return err
		}
		return w.examine(name)
	}
	return err
}

// written is the name as this server reads it: in UTF-8 where there is nothing but IMAP4rev2, and where it admits nobody
// who does not ask for UTF-8 (RFC 6855, 6). Elsewhere that is not asked for, since no mail crosses this connection, and
// until then names are coded (RFC 6855, 3; RFC 9051, 6.3.1).
func (w *watch) written() (string, error) {
	plain := w.c.Can("IMAP4rev2") && !w.c.Can("IMAP4rev1")
	if w.c.Can(string(utf8Only)) {
		r, err := w.ask("ENABLE UTF8=ACCEPT")
		if err != nil {
			return "", err
		}
		plain = plain || r.Word == "OK"
	}
	if plain {
		return imapconn.Quote(w.name), nil
	}
	return quoted(w.name), nil
}

// ask makes a command of which nothing but the last word of the answer matters.
func (w *watch) ask(command string) (imapconn.Reply, error) {
	if err := w.c.Send(mail.OpWatch, command); err != nil {
		return imapconn.Reply{}, err
	}
	return w.until(false)
}

// examine opens the folder, to be read only.
func (w *watch) examine(name string) error {
	if err := w.c.Send(mail.OpWatch, "EXAMINE "+name); err != nil {
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

// idle begins a wait. What comes before is said by who made the watch, what comes between two waits is said in answer to the
// next one.
func (w *watch) idle() error {
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
	w.waits = true
	return nil
}

// wait waits for as long as a wait may be.
func (w *watch) wait(most time.Duration) error {
	var done atomic.Bool
	enough := time.AfterFunc(most, func() {
		done.Store(true)
		if w.c.Line(mail.OpWatch, "DONE") == nil {
			_ = w.c.Flush() // where it fails, so does the read that waits
		}
	})
	defer enough.Stop()
	r, err := w.until(false)
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
