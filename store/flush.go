package store

import (
	"context"
	"time"

	"mailretr/store/mail"
)

// Flush makes all messages of a lane due now that wait for a later time, or those of all lanes for "". What is held
// stays held, what is being attempted is left alone, and no attempt is counted. n counts what was changed. Their due times
// stay apart, in the order of queueing, so that a new message of somebody else can go between them.
func (q *Queue) Flush(ctx context.Context, l mail.Lane) (n int, err error) {
	no, now := false, q.now()
	var ids []mail.ID
	for x, err := range q.Engine.List(ctx, Filter{Lane: l, Held: &no}) {
		if err != nil {
			return 0, err
		}
		if !x.Leased && x.Record.Due.After(now) {
			ids = append(ids, x.Record.ID)
		}
	}
	at := now.Add(-time.Duration(len(ids)) * overtakeStep)
	return q.change(ctx, ids, func(r *Record) bool {
		at = at.Add(overtakeStep)
		return r.hurry(now, at)
	})
}

// hurry makes due at once what waits for a later time.
func (r *Record) hurry(now, at time.Time) bool {
	if r.Held() || !r.Due.After(now) {
		return false
	}
	r.Due = at
	return true
}
