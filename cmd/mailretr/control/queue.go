package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"mailretr/relay"
	"mailretr/store"
	"mailretr/store/mail"
)

// A ListRequest asks for a list of the queue.
type ListRequest struct {
	Select
	Shorten bool `json:"shorten,omitempty"` // fill in Message.Short, at the price of looking at all ids
	Brief   bool `json:"brief,omitempty"`   // only what a line about the message needs; see Message.More
}

func list(h *House, out *stream, r *http.Request) error {
	q, err := body[ListRequest](r)
	if err != nil {
		return err
	}
	short := shorts{}
	if q.Shorten {
		if short, err = shortsOf(r.Context(), h.Engine); err != nil {
			return err
		}
	}
	for l, err := range q.Select.records(r.Context(), h.Engine, h.now()) {
		if err != nil {
			return err
		}
		m := messageOf(&l, h.expire(l.Record.Lane))
		if q.Shorten {
			m.Short = short.of(l.Record.ID)
		}
		if q.Brief {
			m.brief()
		}
		if err := out.item(m, false); err != nil {
			return err
		}
	}
	return nil
}

func (h *House) expire(l mail.Lane) time.Duration {
	if h.Expire == nil {
		return 0
	}
	return h.Expire(string(l))
}

func show(h *House, out *stream, r *http.Request) error {
	id, err := find(r.Context(), h.Engine, r.PathValue("id"))
	if err != nil {
		return err
	}
	l, err := h.Queue.Show(r.Context(), id)
	if err != nil {
		return err
	}
	short, err := shortsOf(r.Context(), h.Engine)
	if err != nil {
		return err
	}
	m := messageOf(&l, h.expire(l.Record.Lane))
	m.Short = short.of(id)
	return out.item(m, false)
}

