package control

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// A Select says which messages are meant: those of IDs, or those that fulfil every other condition that is
// set, or All.
type Select struct {
	IDs []string `json:"ids,omitempty"` // whole ids, or unique beginnings or endings of at least four characters
	All bool     `json:"all,omitempty"`

	Maildrop string        `json:"maildrop,omitempty"`
	Lane     string        `json:"lane,omitempty"`
	From     string        `json:"from,omitempty"`   // a pattern; @example.org for a whole domain; <> for the null one
	To       string        `json:"to,omitempty"`     // the same, of any recipient
	Reason   string        `json:"reason,omitempty"` // a pattern: what was said last of any recipient, or why it is held
	State    State         `json:"state,omitempty"`
	Older    time.Duration `json:"older,omitempty"`   // queued longer ago than this, in nanoseconds
	Younger  time.Duration `json:"younger,omitempty"` // queued since then
	Larger   int64         `json:"larger,omitempty"`  // more octets than this
	Smaller  int64         `json:"smaller,omitempty"` // fewer

	// Before narrows what the rest selects to what was queued then: what somebody has looked at.
	Before time.Time `json:"before,omitzero"`
}

// Empty says whether nothing was asked for.
func (s *Select) Empty() bool { return len(s.IDs) == 0 && !s.All && !s.Filtered() }

// Filtered says whether there is a condition.
func (s *Select) Filtered() bool {
	return s.Maildrop != "" || s.Lane != "" || s.From != "" || s.To != "" || s.Reason != "" || s.State != "" ||
		s.Older > 0 || s.Younger > 0 || s.Larger > 0 || s.Smaller > 0
}

func (s *Select) check() error {
	switch {
	case s.State != "" && !slices.Contains(States(), s.State):
		return usage(fmt.Sprintf("there is no state %q", s.State), "it is one of: "+joined(States()))
	case s.Older < 0 || s.Younger < 0 || s.Larger < 0 || s.Smaller < 0:
		return usage("ages and sizes are not negative", "")
	case len(s.IDs) > 0 && (s.All || s.Filtered()):
		return usage("ids and conditions exclude each other", "name the messages, or say which with conditions")
	case len(s.IDs) > maxIDs:
		return usage(fmt.Sprintf("more than %d ids", maxIDs), "say which with conditions")
	}
	return nil
}

// maxIDs bounds a request.
const maxIDs = 10_000

func joined[T ~string](words []T) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return strings.Join(list, ", ")
}

// records yields what is selected, in order of queueing; nothing selected means everything.
func (s *Select) records(ctx context.Context, e store.Engine, now time.Time) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		f, err := s.filter(ctx, e)
		if err != nil {
			yield(store.Listed{}, err)
			return
		}
		for l, err := range e.List(ctx, f) {
			if err == nil && !s.match(&l, now) {
				continue
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// filter is what the engine can do of it.
func (s *Select) filter(ctx context.Context, e store.Engine) (f store.Filter, err error) {
	if err := s.check(); err != nil {
		return f, err
	}
	f.Lane, f.Maildrop = mail.Lane(s.Lane), s.Maildrop
	if s.State == Held {
		yes := true
		f.Held = &yes
	}
	for _, text := range s.IDs {
		id, err := find(ctx, e, text)
		if err != nil {
			return f, err
		}
		f.IDs = append(f.IDs, id)
	}
	return f, nil
}

func (s *Select) match(l *store.Listed, now time.Time) bool {
	r := &l.Record
	return (s.State == "" || stateOf(l) == s.State) &&
		(s.Older == 0 || now.Sub(r.Queued) > s.Older) &&
		(s.Younger == 0 || now.Sub(r.Queued) <= s.Younger) &&
		(s.Larger == 0 || r.Size > s.Larger) &&
		(s.Smaller == 0 || r.Size < s.Smaller) &&
		(s.Before.IsZero() || r.Queued.Before(s.Before)) &&
		(s.From == "" || address(s.From, r.Reverse)) &&
		(s.To == "" || slices.ContainsFunc(r.Recipients, func(x store.Recipient) bool {
			return address(s.To, x.Forward)
		})) &&
		(s.Reason == "" || reason(s.Reason, r))
}

// address says whether a path is the wanted address, or in the wanted domain. Local parts are compared
// without case: who looks for mail does not know how it was written.
func address(want string, p mail.Path) bool {
	switch {
	case want == "<>":
		return p.Null()
	case strings.HasPrefix(want, "@"):
		want = "*" + want
	}
	return fits(strings.Trim(want, "<>"), string(p))
}

// reason says whether something that was said of a record has a pattern in it.
func reason(want string, r *store.Record) bool {
	want = "*" + want + "*"
	has := func(text string) bool { return text != "" && fits(want, text) }
	return has(r.HoldWhy) || slices.ContainsFunc(r.Recipients, func(x store.Recipient) bool {
		return has(x.Last.Reply) || has(x.Last.Err)
	})
}

// fits says whether a text is what a pattern says, in either case. In a pattern * stands for anything. It takes
// no longer than the two lengths multiplied, whatever strangers write.
func fits(pattern, text string) bool {
	parts := strings.Split(strings.ToLower(pattern), "*")
	text = strings.ToLower(text)
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return text == first
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, ok := strings.Cut(text, part)
		if !ok {
			return false
		}
		text = rest
	}
	return true
}

// find returns the one id that begins or ends with text.
func find(ctx context.Context, e store.Engine, text string) (mail.ID, error) {
	if id, err := mail.ParseID(text); err == nil {
		return id, nil
	}
	shown := mail.Printable(text, 40)
	if len(text) < 4 || len(text) > mail.IDLen {
		return mail.ID{}, usage(fmt.Sprintf("%q is no id", shown),
			"write an id, or at least 4 characters of its beginning or end")
	}
	ids, err := e.Find(ctx, text, 2)
	switch {
	case err != nil:
		return mail.ID{}, err
	case len(ids) == 0:
		return mail.ID{}, newError(NotFound, fmt.Sprintf("no message has an id with %q at its beginning or end", shown),
			"see what there is with: mailretr queue")
	case len(ids) > 1:
		return mail.ID{}, usage(fmt.Sprintf("several messages have an id with %q at its beginning or end", shown),
			"write more of it")
	}
	return ids[0], nil
}
