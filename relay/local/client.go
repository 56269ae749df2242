package local

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"mailretr/store/mail"
)

// Options are what all kinds have in common.
type Options struct {
	// User is whose rights a delivery has: a name, or a template such as "{local}" that makes one of the
	// recipient. Only root can have those of others. "": our own; where we are root, those of the owner of
	// the mailbox.
	User string
	// Group is one more group that the delivery belongs to, e.g. "mail" for lock files in /var/mail; "":
	// none.
	Group string
	// Folder says in which folder of its maildrop a message was, in the maildrop's own words; "" where
	// nobody knows, and for an inbox. nil: nobody ever does.
	Folder func(mail.Origin) string
	// Host is our name in file names. "": that of the machine.
	Host string
	// Dir is where what has to be read twice is kept meanwhile. "": os.TempDir.
	Dir string
	// Since is when this program began: what was queued before may have been delivered by an earlier one.
	// Zero: always.
	Since time.Time
	// Turns are what all connections of all destinations share, so that a mailbox that takes long holds up its own mail
	// only. nil: nobody is waited for.
	Turns *Turns
	// Trace says whether a Delivered-To field goes in front.
	Trace bool
	Now   func() time.Time // nil: time.Now
}

// A Client delivers into one kind of mailbox. It keeps nothing between two messages: safe for concurrent use.
type Client struct {
	o    Options
	user template
	box  box
	host string
}

// A box is a kind of mailbox.
type box interface {
	// find completes a target: whose it is, and where. The error says what the recipient's result is.
	find(*target) error
	// look says whether the mailbox would take anything, with the rights that it would be written with.
	look(*target) error
	// put delivers. r has the octets with CRLF. A nil error means that they are safe.
	put(ctx context.Context, t *target, r io.Reader) error
	// whole says that put cannot take back what it has begun: r has to be known to be whole before.
	whole() bool
	// turn names what takes one message at a time; "": it takes many.
	turn(*target) string
}

// A target is one recipient of a message on the way into a mailbox.
type target struct {
	m     *mail.Message
	to    mail.Path
	words words
	who   *who
	path  string // absolute, where the kind has paths
	base  string // the part of it that has to be there
	home  bool   // which is the user's own, and says nothing of others
	id    mail.ID
	again bool // an earlier attempt may have come through
}

func newClient(o Options, b func(*Client) (box, error)) (*Client, error) {
	c := &Client{o: o, host: o.Host}
	if c.host == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		c.host = name
	}
	var err error
	if c.user, err = parse(o.User, "user", recipientWords); err != nil {
		return nil, err
	}
	c.box, err = b(c)
	return c, err
}

// Close does nothing: there is no connection.
func (c *Client) Close() error { return nil }

func (c *Client) now() time.Time {
	if c.o.Now != nil {
		return c.o.Now()
	}
	return time.Now()
}

// Probe says whether the mailbox of each recipient is there, or would be made.
func (c *Client) Probe(ctx context.Context, m *mail.Message) mail.Report {
	report := make(mail.Report, len(m.Envelope.Recipients))
	for i, r := range m.Envelope.Recipients {
		t, err := c.target(m, r)
		if err == nil {
			err = c.box.look(t)
		}
		if err == nil {
			err = ctx.Err()
		}
		report[i] = c.result(err, mail.OpRcpt)
	}
	return report
}

// Deliver writes a copy for each recipient. A recipient that stands twice gets one.
func (c *Client) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	report := make(mail.Report, len(m.Envelope.Recipients))
	first := map[string]int{}
	var all []*target
	var place []int
	for i, r := range m.Envelope.Recipients {
		key := r.Forward.Local() + "@" + r.Forward.Domain()
		if _, twin := first[key]; twin {
			continue
		}
		first[key] = i
		t, err := c.target(m, r)
		if err == nil {
			err = c.box.look(t)
		}
		if err != nil {
			report[i] = c.result(err, mail.OpRcpt)
			continue
		}
		all, place = append(all, t), append(place, i)
	}
	for n, x := range c.copies(ctx, m, all) {
		report[place[n]] = x
	}
	for i, r := range m.Envelope.Recipients {
		report[i] = report[first[r.Forward.Local()+"@"+r.Forward.Domain()]]
	}
	return report
}

