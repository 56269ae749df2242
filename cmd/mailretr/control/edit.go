package control

import (
	"context"
	"iter"
	"net/http"

	"mailretr/store"
	"mailretr/store/mail"
)

// An EditRequest asks for another envelope of one message. It is made whole, or not at all.
type EditRequest struct {
	ID      string        `json:"id"`
	Remove  []string      `json:"remove,omitempty"`
	Replace []Replacement `json:"replace,omitempty"`
	Add     []string      `json:"add,omitempty"`
	Sender  *string       `json:"sender,omitempty"` // "" is the null reverse-path; nil: as it is
	Now     bool          `json:"now,omitempty"`    // an attempt under way gives way
	DryRun  bool          `json:"dry_run,omitempty"`
}

// A Replacement gives one recipient another address.
type Replacement struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// of is the edit that is asked for.
func (q *EditRequest) of() (e store.Edit, err error) {
	if len(q.Remove)+len(q.Replace)+len(q.Add) == 0 && q.Sender == nil {
		return e, usage("nothing is to be changed", "say what: add, remove, replace, or another sender")
	}
	for _, x := range q.Remove {
		e.Remove = append(e.Remove, mail.Path(x))
	}
	for _, x := range q.Add {
		e.Add = append(e.Add, mail.Path(x))
	}
	for _, x := range q.Replace {
		e.Replace = append(e.Replace, store.Replacement{Old: mail.Path(x.Old), New: mail.Path(x.New)})
	}
	if q.Sender != nil {
		p := mail.Path(*q.Sender)
		e.Reverse = &p
	}
	return e, nil
}

func edit(h *House, out *stream, r *http.Request) error {
	q, err := body[EditRequest](r)
	if err != nil {
		return err
	}
	e, err := q.of()
	if err != nil {
		return err
	}
	id, err := find(r.Context(), h.Engine, q.ID)
	if err != nil {
		return err
	}
	l, err := h.Queue.Show(r.Context(), id)
	if err != nil {
		return err
	}
	if err := e.On(&l.Record, h.now()); err != nil {
		return err // before an attempt is waited for, or asked to give way
	}
	if err := out.item(Change{Total: 1, At: h.now()}, true); err != nil {
		return err
	}
	if q.DryRun {
		return would(out, []mail.ID{id})
	}
	var do doing = func(ctx context.Context, id mail.ID, b store.Busy) error { return h.Queue.Edit(ctx, id, e, b) }
	if q.Now && h.Runner != nil {
		do = hurried(h.Runner, do)
	}
	return each(r.Context(), out, []mail.ID{id}, do)
}

// Edit changes the envelope of one message, and yields what became of that as Change does.
func (c *Client) Edit(ctx context.Context, q EditRequest) iter.Seq2[Change, error] {
	return many[Change](ctx, c, "/v1/queue/edit", q)
}
