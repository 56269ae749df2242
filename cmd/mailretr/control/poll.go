package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"mailretr/fetch"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// A PollRequest asks to collect now: from the maildrops that are named, or from all that are not paused.
type PollRequest struct {
	Maildrops []string `json:"maildrops,omitempty"`
	// OverBudget: although a budget is spent, or large mail has to wait for its hours.
	OverBudget bool `json:"over_budget,omitempty"`
}

// A Polled tells how far a maildrop has come, or how its visit ended.
type Polled struct {
	Maildrop string `json:"maildrop"`
	Doing    string `json:"doing,omitempty"` // until it ends
	Messages int64  `json:"messages"`
	Of       int64  `json:"of,omitempty"` // messages to be fetched, once that is known
	Octets   int64  `json:"octets"`       // of messages
	Total    int64  `json:"total_octets,omitempty"`

	Done   bool      `json:"done,omitempty"`
	Line   int64     `json:"line_octets,omitempty"` // that crossed the line, both ways
	Saved  int64     `json:"saved_octets,omitempty"`
	Wasted int64     `json:"wasted_octets,omitempty"`
	Left   int       `json:"left,omitempty"` // messages that stay upstream for a reason
	Next   time.Time `json:"next,omitzero"`
	Kind   string    `json:"kind,omitempty"` // of the trouble
	Error  string    `json:"error,omitempty"`
	Reply  string    `json:"reply,omitempty"` // of the server
	Hint   string    `json:"hint,omitempty"`
}

// tick is how often progress is told.
const tick = 250 * time.Millisecond

func poll(h *House, out *stream, r *http.Request) error {
	q, err := body[PollRequest](r)
	switch {
	case err != nil:
		return err
	case h.Poller == nil:
		return errNoPoller
	case len(q.Maildrops) > maxIDs:
		return usage(fmt.Sprintf("more than %d names", maxIDs), "")
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var events <-chan mail.Event
	if h.Events != nil {
		var stop func()
		events, stop = h.Events.Listen()
		defer stop()
	}
	ended := make(chan []fetch.Visit, 1)
	collect := h.Poller.Poll
	if q.OverBudget {
		collect = h.Poller.PollOver
	}
	go func() { ended <- collect(ctx, q.Maildrops...) }()
	steps := &polling{only: q.Maildrops, steps: map[string]*Polled{}, dirty: map[string]bool{}}
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case e := <-events:
			steps.observe(e)
			continue
		case <-t.C:
			err = steps.tell(out)
		case visits := <-ended:
			return tellVisits(h, out, visits)
		}
		if err != nil { // nobody listens any more
			cancel()
			<-ended
			return err
		}
	}
}

var errNoPoller = newError(Unavailable, "nothing is collected here", "")

// polling adds up what events say of the maildrops that were asked for.
type polling struct {
	only  []string
	steps map[string]*Polled
	dirty map[string]bool
}

func (p *polling) observe(e mail.Event) {
	name := e.Origin.Maildrop
	if name == "" || len(p.only) > 0 && !slices.Contains(p.only, name) {
		return
	}
	s := p.steps[name]
	if s == nil {
		s = &Polled{Maildrop: name}
		p.steps[name] = s
	}
	switch e.Op {
	case mail.OpList:
		s.Of, s.Total = s.Messages+int64(e.Messages), s.Octets+e.Octets
	case mail.OpQueue:
		s.Messages, s.Octets = s.Messages+max(int64(e.Messages), 1), s.Octets+e.Octets
	case mail.OpDeliver, mail.OpDSN, mail.OpExpire, mail.OpHold, mail.OpVerb:
		return // the other half of its way
	}
	s.Doing = e.Op.Doing()
	p.dirty[name] = true
}

func (p *polling) tell(out *stream) error {
	for name := range p.dirty {
		if err := out.item(p.steps[name], true); err != nil {
			return err
		}
	}
	clear(p.dirty)
	return nil
}

func tellVisits(h *House, out *stream, visits []fetch.Visit) error {
	for _, v := range visits {
		p := polledOf(&v)
		if p.Kind == mail.Auth.String() && h.Consent != nil && h.Consent(v.Name) != nil && !strings.Contains(p.Hint, "mailretr login") {
			p.Hint = "There is no password to enter anew. Sign in: mailretr login " + v.Name + "."
		}
		if err := out.item(p, false); err != nil {
			return err
		}
	}
	return nil
}

func polledOf(v *fetch.Visit) Polled {
	p := Polled{
		Maildrop: v.Name, Done: true, Messages: int64(v.Tally.Messages), Octets: v.Tally.Octets,
		Line: v.Up + v.Down, Saved: v.Tally.Saved, Wasted: v.Wasted, Left: v.Tally.Left, Next: v.Next,
	}
	if v.Err == nil {
		return p
	}
	p.Error, p.Kind = v.Err.Error(), "stopped"
	var t *mail.Trouble
	switch {
	case errors.As(v.Err, &t):
		p.Kind, p.Reply, p.Hint = t.Kind.String(), t.Reply, status.Advice(t)
	case errors.Is(v.Err, fetch.ErrUnknown):
		p.Kind, p.Hint = "unknown", "see which there are with: mailretr status"
	case errors.Is(v.Err, fetch.ErrPaused):
		p.Kind, p.Hint = "paused", "to collect from it again: mailretr maildrop resume "+v.Name
	}
	return p
}

// A PauseRequest is who pauses a maildrop, or resumes it.
type PauseRequest struct {
	Owner bool `json:"owner,omitempty"` // who owns it: he cannot end what an admin has paused
}

// pause and resume a maildrop.
func pause(h *House, _ *stream, r *http.Request) error {
	if h.Poller == nil {
		return errNoPoller
	}
	q, err := body[PauseRequest](r)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	var do func(context.Context, string) error
	switch verb := r.PathValue("verb"); {
	case verb == "pause" && q.Owner:
		do = h.Poller.PauseByOwner
	case verb == "pause":
		do = h.Poller.Pause
	case verb == "resume" && q.Owner:
		do = h.Poller.ResumeByOwner
	case verb == "resume":
		do = h.Poller.Resume
	default:
		return newError(NotFound, "a maildrop is paused or resumed", "")
	}
	err = do(r.Context(), name)
	if errors.Is(err, fetch.ErrNotByOwner) {
		return newError(Denied, err.Error(), "an admin has to resume it")
	}
	return unknown(name, err)
}

// unknown makes fetch.ErrUnknown an error that names the maildrop.
func unknown(name string, err error) error {
	if errors.Is(err, fetch.ErrUnknown) {
		return newError(NotFound, fmt.Sprintf("there is no maildrop %q", mail.Printable(name, 100)),
			"see which there are with: mailretr status")
	}
	return err
}
