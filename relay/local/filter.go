package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"mailretr/store/mail"
)

// A Filter decorates a deliverer with a program that sees each message first. The message, with LF for
// CRLF, is its standard input. It decides by its exit code: 0 passes the message on, as it was or, where it
// writes anything to its standard output, as that; 99 drops it; 100 refuses it, with what it writes to its
// standard error as the reason; all else defers. What waits in the queue is the original in any case, and
// each attempt begins with it.
type Filter struct {
	To   mail.Deliverer
	argv []template
	o    FilterOptions
}

// FilterOptions say what NewFilter makes.
type FilterOptions struct {
	// Argv is a program with its arguments, each a template of words of the message, not of a recipient:
	// "{sender}".
	Argv []string
	// User is whose rights it has. "": ours, which must not be root's.
	User string
	// Timeout is how long it may take. 0: 10 min.
	Timeout time.Duration
	// Dir is where the message lies meanwhile. "": os.TempDir.
	Dir string
	// Lane is told with what was dropped.
	Lane    mail.Lane
	Observe mail.Observer
	Now     func() time.Time // nil: time.Now
}

// NewFilter checks the options.
func NewFilter(to mail.Deliverer, o FilterOptions) (*Filter, error) {
	argv, err := parseArgv(o.Argv, "filter", messageWords)
	if err == nil {
		_, err = parse(o.User, "user", nil)
	}
	return &Filter{To: to, argv: argv, o: o}, err
}

// What a filter decides.
const (
	exitPass   = 0
	exitDrop   = 99
	exitRefuse = 100
)

// Deliver asks the program and passes on.
func (f *Filter) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	n := len(m.Envelope.Recipients)
	answer := func(err error) mail.Report {
		x := resultOf(err)
		if x.After, x.At = mail.OpBody, f.now(); x.Scope == mail.OfRecipient {
			x.Scope = mail.OfMessage
		}
		return mail.Same(n, x)
	}
	before, err := f.fetch(ctx, m)
	if err != nil {
		return answer(&source{err})
	}
	defer before.remove()
	e, after, err := f.ask(ctx, m, before)
	if err != nil {
		return answer(err)
	}
	defer after.remove()
	switch e.code {
	case exitPass:
		changed := before
		if after.size > 0 {
			changed = after
		}
		c := *m
		c.Content = &content{s: changed}
		return f.To.Deliver(ctx, &c)
	case exitDrop:
		f.dropped(m, e)
		return mail.Same(n, mail.Result{Outcome: mail.Delivered, Scope: mail.OfMessage, Enhanced: "2.0.0",
			Custody: mail.Reports, // nobody is told that it was delivered
			Reply:   "250 2.0.0 discarded by the filter", At: f.now()})
	case exitRefuse:
		return answer(failed(e.code5("5.7.1"), "550 "+e.code5("5.7.1")+" "+e.text("refused by a filter"), nil))
	}
	why := e.why
	if why == "" {
		why = fmt.Sprintf("exit code %d", e.code)
	}
	return answer(deferred("4.3.0", "451 4.3.0 "+e.text("a filter failed for now"), errors.New(why)))
}

// fetch reads the message, so that it is whole before the program sees any of it.
func (f *Filter) fetch(ctx context.Context, m *mail.Message) (*spool, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r, err := m.Content.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return newSpool(f.o.Dir, &reader{ctx, r})
}

// ask runs the program; after is what it wrote, in normal form.
func (f *Filter) ask(ctx context.Context, m *mail.Message, before *spool) (e ended, after *spool, err error) {
	w := wordsOfMessage(m)
	argv, err := expandArgv(f.argv, w)
	if err != nil {
		return e, nil, err
	}
	j := &job{argv: argv, words: w, limit: f.o.Timeout}
	if f.o.User == "" {
		j.who, err = unnamed("")
	} else {
		j.who, err = lookup(f.o.User, "", true)
	}
	if err != nil {
		return e, nil, err
	}
	in, err := before.open()
	if err != nil {
		return e, nil, &source{err}
	}
	defer in.Close()
	j.stdin = &reader{ctx, in}
	from, to := io.Pipe()
	// Rewriting costs something: a report of a spam check, a coding for 7 bits. A program that writes
	// without end does not.
	limit := &bounded{to: to, left: 2*before.size + 1<<20}
	j.stdout = limit
	type written struct {
		s   *spool
		err error
	}
	done := make(chan written, 1)
	go func() {
		s, err := newSpool(f.o.Dir, newCRLF(from))
		from.CloseWithError(err)
		done <- written{s, err}
	}()
	e, err = j.run(ctx)
	to.CloseWithError(err) // nil is the end
	out := <-done
	var s *source
	switch {
	case errors.As(err, &s):
	case limit.left < 0: // which the program may have died of
		err = deferred("4.3.0", "451 4.3.0 a filter wrote too much", errEndless)
	case err != nil:
		err = lane("a filter cannot be run", err)
	case out.err != nil:
		err = &source{out.err}
	}
	if err != nil && out.s != nil {
		out.s.remove()
	}
	return e, out.s, err
}

// dropped tells that nobody will get the message.
func (f *Filter) dropped(m *mail.Message, e ended) {
	if f.o.Observe == nil {
		return
	}
	f.o.Observe.Observe(mail.Event{At: f.now(), Op: mail.OpDiscard, ID: m.ID, Origin: m.Origin, Lane: f.o.Lane,
		From: m.Envelope.Reverse, Messages: 1, Octets: max(m.Content.Size(), 0), Reply: e.text(""),
		Text: "discard: the filter has dropped the message"})
}

func (f *Filter) now() time.Time {
	if f.o.Now != nil {
		return f.o.Now()
	}
	return time.Now()
}

var errEndless = errors.New("more than twice the message and a megabyte")

// bounded is a writer that takes only so much.
type bounded struct {
	to   io.Writer
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errEndless
	}
	return b.to.Write(p)
}

// content is a message that lies in a spool.
type content struct{ s *spool }

func (c *content) Size() int64 { return c.s.size }

// Open opens the file.
func (c *content) Open(context.Context) (io.ReadCloser, error) {
	f, err := c.s.open()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Header reads the header section.
func (c *content) Header(context.Context) ([]byte, error) {
	f, err := c.s.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return headerOf(f)
}

// headerOf reads a header section with the empty line that ends it, if there is one.
func headerOf(f *os.File) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, mail.MaxHeader+1))
	if err != nil {
		return nil, err
	}
	return mail.Text(b).Header(context.Background())
}
