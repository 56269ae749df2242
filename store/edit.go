package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mailretr/store/mail"
)

// ErrEdit says that an edit makes no sense for a message; nothing was changed. The error around it says why.
var ErrEdit = errors.New("the message cannot be changed so")

// An Edit changes the envelope of a queued message. Recipients are known by their address; domains are compared
// without case. All of it is made, or nothing.
type Edit struct {
	Remove  []mail.Path
	Replace []Replacement
	Add     []mail.Path
	Reverse *mail.Path // nil: as it is
}

// A Replacement gives one recipient another address. What was said of the old one is forgotten.
type Replacement struct{ Old, New mail.Path }

// Edit changes the envelope of a message, finds the destinations of its recipients anew, and makes it due where somebody
// was added. A held message stays held. Recipients that go to another destination than the rest become a message of
// their own. The file in the spool keeps the envelope that it was queued with: a database that is built again from the
// spool knows nothing of an edit.
func (q *Queue) Edit(ctx context.Context, id mail.ID, e Edit, busy Busy) error {
	l, err := q.leaseOne(ctx, id, busy)
	if err != nil {
		return err
	}
	b, copies, err := q.edited(ctx, &l, &e)
	if err == nil {
		err = q.verb(ctx, l, b, "edited")
	} else {
		q.Engine.Release(l.Lease)
	}
	if err != nil && !isUnknown(err) {
		discard(copies)
	}
	return err
}

// edited is the commit of an edit.
func (q *Queue) edited(ctx context.Context, l *Leased, e *Edit) (*Batch, []Body, error) {
	if err := e.On(&l.Record, q.now()); err != nil {
		return nil, nil, err
	}
	for _, x := range l.Record.Recipients {
		if len(q.route(l.Record.Origin, mail.Envelope{Reverse: l.Record.Reverse}, x.Recipient)) == 0 && e.brings(x.Forward) {
			return nil, nil, fmt.Errorf("%w: %w: %v", ErrEdit, errNoRoute, x.Forward)
		}
	}
	b, copies, err := q.rerouted(ctx, l, func(mail.Lane) bool { return false })
	if err == nil && b == nil {
		b = &Batch{Fence: []Lease{l.Lease}, Put: []Record{l.Record}}
	}
	return b, copies, err
}

// brings says whether an address was not there before.
func (e *Edit) brings(p mail.Path) bool {
	return slices.ContainsFunc(e.Add, func(x mail.Path) bool { return same(x, p) }) ||
		slices.ContainsFunc(e.Replace, func(x Replacement) bool { return same(x.New, p) })
}

// same says whether two paths lead to the same mailbox.
func same(a, b mail.Path) bool { return a.Local() == b.Local() && a.Domain() == b.Domain() }

// On makes the edit on a record, or says why it cannot be: then the record is to be thrown away.
func (e *Edit) On(r *Record, now time.Time) error {
	r.Recipients = slices.Clone(r.Recipients)
	at := func(p mail.Path) int {
		return slices.IndexFunc(r.Recipients, func(x Recipient) bool { return same(x.Forward, p) })
	}
	for _, p := range e.Remove {
		i := at(p)
		if i < 0 {
			return fmt.Errorf("%w: it has no recipient %v", ErrEdit, p)
		}
		r.Recipients = slices.Delete(r.Recipients, i, i+1)
	}
	for _, x := range e.Replace {
		i := at(x.Old)
		if i < 0 {
			return fmt.Errorf("%w: it has no recipient %v", ErrEdit, x.Old)
		}
		if j := at(x.New); j >= 0 && j != i {
			r.Recipients = slices.Delete(r.Recipients, i, i+1) // who is named twice gets it once
			continue
		}
		old := r.Recipients[i]
		r.Recipients[i] = Recipient{Recipient: mail.Recipient{Forward: x.New, Notify: old.Notify}, Sharing: old.Sharing}
	}
	for _, p := range e.Add {
		if at(p) < 0 {
			r.Recipients = append(r.Recipients, Recipient{Recipient: mail.Recipient{Forward: p}})
		}
	}
	if e.Reverse != nil {
		r.Reverse = *e.Reverse
	}
	if len(e.Add)+len(e.Replace) > 0 && !r.Held() {
		r.Due = now
	}
	return e.sound(r)
}

// sound says whether a record may be as an edit has made it.
func (e *Edit) sound(r *Record) error {
	octets := 0
	for _, x := range r.Recipients {
		octets += len(x.Forward) + len(x.Original) + len(x.Notify)
		if err := x.Forward.Check(); err != nil {
			return fmt.Errorf("%w: %v: %w", ErrEdit, x.Forward, err)
		}
		if x.Forward.Null() {
			return fmt.Errorf("%w: the null address gets no mail", ErrEdit)
		}
	}
	switch err := r.Reverse.Check(); {
	case err != nil:
		return fmt.Errorf("%w: %v: %w", ErrEdit, r.Reverse, err)
	case len(r.Recipients) == 0:
		return fmt.Errorf("%w: no recipient would be left", ErrEdit)
	case len(r.Recipients) > maxRecipients || octets > maxAddresses:
		return fmt.Errorf("%w: it would have more than %d recipients, or more than %d octets of them", ErrEdit, maxRecipients,
			maxAddresses)
	}
	return nil
}
