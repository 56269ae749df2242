package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"mailretr/bounce"
	"mailretr/conf"
	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// Who is told of maildrops in trouble. It is looked at the status now and then, and never waited for by those who
// collect.

// notifyEvery is how often is looked; mostTold how many mails are queued each time: where the line is away for
// everybody, the others are told later, or not at all if it has come back.
const (
	notifyEvery = time.Minute
	mostTold    = 50
)

// spaceNotify is where is kept of whose trouble somebody was told, so that it is not told again after a restart.
const spaceNotify = "notify"

// An ailment is what is known of a maildrop's trouble.
type ailment struct {
	Since time.Time `json:"since"` // when it began
	Told  bool      `json:"-"`     // it is durable that somebody was told
	well  time.Time // since when it is well again; zero: it is not
}

// A notifier tells of maildrops. Not for concurrent use.
type notifier struct {
	h   *house
	all map[string]*ailment // by name
}

// newNotifier reads of whom was told.
func newNotifier(ctx context.Context, h *house) (*notifier, error) {
	n := &notifier{h: h, all: map[string]*ailment{}}
	for note, err := range h.store.Notes(ctx, spaceNotify, "") {
		if err != nil {
			return n, fmt.Errorf("reading who was told of maildrops in trouble: %w", err)
		}
		a := &ailment{Told: true}
		if err := json.Unmarshal(note.Value, a); err != nil {
			return n, fmt.Errorf("who was told of %s cannot be read: %w", mail.Printable(note.Owner, 100), err)
		}
		n.all[note.Owner] = a
	}
	return n, nil
}

// ails says whether the state of a maildrop is one to tell of. What mends itself within a day, or was wanted so, is not.
func ails(s status.State) bool {
	return !s.Well() && !slices.Contains([]status.State{status.Late, status.Budget}, s)
}

// look tells what is to be told at this time.
func (n *notifier) look(ctx context.Context, now time.Time) error {
	c := n.h.config.Load()
	all := n.h.status.List()
	there, told := map[string]bool{}, 0
	var failed error // of the last one; the others are told all the same
	for i := range all {
		s := &all[i]
		there[s.Maildrop] = true
		if !n.due(s, &c.Notify, now) || told >= mostTold {
			continue
		}
		told++
		if err := n.tell(ctx, c, s, now); err != nil {
			failed = fmt.Errorf("telling of the maildrop %s: %w", mail.Printable(s.Maildrop, 100), err)
		}
	}
	for name, a := range n.all {
		if there[name] {
			continue
		}
		if a.Told {
			if err := n.removed(ctx, c, name, now); err != nil {
				return err
			}
		}
		delete(n.all, name)
	}
	return failed
}

// removed forgets a maildrop of whose trouble somebody was told. Only a webhook hears of it: who has removed it knows, and
// nobody else can be found any more.
func (n *notifier) removed(ctx context.Context, c *conf.Config, name string, now time.Time) error {
	out, err := n.parcels(ctx, c, name, removalOf(c, name, n.all[name], now))
	if err != nil {
		return err
	}
	return n.note(ctx, name, nil, out)
}

// forget is a look of nobody: those that are well, or gone, need not be told as such when somebody is to be told again.
// Those in trouble of which was told before are not told a second time then.
func (n *notifier) forget(ctx context.Context) error {
	for name, a := range n.all {
		s, there := n.h.status.Of(name)
		if a.Told && there && s.State != status.OK {
			continue
		}
		if a.Told {
			if err := n.note(ctx, name, nil, nil); err != nil {
				return err
			}
		}
		delete(n.all, name)
	}
	return nil
}

// due notes how a maildrop is, and says whether somebody is to be told now.
func (n *notifier) due(s *status.Status, c *conf.Notify, now time.Time) bool {
	a := n.all[s.Maildrop]
	switch {
	case ails(s.State) && a == nil:
		since := s.Since
		if since.IsZero() || since.After(now) {
			since = now
		}
		a = &ailment{Since: since}
		n.all[s.Maildrop] = a
	case ails(s.State):
		a.well = time.Time{}
	case a == nil:
		return false
	case s.State == status.OK && a.well.IsZero():
		a.well = now
	}
	switch {
	case ails(s.State):
		return !a.Told && now.Sub(a.Since) >= c.After
	case s.State != status.OK || now.Sub(a.well) < c.Recovered:
		return false // it may be a blip, of being well too
	case !a.Told:
		delete(n.all, s.Maildrop)
		return false
	}
	return true
}