// cat answers with the octets of a message, as they are queued; a cut one is noticed by its length.
func (s *Server) cat(w http.ResponseWriter, r *http.Request) {
	id, err := find(r.Context(), s.House.Engine, r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	l, err := s.House.Queue.Show(r.Context(), id)
	if err != nil {
		fail(w, err)
		return
	}
	octets, err := s.House.Queue.Cat(r.Context(), id)
	if err != nil {
		fail(w, err)
		return
	}
	defer octets.Close()
	size, from := l.Record.Size, io.Reader(octets)
	if r.URL.Query().Get("part") == "header" {
		size, from = l.Record.Header, io.LimitReader(octets, l.Record.Header)
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	ctl := http.NewResponseController(w)
	buf := make([]byte, 64<<10)
	for err == nil {
		var n int
		if n, err = from.Read(buf); n > 0 {
			_ = ctl.SetWriteDeadline(time.Now().Add(stalled)) // in the same process there is none
			if _, failed := w.Write(buf[:n]); failed != nil {
				return
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		panic(http.ErrAbortHandler) // the answer must not look whole
	}
}

// A Verb is what is done to messages.
type Verb string

// The verbs. What they mean is said in package store.
const (
	Hold    Verb = "hold"
	Release Verb = "release"
	Retry   Verb = "retry"
	Bounce  Verb = "bounce"
	Remove  Verb = "remove"
)

// A ChangeRequest asks for a verb.
type ChangeRequest struct {
	Select
	Why    string `json:"why,omitempty"`     // of Hold and Bounce
	Now    bool   `json:"now,omitempty"`     // an attempt under way gives way; of Retry: a sick next hop is tried, too
	DryRun bool   `json:"dry_run,omitempty"` // say what would be done
	Most   int    `json:"most,omitempty"`    // refuse where more messages are meant; 0: any number is
}

// A Change tells of one message; the first one has the Total, and when it was counted, and nothing else.
type Change struct {
	Total int       `json:"total,omitempty"`
	At    time.Time `json:"at,omitzero"`
	ID    string    `json:"queue_id,omitempty"`
	State string    `json:"state,omitempty"` // would, waiting (for an attempt), done, gone, failed
	Error *Error    `json:"error,omitempty"`
}

// The states of a Change.
const (
	Would   = "would"
	Waiting = "waiting"
	Done    = "done"
	Gone    = "gone"
	Failed  = "failed"
)

// together is how many messages are changed at once: their commits share a sync.
const together = 32

func change(h *House, out *stream, r *http.Request) error {
	q, err := body[ChangeRequest](r)
	if err != nil {
		return err
	}
	verb := Verb(r.PathValue("verb"))
	do, err := verb.of(h, q)
	if err != nil {
		return err
	}
	if q.Select.Empty() {
		return usage("which messages are meant?", "name them, set a condition, or say --all")
	}
	at := h.now()
	ids, lanes, err := meant(r.Context(), h.Engine, &q, at)
	if err != nil {
		return err
	}
	if err := out.item(Change{Total: len(ids), At: at}, true); err != nil {
		return err
	}
	if q.DryRun {
		return would(out, ids)
	}
	if q.Now && h.Runner != nil {
		do = hurried(h.Runner, do)
	}
	if err := each(r.Context(), out, ids, do); err != nil {
		return err
	}
	if verb == Retry && q.Now && h.Runner != nil {
		for l := range lanes {
			h.Runner.Retry(l)
		}
	}
	return nil
}

// meant names the messages that a request is about, and their lanes.
func meant(
	ctx context.Context, e store.Engine, q *ChangeRequest, now time.Time,
) (ids []mail.ID, lanes map[mail.Lane]bool, err error) {
	lanes = map[mail.Lane]bool{}
	for l, err := range q.Select.records(ctx, e, now) {
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, l.Record.ID)
		lanes[l.Record.Lane] = true
	}
	switch {
	case len(ids) == 0 && len(q.IDs) > 0:
		return nil, nil, ErrorOf(store.ErrNotFound)
	case q.Most > 0 && len(ids) > q.Most:
		return nil, nil, newError(Busy, fmt.Sprintf("%d messages are meant by now, no longer %d; nothing was changed",
			len(ids), q.Most), "say it again")
	}
	return ids, lanes, nil
}

// A doing is what a verb does to one message.
type doing func(context.Context, mail.ID, store.Busy) error

// hurried asks an attempt that a verb would have to wait for to give way. After its final dot the attempt does not.
func hurried(r *relay.Runner, do doing) doing {
	return func(ctx context.Context, id mail.ID, busy store.Busy) error {
		return do(ctx, id, func(id mail.ID) {
			r.Yield(id)
			busy(id)
		})
	}
}

// of returns what the verb does to one message.
func (v Verb) of(h *House, q ChangeRequest) (doing, error) {
	why := q.Why
	if len(why) > 300 {
		return nil, usage("the reason is longer than 300 octets", "")
	}
	switch v {
	case Hold:
		if why == "" {
			why = "held by hand"
		}
		return func(ctx context.Context, id mail.ID, b store.Busy) error {
			return h.Queue.Hold(ctx, id, why, b)
		}, nil
	case Release:
		return h.Queue.Release, nil
	case Retry:
		return h.Queue.Retry, nil
	case Bounce:
		return func(ctx context.Context, id mail.ID, b store.Busy) error {
			return h.Queue.Bounce(ctx, id, why, b)
		}, nil
	case Remove:
		return h.Queue.Remove, nil
	}
	return nil, newError(NotFound, fmt.Sprintf("there is no verb %q", mail.Printable(string(v), 40)), "")
}

func would(out *stream, ids []mail.ID) error {
	for _, id := range ids {
		if err := out.item(Change{ID: id.String(), State: Would}, false); err != nil {
			return err
		}
	}
	return nil
}

// each changes messages, a few at once, and tells of each as it is done. It goes on when one fails, and
// stops when nobody listens any more.
func each(ctx context.Context, out *stream, ids []mail.ID, do doing) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex // guards out and failed
	var failed error
	tell := func(c Change, now bool) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			if failed = out.item(c, now); failed != nil {
				cancel()
			}
		}
	}
	work := make(chan mail.ID)
	var workers sync.WaitGroup
	for range min(together, len(ids)) {
		workers.Go(func() {
			for id := range work {
				err := do(ctx, id, func(mail.ID) { tell(Change{ID: id.String(), State: Waiting}, true) })
				tell(changed(id, err), false)
			}
		})
	}
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		work <- id
	}
	close(work)
	workers.Wait()
	if failed != nil {
		return failed
	}
	return ctx.Err()
}

func changed(id mail.ID, err error) Change {
	c := Change{ID: id.String(), State: Done}
	switch {
	case errors.Is(err, store.ErrNotFound):
		c.State = Gone
	case err != nil:
		c.State, c.Error = Failed, ErrorOf(err)
	}
	return c
}
