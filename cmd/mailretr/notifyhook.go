package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"mailretr/cmd/mailretr/metrics"
	"mailretr/cmd/mailretr/webhook"
	"mailretr/conf"
	"mailretr/relay/wire"
	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// What a webhook is to be told waits in notes of the store: of each maildrop the latest alone, so that a receiver that was
// away hears how things are and not how they were. Nobody who collects or delivers ever waits for it.

// spaceHook is where it waits; the owner is the maildrop, the key the id.
const spaceHook = "webhook"

const (
	// hookRetry is the first pause after a failure; each one is twice as long as the last, up to mostHookRetry.
	hookRetry     = time.Minute
	mostHookRetry = time.Hour
	// hookExpire is the age at which what nobody took is given up.
	hookExpire = 3 * 24 * time.Hour
	// mostPosted bounds what is sent in one turn.
	mostPosted = 50
)

// A posting is what is sent, in the form that Standard Webhooks recommends. The names are looked at by programs of others:
// they are never renamed.
type posting struct {
	Type string    `json:"type"` // hookTrouble, hookWell or hookRemoved
	At   time.Time `json:"timestamp"`
	Data hooked    `json:"data"`
}

// The types of postings.
const (
	hookTrouble = "maildrop.trouble"
	hookWell    = "maildrop.well"
	// hookRemoved follows trouble of a maildrop that is in the configuration no more.
	hookRemoved = "maildrop.removed"
)

// gone is the state of a maildrop that is there no more.
const gone status.State = "removed"

// hooked says how a maildrop is. The texts are escaped and bounded.
type hooked struct {
	Host     string       `json:"host"` // our name
	Maildrop string       `json:"maildrop"`
	State    status.State `json:"state"`
	Class    string       `json:"class,omitempty"`
	Since    time.Time    `json:"since"`                  // when it began
	Trouble  time.Time    `json:"trouble_since,omitzero"` // of one that is well, or gone: when the trouble began
	Wrong    string       `json:"wrong,omitempty"`        // a sentence
	Advice   string       `json:"advice,omitempty"`       // a sentence or two
	Said     string       `json:"said,omitempty"`         // the server's own words
	Cause    string       `json:"cause,omitempty"`        // for an admin
	Failures int          `json:"failures,omitempty"`     // in a row
	Attempt  time.Time    `json:"last_attempt,omitzero"`  // the last one
	Success  time.Time    `json:"last_success,omitzero"`  // the last one
	Next     time.Time    `json:"next,omitzero"`          // when it is tried again
	Waiting  int          `json:"waiting"`                // messages that are to be collected
	Octets   int64        `json:"waiting_octets"`         // of these
}

// postingOf says how a maildrop is.
func postingOf(c *conf.Config, s *status.Status, a *ailment, now time.Time) posting {
	x := posting{Type: hookTrouble, At: now, Data: hooked{
		Host: c.Hostname, Maildrop: mail.Printable(s.Maildrop, 100), State: s.State, Class: s.Class, Since: a.Since, Wrong: s.Wrong,
		Advice: s.Advice, Said: s.Said, Cause: s.Cause, Failures: s.Failures, Attempt: s.LastAttempt, Success: s.LastSuccess,
		Next: s.Next, Waiting: s.Waiting, Octets: s.WaitingOctets,
	}}
	if !ails(s.State) {
		x.Type, x.Data.Since, x.Data.Trouble = hookWell, a.well, a.Since
	}
	return x
}

// removalOf says that a maildrop is there no more.
func removalOf(c *conf.Config, name string, a *ailment, now time.Time) posting {
	return posting{Type: hookRemoved, At: now, Data: hooked{
		Host: c.Hostname, Maildrop: mail.Printable(name, 100), State: gone, Since: now, Trouble: a.Since,
	}}
}

// parcels are the notes that put one into the outbox, in the place of what waits there of the same maildrop.
func (n *notifier) parcels(ctx context.Context, c *conf.Config, name string, x posting) ([]store.Note, error) {
	if c.Notify.Webhook == nil {
		return nil, nil
	}
	b, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	all := []store.Note{{Space: spaceHook, Owner: name, Key: mail.NewID(x.At, nil).String(), Value: b}}
	for old, err := range n.h.store.Notes(ctx, spaceHook, name) {
		if err != nil {
			return nil, err
		}
		all = append(all, store.Note{Space: spaceHook, Owner: old.Owner, Key: old.Key})
	}
	return all, nil
}

// A poster empties the outbox. Not for concurrent use.
type poster struct {
	h *house

	// What was refused, by id, and when the receiver is asked again that did not answer: lost at a restart, when all is
	// tried at once.
	refused map[string]pause
	away    pause
	hook    *conf.Webhook // for which these are
}

// A pause grows with each failure.
type pause struct {
	tries int
	until time.Time
}

func (p pause) longer(now time.Time) pause {
	wait := hookRetry << min(p.tries, 6)
	return pause{p.tries + 1, now.Add(min(wait, mostHookRetry))}
}

// look sends what is due at this time, in order. The error is one that was not told before.
func (p *poster) look(ctx context.Context, now time.Time) (failed error) {
	w := p.h.config.Load().Notify.Webhook
	if !w.Same(p.hook) { // another one has not refused anything
		p.refused, p.away, p.hook = nil, pause{}, w
		p.h.hooks.count(func(x *metrics.Webhook) { x.Up = true })
	}
	if now.Before(p.away.until) {
		return nil
	}
	due, err := p.due(ctx, now)
	if err != nil {
		return err
	}
	if w == nil { // there is nobody any more who would be told
		for i := range due {
			failed = errors.Join(failed, p.remove(ctx, &due[i]))
		}
		return failed
	}
	hook := hookOf(w, p.h.now)
	for _, n := range due[:min(len(due), mostPosted)] {
		err := hook.Post(ctx, n.Key, n.Value)
		if ctx.Err() != nil {
			return failed // it ends: whether this one arrived is not known, and it is sent another time
		}
		failed = errors.Join(failed, p.posted(ctx, &n, err, now))
		if now.Before(p.away.until) {
			return failed
		}
	}
	return failed
}