// tell queues the mail, notes that, and puts what a webhook is told into its outbox, in the commit of the note. A crash
// before it queues nothing twice: the mail has a mark.
func (n *notifier) tell(ctx context.Context, c *conf.Config, s *status.Status, now time.Time) error {
	a := n.all[s.Maildrop]
	d := bounce.Maildrop{Name: s.Maildrop, To: owners(c, s.Maildrop), Well: !ails(s.State), Since: a.Since,
		Wrong: s.Wrong, Advice: s.Advice, Said: s.Said, Next: s.Next}
	word := "trouble"
	if d.Well {
		d.Since, word = a.well, "well"
	}
	if len(d.To) > 0 {
		m := reporterOf(c, n.h.words.Load()).Maildrop(d)
		sum := sha256.Sum256([]byte("notify\x00" + s.Maildrop))
		m.Origin = mail.Origin{Maildrop: s.Maildrop, Account: mail.Account(hex.EncodeToString(sum[:16])),
			UID: mail.UID(fmt.Sprintf("%s %d", word, a.Since.UnixNano()))}
		if r := n.h.queue.Deliver(ctx, m); !r.Done(len(d.To)) {
			return fmt.Errorf("the mail was not queued: %v", r.Of(0))
		}
	}
	out, err := n.parcels(ctx, c, s.Maildrop, postingOf(c, s, a, now))
	if err != nil {
		return err
	}
	if d.Well {
		if err := n.note(ctx, s.Maildrop, nil, out); err != nil {
			return err
		}
		delete(n.all, s.Maildrop)
		return nil
	}
	value, err := json.Marshal(a)
	if err == nil {
		err = n.note(ctx, s.Maildrop, value, out)
	}
	a.Told = err == nil
	return err
}

// note notes that somebody was told, and others with it; value nil: that nobody needs to be told any more.
func (n *notifier) note(ctx context.Context, name string, value []byte, others []store.Note) error {
	x := store.Note{Space: spaceNotify, Owner: name, Key: "told", Value: value}
	return n.h.store.Commit(ctx, &store.Batch{Notes: append(others, x)})
}

// owners are those who are told of a maildrop.
func owners(c *conf.Config, name string) (to []mail.Path) {
	for _, x := range c.Notify.Mail {
		some := []string{x}
		if x == conf.Owner {
			some = owner(c, c.Maildrop(name))
		}
		for _, p := range paths(some) {
			if !slices.Contains(to, p) {
				to = append(to, p)
			}
		}
	}
	return to
}

// owner is where the owner of a maildrop reads mail: his address where owner: is one, else its recipients. A maildrop of
// many has no recipients, so that it is the postmaster's.
func owner(c *conf.Config, m *conf.Maildrop) []string {
	switch {
	case m != nil && strings.Contains(m.Owner, "@"):
		if slices.Contains(m.To, m.Owner) {
			return m.To
		}
		return []string{m.Owner}
	case m != nil && m.Multidrop == nil && len(m.To) > 0:
		return m.To
	case c.Bounce.Postmaster != "":
		return []string{c.Bounce.Postmaster}
	}
	return nil
}

// notify tells of maildrops, at each look, until ctx ends.
func (d *serving) notify(ctx context.Context, look <-chan time.Time) {
	n, err := newNotifier(ctx, d.house)
	trouble := func(err error) {
		if err != nil && ctx.Err() == nil {
			d.observe(mail.Event{Op: mail.OpStore, Err: err, Alarm: true, Text: "somebody could not be told of a maildrop in trouble"})
		}
	}
	trouble(err)
	wake := make(chan struct{}, 1)
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { d.post(ctx, wake) })
	for {
		select {
		case <-ctx.Done():
			return
		case <-look:
		case <-d.retell:
		}
		if c := &d.house.config.Load().Notify; len(c.Mail) == 0 && c.Webhook == nil {
			trouble(n.forget(ctx))
		} else {
			trouble(n.look(ctx, d.house.now()))
		}
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}
