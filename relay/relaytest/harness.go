package relaytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"mailretr/store/mail"
)

// A Harness is one destination, empty at first, and the deliverer that is to be tried on it.
type Harness struct {
	Can Can

	// Deliverer returns the deliverer; called once for each test. Where it is an io.Closer, the suite
	// closes it.
	Deliverer func(testing.TB) mail.Deliverer

	// Arrived returns what the destination has taken responsibility for so far, in any order: one for each
	// message and group of recipients. It is asked at the destination itself, not through the deliverer.
	Arrived func(testing.TB) []Arrival

	// Strip takes away what the deliverer rightly adds in front (trace fields) or does to line ends (a
	// Maildir with LF), so that normal form is left. nil: nothing.
	Strip func([]byte) []byte

	// Address makes a recipient out of a word such as "one". nil: word@relay.example.
	Address func(word string) mail.Path

	// Refused and Later are recipients whom the destination refuses for good, and for now. "": it cannot.
	Refused, Later mail.Path

	// Unreachable takes the destination away, for the rest of the test. nil: it cannot be.
	Unreachable func(testing.TB)
}

// Can says what an implementation is able to do; the suite asks no more of it.
type Can struct {
	Many     bool // a message with several recipients
	Envelope bool // arrivals have reverse-path and recipients
	Null     bool // takes the null reverse-path
	Lane     bool // says OfLane where it is unreachable (a queue does not)
}

// An Arrival is one message at its destination.
type Arrival struct {
	From mail.Path
	To   []mail.Path
	Data []byte
}

func (h *Harness) address(word string) mail.Path {
	if h.Address != nil {
		return h.Address(word)
	}
	return mail.Path(word + "@relay.example")
}

// A Content is mail data that notices how it is used. It is a mail.Content.
type Content struct {
	Text []byte
	Says int64 // the size that is announced; 0: the right one
	Step int   // at most so many octets in one Read; 0: as many as are asked for
	Cut  int   // fail after so many octets; below 0: never
	Err  error // with this; nil: ErrCut
	At   func(n int)

	mu             sync.Mutex
	opened, closed int
	header         int
}

// ErrCut is how a Content ends that was told to fail.
var ErrCut = errors.New("cut on purpose")

// Of makes a content that is right.
func Of(text []byte) *Content { return &Content{Text: text, Cut: -1} }

// Size is what is announced.
func (c *Content) Size() int64 {
	if c.Says != 0 {
		return c.Says
	}
	return int64(len(c.Text))
}

// Header returns the header section.
func (c *Content) Header(context.Context) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header++
	return mail.HeaderOf(c.Text), nil
}

// Open returns the message; it counts.
func (c *Content) Open(context.Context) (io.ReadCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened++
	return &reading{c: c}, nil
}

// used says how a content was used: opened at most once, and closed as often.
func (c *Content) used() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened > 1 || c.closed != c.opened {
		return fmt.Errorf("the content was opened %d times and closed %d times", c.opened, c.closed)
	}
	return nil
}

type reading struct {
	c      *Content
	n      int
	closed bool
}

// Read hands out the octets, or fails.
func (r *reading) Read(p []byte) (int, error) {
	if r.closed {
		return 0, errors.New("read after Close")
	}
	end := len(r.c.Text)
	if r.c.Cut >= 0 {
		end = min(end, r.c.Cut)
	}
	if r.c.At != nil {
		r.c.At(r.n)
	}
	if r.n == end {
		if r.c.Cut < 0 {
			return 0, io.EOF
		}
		if r.c.Err != nil {
			return 0, r.c.Err
		}
		return 0, ErrCut
	}
	if r.c.Step > 0 {
		p = p[:min(len(p), r.c.Step)]
	}
	n := copy(p, r.c.Text[r.n:end])
	r.n += n
	return n, nil
}

// Close counts.
func (r *reading) Close() error {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if !r.closed {
		r.c.closed++
	}
	r.closed = true
	return nil
}
