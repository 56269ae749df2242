package control

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// A Group is messages that wait for the same reason, at the same destination. A message whose recipients got different
// answers is in the group of each.
type Group struct {
	Lane     string    `json:"lane"`
	State    State     `json:"state"`            // queued, deferred, held, reporting
	Reason   string    `json:"reason,omitempty"` // with numbers and addresses taken out; "" where nothing was said yet
	Messages int       `json:"messages"`
	Octets   int64     `json:"octets"`
	Oldest   time.Time `json:"oldest"`
	Next     time.Time `json:"next,omitzero"` // when the first of them is tried again
	Example  string    `json:"queue_id"`      // of the oldest
	Short    string    `json:"short_id"`
	Full     string    `json:"example,omitempty"` // what was said of the oldest, word for word
	Other    bool      `json:"other,omitempty"`   // whatever was said of messages for which there was no group any more
}

const (
	// mostGroups bounds the memory of a count: a server that says something else each time gets one line.
	mostGroups = 5000
	maxReason  = 200 // octets
)

// A TopRequest asks why messages wait.
type TopRequest struct{ Select }

type groupKey struct {
	lane   mail.Lane
	state  State
	reason string
	other  bool
}

// A count gathers messages into groups.
type count map[groupKey]*Group

func top(h *House, out *stream, r *http.Request) error {
	q, err := body[TopRequest](r)
	if err != nil {
		return err
	}
	c := count{}
	for l, err := range q.Select.records(r.Context(), h.Engine, h.now()) {
		if err != nil {
			return err
		}
		c.add(&l)
	}
	short, err := shortsOf(r.Context(), h.Engine)
	if err != nil {
		return err
	}
	for _, g := range c.sorted() {
		if id, err := mail.ParseID(g.Example); err == nil {
			g.Short = short.of(id)
		}
		if err := out.item(g, false); err != nil {
			return err
		}
	}
	return nil
}

// add counts one message in the groups that it belongs to.
func (c count) add(l *store.Listed) {
	r := &l.Record
	waiting := *l
	waiting.Leased = false // what is being attempted waits for the same reason
	state := stateOf(&waiting)
	var seen []string
	for _, said := range reasons(r) {
		reason := alike(said)
		if r.Hold == store.HoldAdmin { // the words of one of ours mean what they say
			reason = shortened(said, maxReason)
		}
		if slices.Contains(seen, reason) {
			continue
		}
		seen = append(seen, reason)
		c.group(groupKey{lane: r.Lane, state: state, reason: reason}).take(r, said)
	}
}

// reasons are what was said of a record: why it is held, or last of each recipient.
func reasons(r *store.Record) (all []string) {
	if r.Held() {
		return []string{holds[r.Hold] + ": " + r.HoldWhy}
	}
	for i := range r.Recipients {
		said := cmp.Or(r.Recipients[i].Last.Reply, r.Recipients[i].Last.Err)
		if len(all) == 0 || all[len(all)-1] != said {
			all = append(all, said)
		}
	}
	return all
}

// group returns a group, a new one while there is room.
func (c count) group(k groupKey) *Group {
	if g := c[k]; g != nil {
		return g
	}
	if len(c) >= mostGroups {
		k.reason, k.other = "", true
		if g := c[k]; g != nil {
			return g
		}
	}
	g := &Group{Lane: string(k.lane), State: k.state, Reason: k.reason, Other: k.other}
	c[k] = g
	return g
}

func (g *Group) take(r *store.Record, said string) {
	g.Messages++
	g.Octets += r.Size
	if g.Oldest.IsZero() || r.Queued.Before(g.Oldest) {
		g.Oldest, g.Example, g.Full = r.Queued, r.ID.String(), shortened(said, 2*maxReason)
	}
	if g.State != Held && (g.Next.IsZero() || r.Due.Before(g.Next)) {
		g.Next = r.Due
	}
}

// sorted returns the groups, the largest first.
func (c count) sorted() []*Group {
	var all []*Group
	for _, g := range c {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *Group) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.State, b.State),
			cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

// alike makes equal what differs only in what it speaks of: addresses become <…>, words with a digit #. The code of a
// reply, and the enhanced one behind it, stay as they are.
func alike(said string) string {
	said = shortened(said, 4*maxReason)
	var b strings.Builder
	for i, word := range strings.Fields(said) {
		if i > 0 {
			b.WriteByte(' ')
		}
		switch {
		case i == 0 && spoken(word), i == 1 && enhanced(word):
			b.WriteString(word)
		case strings.Contains(word, "@"):
			b.WriteString("<…>")
		default:
			b.WriteString(numberless(word))
		}
	}
	return shortened(b.String(), maxReason)
}

func shortened(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// spoken says whether a word is the code of a reply (RFC 5321, 4.2).
func spoken(word string) bool {
	return len(word) == 3 && strings.Trim(word, "0123456789") == ""
}

// enhanced says whether a word is a code of RFC 3463.
func enhanced(word string) bool {
	return len(word) >= 5 && word[1] == '.' && strings.Contains("245", word[:1]) && strings.Trim(word, ".0123456789") == ""
}

// numberless replaces each piece of a word that has a digit in it.
func numberless(word string) string {
	if !strings.ContainsAny(word, "0123456789") {
		return word
	}
	var b strings.Builder
	for piece := range pieces(word) {
		if strings.ContainsAny(piece, "0123456789") {
			piece = "#"
		}
		b.WriteString(piece)
	}
	return b.String()
}

// pieces yields a word in turns of what may belong to a number, an id or a name of a host, and of what may not.
func pieces(word string) iter.Seq[string] {
	inside := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '-' || c == '_'
	}
	return func(yield func(string) bool) {
		for begin, i := 0, 1; i <= len(word); i++ {
			if i < len(word) && inside(word[i]) == inside(word[begin]) {
				continue
			}
			if !yield(word[begin:i]) {
				return
			}
			begin = i
		}
	}
}

// Top yields why messages wait, the most frequent reason first.
func (c *Client) Top(ctx context.Context, q TopRequest) iter.Seq2[Group, error] {
	return many[Group](ctx, c, "/v1/queue/top", q)
}

// A FlushRequest asks for all that waits to be tried now.
type FlushRequest struct {
	Lanes []string `json:"lanes,omitempty"` // none: all of them
}

func flush(h *House, out *stream, r *http.Request) error {
	q, err := body[FlushRequest](r)
	if err != nil {
		return err
	}
	if len(q.Lanes) == 0 {
		q.Lanes = []string{""}
	}
	waiting, err := h.Queue.Lanes(r.Context())
	if err != nil {
		return err
	}
	for _, l := range q.Lanes {
		_, known := h.Config().Destination(l)
		if _, waits := waiting[mail.Lane(l)]; l != "" && !known && !waits {
			return newError(NotFound, "there is no destination "+mail.Printable(l, 100), "see them with: mailretr config show")
		}
	}
	total := 0
	for _, l := range q.Lanes {
		n, err := h.Queue.Flush(r.Context(), mail.Lane(l))
		if total += n; err != nil {
			return err
		}
		if h.Runner != nil {
			h.Runner.Retry(mail.Lane(l))
		}
	}
	return out.item(Count{total}, false)
}

// Flush makes what waits for some lanes due now, and tries those that are away; none: all. It returns how many messages
// that were.
func (c *Client) Flush(ctx context.Context, q FlushRequest) (int, error) {
	n, err := one[Count](ctx, c, "/v1/queue/flush", q)
	return n.Count, err
}