// copies writes one for each target, in order. The content is read once.
func (c *Client) copies(ctx context.Context, m *mail.Message, all []*target) []mail.Result {
	results := make([]mail.Result, len(all))
	if len(all) == 0 {
		return results
	}
	fail := func(err error) []mail.Result {
		for i := range results {
			results[i] = c.result(&source{err}, mail.OpBody)
		}
		return results
	}
	if ctx.Err() != nil {
		return fail(ctx.Err())
	}
	content, err := m.Content.Open(ctx)
	if err != nil {
		return fail(err)
	}
	defer content.Close()
	var r io.Reader = &reader{ctx: ctx, r: content}
	if len(all) == 1 && !c.box.whole() {
		results[0] = c.copy(ctx, all[0], r)
		return results
	}
	s, err := newSpool(c.o.Dir, r)
	if err != nil {
		return fail(err)
	}
	defer s.remove()
	for i, t := range all {
		f, err := s.open()
		if err != nil {
			results[i] = c.result(&source{err}, mail.OpBody)
			continue
		}
		results[i] = c.copy(ctx, t, &reader{ctx: ctx, r: f})
		f.Close()
	}
	return results
}

// copy writes one, at its turn.
func (c *Client) copy(ctx context.Context, t *target, r io.Reader) mail.Result {
	end, err := c.o.Turns.begin(ctx, c.box.turn(t), c.now)
	if err != nil {
		return c.result(err, mail.OpBody)
	}
	defer end()
	if c.o.Trace {
		r = io.MultiReader(strings.NewReader("Delivered-To: "+string(t.to)+"\r\n"), r)
	}
	return c.result(c.box.put(ctx, t, r), mail.OpBody)
}

// target says who a recipient is, and finds the mailbox.
func (c *Client) target(m *mail.Message, r mail.Recipient) (*target, error) {
	if err := r.Forward.CheckForward(); err != nil {
		return nil, failed("5.1.3", "553 5.1.3 this is no address that could have a mailbox", err)
	}
	t := &target{m: m, to: r.Forward, id: m.ID}
	t.again = m.Attempts > 0 || m.ID.Time().Before(c.o.Since) || c.o.Since.IsZero()
	if t.id.Zero() {
		t.id, t.again = mail.NewID(c.now(), nil), false
	}
	t.words = wordsOf(m, r.Forward)
	if c.o.Folder != nil {
		t.words["folder"] = c.o.Folder(m.Origin)
	}
	return t, c.box.find(t)
}

// named returns the user that Options.User means for a recipient; nil where nobody is named.
func (c *Client) named(t *target) (*who, error) {
	if c.user.text == "" {
		return nil, nil
	}
	name, err := c.user.expand(t.words, nameSafe)
	if err != nil {
		return nil, failed("5.1.1", "550 5.1.1 no such user here", err)
	}
	return lookup(name, c.o.Group, len(c.user.used) == 0)
}

// result makes a Result of an error; at is the step.
func (c *Client) result(err error, at mail.Op) mail.Result {
	x := mail.Result{Outcome: mail.Delivered}
	if err != nil {
		x = resultOf(err)
		x.After = at
	}
	x.At = c.now()
	return x
}

// A refusal is an error that knows its result.
type refusal struct{ x mail.Result }

func (r *refusal) Error() string { return r.x.String() }

func (r *refusal) Unwrap() error { return r.x.Err }

func failed(enhanced, reply string, cause error) error {
	return &refusal{mail.Result{Outcome: mail.Failed, Enhanced: enhanced, Reply: reply, Err: cause}}
}

func deferred(enhanced, reply string, cause error) error {
	return &refusal{mail.Result{Enhanced: enhanced, Reply: reply, Err: cause}}
}

// lane is a deferral that speaks of the destination, not of the message: a mistake in the configuration or
// of the machine.
func lane(reply string, cause error) error {
	return &refusal{mail.Result{Scope: mail.OfLane, Enhanced: "4.3.5", Reply: "451 4.3.5 " + reply, Err: cause}}
}

// A source error is that of the content: nothing is wrong with the mailbox.
type source struct{ err error }

func (s *source) Error() string { return "reading the message: " + s.err.Error() }

func (s *source) Unwrap() error { return s.err }

// A reader marks errors of the content, and ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, &source{err}
	}
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		var s *source
		if !errors.As(err, &s) {
			err = &source{err}
		}
	}
	return n, err
}