// due is what waits and is not in a pause, in order.
func (p *poster) due(ctx context.Context, now time.Time) (due []store.Note, err error) {
	still := map[string]pause{}
	n := 0
	for note, err := range p.h.store.Notes(ctx, spaceHook, "") {
		if err != nil {
			return nil, fmt.Errorf("reading what a webhook is to be told: %w", err)
		}
		n++
		was, paused := p.refused[note.Key]
		if paused {
			still[note.Key] = was
		}
		if !now.Before(was.until) {
			due = append(due, note)
		}
	}
	p.refused = still
	p.h.hooks.count(func(x *metrics.Webhook) { x.Pending = n })
	slices.SortFunc(due, func(a, b store.Note) int { return strings.Compare(a.Key, b.Key) })
	return due, nil
}

// posted takes in how a post ended.
func (p *poster) posted(ctx context.Context, n *store.Note, err error, now time.Time) error {
	refused := (*webhook.Refused)(nil)
	news := p.away.tries == 0 && p.refused[n.Key].tries == 0
	p.h.hooks.posted(err)
	switch {
	case err == nil:
		if p.away.tries > 0 {
			p.h.around.observe.Observe(mail.Event{At: now, Op: mail.OpAlarm, Text: "the webhook answers again"})
		}
		p.away = pause{}
		return p.remove(ctx, n)
	case errors.As(err, &refused):
		p.away, p.refused[n.Key] = pause{}, p.refused[n.Key].longer(now)
	default:
		p.away = p.away.longer(now)
	}
	err = fmt.Errorf("the webhook was not told of the maildrop %s: %w", mail.Printable(n.Owner, 100), err)
	if id, bad := mail.ParseID(n.Key); bad != nil || now.Sub(id.Time()) > hookExpire {
		p.h.hooks.count(func(x *metrics.Webhook) { x.Dropped++ })
		return errors.Join(fmt.Errorf("%w; it is given up", err), p.remove(ctx, n))
	}
	if news {
		return fmt.Errorf("%w; it is tried again for three days", err)
	}
	return nil
}

func (p *poster) remove(ctx context.Context, n *store.Note) error {
	gone := store.Note{Space: n.Space, Owner: n.Owner, Key: n.Key}
	if err := p.h.store.Commit(ctx, &store.Batch{Notes: []store.Note{gone}}); err != nil {
		return fmt.Errorf("what a webhook was told is not forgotten, and may be told again: %w", err)
	}
	p.h.hooks.count(func(x *metrics.Webhook) { x.Pending-- })
	return nil
}

// hookCounts are how the webhook fares. Safe for concurrent use.
type hookCounts struct {
	mu sync.Mutex
	metrics.Webhook
}

func (h *hookCounts) count(f func(*metrics.Webhook)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.Webhook)
}

// posted counts how a post ended.
func (h *hookCounts) posted(err error) {
	h.count(func(x *metrics.Webhook) {
		var refused *webhook.Refused
		switch x.Up = err == nil; {
		case x.Up:
			x.Taken++
		case errors.As(err, &refused):
			x.Refused++
		default:
			x.Failed++
		}
	})
}

// measuredHook is how the webhook fares; nil: there is none.
func (d *serving) measuredHook() *metrics.Webhook {
	if d.house.config.Load().Notify.Webhook == nil {
		return nil
	}
	now := &metrics.Webhook{}
	d.house.hooks.count(func(x *metrics.Webhook) { *now = *x })
	return now
}

func hookOf(w *conf.Webhook, now func() time.Time) *webhook.Hook {
	h := &webhook.Hook{URL: w.URL, Secret: w.Secret.Resolve, CA: w.CA, Agent: "mailretr/" + version(), Now: now}
	if !w.Inside {
		h.Policy = &wire.Policy{Deny: wire.Inside()}
	}
	return h
}

// post sends what there is, at once and when it is woken, until ctx ends.
func (d *serving) post(ctx context.Context, wake <-chan struct{}) {
	p := &poster{h: d.house}
	for {
		if err := p.look(ctx, d.house.now()); err != nil && ctx.Err() == nil {
			d.observe(mail.Event{Op: mail.OpAlarm, Err: err, Alarm: true, Text: "a webhook could not be told"})
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
	}
}

// tellAnew makes what is to be told be looked at now: the configuration is another one.
func (d *serving) tellAnew() {
	select {
	case d.retell <- struct{}{}:
	default: // somebody has said so, and was not heard yet
	}
}

// askedWebhook says whether the webhook could be told; it is not: `check --connect`.
func askedWebhook(ctx context.Context, c *conf.Config) (found []connection) {
	w := c.Notify.Webhook
	if w == nil {
		return nil
	}
	began := time.Now()
	x := connection{Kind: "webhook", Name: "webhook", Text: "answers"}
	var err error
	if x.Server, err = hookOf(w, time.Now).Check(ctx); err != nil {
		x.Err = &mail.Trouble{Op: mail.OpDial, Server: x.Server, Err: err, Hint: "Check url:, secret:, reach: and ca: of notify.webhook."}
	}
	x.Took = time.Since(began)
	return append(found, x)
}
