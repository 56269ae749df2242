package demo

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
)

// A Story makes sentences of the events of the code that is shown. It is a mail.Observer, and safe for
// concurrent use.
type Story struct {
	stage *Stage
	began time.Time

	mu      sync.Mutex
	lines   []string // not told yet
	queued  map[string]int
	taken   int       // small messages that the MTA has
	here    int       // messages in the queue
	tries   int       // of the large one
	next    time.Time // when it is tried again
	trouble []string
}

// NewStory begins a story about what happens on a stage.
func NewStory(s *Stage) *Story { return &Story{stage: s, began: time.Now(), queued: map[string]int{}} }

// Began is when the story began.
func (s *Story) Began() time.Time { return s.began }

// Observe takes an event in.
func (s *Story) Observe(e mail.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Op == mail.OpQueue:
		s.here++
		s.collected(e)
	case e.Op == mail.OpDSN && e.Messages > 0:
		s.here++
	case e.Op == mail.OpRefuse:
		s.say("%s: the MTA is asked with the header of the %s message, and says:",
			s.stage.title(e.Origin.Maildrop), term.Size(e.Octets))
		s.more("%s", mail.Printable(e.Reply, 60))
		s.more("so the body is not loaded, and the sender gets a bounce")
	case e.Op == mail.OpDeliver:
		s.attempted(e)
	case e.Err != nil && (e.Alarm || e.Op == mail.OpPoll):
		s.wrong(e)
	}
}

// collected tells of the small messages of a maildrop together, and of a large one.
func (s *Story) collected(e mail.Event) {
	name := s.stage.title(e.Origin.Maildrop)
	if e.Octets >= large {
		s.say("%s: the %s message is collected: durable here, then deleted there", name, term.Size(e.Octets))
		return
	}
	if s.queued[e.Origin.Maildrop]++; s.queued[e.Origin.Maildrop] == small {
		s.say("%s: %d small messages are collected: durable here, then deleted there", name, small)
	}
}

// large is from where on the demo calls a message large, in octets.
const large = 1 << 20

// attempted tells of an attempt at the MTA.
func (s *Story) attempted(e mail.Event) {
	done := e.Outcome == mail.Delivered
	if done {
		s.here--
	}
	if e.Octets >= large {
		s.tries, s.next = e.Attempt, e.Next
	}
	switch {
	case e.From.Null() && done:
		s.say("the MTA takes the bounce, from %s to %s", From, mail.Printable(string(e.To), 60))
	case e.Octets >= large && done:
		s.say("attempt %d: the MTA takes the %s message", e.Attempt, term.Size(e.Octets))
	case e.Octets >= large && e.Attempt == 1:
		s.say("the MTA is given the %s message, and says: %s", term.Size(e.Octets), mail.Printable(e.Reply, 60))
		s.more("it stays here, and is not loaded again")
	case e.Octets >= large:
		s.say("attempt %d: the MTA says %.3s to the %s message: it stays here, and is not loaded again",
			e.Attempt, mail.Printable(e.Reply, 60), term.Size(e.Octets))
	case done:
		if s.taken++; s.taken == small*len(s.stage.Drops) {
			s.say("the MTA has taken all %d small messages: the large ones hold up nobody", s.taken)
		}
	default:
		s.wrong(e)
	}
}

// wrong tells of what should not happen here.
func (s *Story) wrong(e mail.Event) {
	text := e.Text
	switch {
	case e.Err != nil:
		text = e.Err.Error()
	case e.Reply != "":
		text = e.Reply
	}
	if e.Origin.Maildrop != "" {
		text = e.Origin.Maildrop + ": " + text
	}
	text = mail.Printable(text, 300)
	if len(s.trouble) < 10 && !slices.Contains(s.trouble, text) {
		s.trouble = append(s.trouble, text)
		s.say("trouble: %s", text)
	}
}

// say tells a sentence, with the seconds since the beginning.
func (s *Story) say(format string, args ...any) {
	at := fmt.Sprintf("%5.1fs  ", time.Since(s.began).Seconds())
	s.lines = append(s.lines, at+fmt.Sprintf(format, args...))
}

// more goes on with a sentence.
func (s *Story) more(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf("          "+format, args...))
}

// tell returns what was not told yet.
func (s *Story) tell() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.lines
	s.lines = nil
	return all
}

// Trouble is what went wrong, in sentences.
func (s *Story) Trouble() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.trouble)
}

// now is the state of things, for the block that is drawn again and again.
func (s *Story) now() (all []string) {
	for _, d := range s.stage.Drops {
		waits := "?"
		if n, err := d.server.left(); err == nil {
			waits = fmt.Sprint(n)
		}
		all = append(all, fmt.Sprintf("  %-14s %3s waiting there, %5s over the line; sessions: %d",
			d.title(), waits, term.Size(d.line.total()), d.line.sessions.Load()))
	}
	taken, deferred, refused := s.stage.mta.counts()
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := fmt.Sprintf("  %-14s %3d waiting here", "queue", s.here)
	if !s.next.IsZero() {
		in := max(time.Until(s.next), 0).Seconds()
		queue += fmt.Sprintf(", attempt %d of the large one in %.1fs", s.tries+1, in)
	}
	mta := fmt.Sprintf("  %-14s %3d taken; said 451: %d, 550: %d", "MTA", taken, deferred, refused)
	return append(all, queue, mta)
}

// title names a maildrop and its protocol.
func (s *Stage) title(name string) string {
	for _, d := range s.Drops {
		if d.Name == name {
			return d.title()
		}
	}
	return mail.Printable(name, 40)
}
