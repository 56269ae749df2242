package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/metrics"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// The status of maildrops is copied into databases of the admin's. What has changed is looked for every other second and never
// waited for: while a database is away nothing piles up but the names of those that have changed.

const (
	mirrorEvery = 2 * time.Second
	// mirrorTime bounds the writing of mostMirrored of them.
	mirrorTime   = 15 * time.Second
	mostMirrored = 500
	// mirrorFull is how often all are written, whether or not they have changed: somebody may have brought the database
	// back from a backup.
	mirrorFull = time.Hour
	// mirrorRetry is the first pause of one that is away, which is doubled up to mostMirrorRetry.
	mirrorRetry     = 5 * time.Second
	mostMirrorRetry = 5 * time.Minute
)

// A board is where it is written. It is for one goroutine at a time.
type board interface {
	Wants(maildrop string) bool
	Put(context.Context, []status.Status) error
	Remove(ctx context.Context, maildrops []string) error
	Names(context.Context) ([]string, error) // those that are there
	Check(context.Context) error             // writes nothing
	Close() error
}

// A mirroring keeps one board as it should be.
type mirroring struct {
	h      *house
	source conf.Source
	host   string // our name there
	into   string // the table, for people
	kind   string // the key that asks for it
	board  board
	follow *status.Follower
	stop   context.CancelFunc // nil: it does not run

	full  time.Time
	tries int       // that failed, in a row
	until time.Time // when it is tried again

	mu      sync.Mutex
	state   control.Mirror
	written int // maildrops
	errors  int // times that it failed
}

// mirrors are those of the configuration.
type mirrors struct {
	mu   sync.Mutex
	list []*mirroring
	work sync.WaitGroup // those that run
}

func (m *mirrors) all() []*mirroring {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.list)
}

// close ends their connections, when none runs any more.
func (m *mirrors) close() (err error) {
	for _, x := range m.all() {
		err = errors.Join(err, x.board.Close())
	}
	return err
}

func (m *mirrors) states() (all []control.Mirror) {
	for _, x := range m.all() {
		x.mu.Lock()
		s := x.state
		x.mu.Unlock()
		s.Name, s.Into, s.Waiting = x.source.Name, x.into, x.follow.Len()
		all = append(all, s)
	}
	return all
}

// measured are the mirrors as a monitoring system sees them.
func (m *mirrors) measured() (all []metrics.Mirror) {
	for _, x := range m.all() {
		x.mu.Lock()
		all = append(all, metrics.Mirror{Source: x.source.Name, Kind: x.kind, Up: x.state.Wrong == "", Pending: x.follow.Len(),
			Written: x.written, Errors: x.errors, Success: x.state.Written})
		x.mu.Unlock()
	}
	return all
}

// mirrored keeps the mirrors that are as they were, ends those that are gone, and makes those that are new.
func (h *house) mirrored(c *conf.Config) error {
	old := h.mirrors.all()
	var list []*mirroring
	for _, s := range c.Mirrored() {
		for _, b := range boardsOf(h, s, c.Hostname) {
			i := slices.IndexFunc(old, func(m *mirroring) bool {
				return m.source.Same(s) && m.host == c.Hostname && m.into == b.into
			})
			if i >= 0 {
				list = append(list, old[i])
				continue
			}
			made, err := b.make()
			if err != nil {
				return fmt.Errorf("source %s: %w", s.Name, err)
			}
			list = append(list, &mirroring{h: h, source: *s, host: c.Hostname, into: b.into, kind: b.kind,
				board: made, follow: h.status.Follow()})
		}
	}
	h.mirrors.mu.Lock()
	defer h.mirrors.mu.Unlock()
	h.mirrors.list = list
	for _, m := range old {
		if slices.Contains(list, m) {
			continue
		}
		h.status.Unfollow(m.follow)
		if m.stop != nil {
			m.stop()
		}
	}
	return nil
}

// startMirrors runs those that do not run yet.
func (d *serving) startMirrors(ctx context.Context) {
	d.mirrors.mu.Lock()
	defer d.mirrors.mu.Unlock()
	for _, m := range d.mirrors.list {
		if m.stop != nil {
			continue
		}
		own, stop := context.WithCancel(ctx)
		m.stop = stop
		d.mirrors.work.Go(func() { m.run(own) })
	}
}

// mirror runs the mirrors; those that a reload brings begin there. It returns when all have ended.
func (d *serving) mirror(ctx context.Context) {
	d.startMirrors(ctx)
	<-ctx.Done()
	d.mirrors.work.Wait()
}

// mirrorOnce writes what there is, where no daemon does so.
func (h *house) mirrorOnce(ctx context.Context) {
	for _, m := range h.mirrors.all() {
		m.look(ctx, h.now())
	}
}

func (m *mirroring) run(ctx context.Context) {
	look := time.NewTicker(mirrorEvery)
	defer look.Stop()
	for {
		m.look(ctx, m.h.now())
		select {
		case <-ctx.Done():
			// What was not written by now is written by the next one who begins.
			_ = m.board.Close()
			return
		case <-look.C:
		}
	}
}

// look writes what has changed, and tells when that ceases to work, and when it works again.
func (m *mirroring) look(ctx context.Context, now time.Time) {
	if now.Before(m.until) {
		return
	}
	n, err := m.write(ctx, now)
	if ctx.Err() != nil {
		return // who asked has gone
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.state
	was := s.Wrong
	m.written += n
	if err == nil {
		m.tries, m.until = 0, time.Time{}
		s.Written, s.Wrong, s.Since = now, "", time.Time{}
		if was != "" {
			m.tell(mail.Event{Messages: n, Text: fmt.Sprintf("the status of maildrops is written into %s of %s again: %s",
				m.into, m.source.Name, term.Count(n, "maildrop"))})
		}
		return
	}
	// The next look makes a connection anew; what this one says at its end helps nobody.
	_ = m.board.Close()
	m.full = time.Time{} // nobody knows what is there when it is back
	m.until = now.Add(min(mirrorRetry<<min(m.tries, 10), mostMirrorRetry))
	m.tries++
	m.errors++
	if s.Wrong = mail.Printable(err.Error(), 512); was == "" {
		s.Since = now
		m.tell(mail.Event{Alarm: true, Err: err,
			Text: fmt.Sprintf("the status of maildrops is not written into %s of %s; what has changed is written when that works again",
				m.into, m.source.Name)})
	}
}

func (m *mirroring) tell(e mail.Event) {
	e.At, e.Op = m.h.now(), mail.OpAlarm
	m.h.around.observe.Observe(e)
}

// write writes what has changed, and says of how many maildrops.
func (m *mirroring) write(ctx context.Context, now time.Time) (n int, err error) {
	if m.full.IsZero() || now.Sub(m.full) >= mirrorFull {
		if err := m.begin(ctx); err != nil {
			return 0, err
		}
		m.full = now
	}
	for range 1 + m.follow.Len()/mostMirrored {
		changed, gone := m.follow.Take(mostMirrored)
		if err := m.batch(ctx, changed, gone); err != nil {
			m.follow.Return(changed, gone)
			return n, err
		}
		n += len(changed) + len(gone)
	}
	return n, nil
}

// begin makes all changed, and removes what nobody wants any more.
func (m *mirroring) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mirrorTime)
	defer cancel()
	m.follow.All()
	names, err := m.board.Names(ctx)
	if err != nil {
		return err
	}
	there := m.h.status.Names()
	return m.board.Remove(ctx, slices.DeleteFunc(names, func(name string) bool { return there[name] && m.board.Wants(name) }))
}

func (m *mirroring) batch(ctx context.Context, changed []status.Status, gone []string) error {
	ctx, cancel := context.WithTimeout(ctx, mirrorTime)
	defer cancel()
	changed = slices.DeleteFunc(slices.Clone(changed), func(s status.Status) bool { return !m.board.Wants(s.Maildrop) })
	return errors.Join(m.board.Put(ctx, changed), m.board.Remove(ctx, gone))
}

// askedMirrors says whether it could be written into each; nothing is: `check --connect`.
func askedMirrors(ctx context.Context, c *conf.Config) (found []connection) {
	for _, s := range c.Mirrored() {
		for _, b := range boardsOf(nil, s, c.Hostname) {
			began := time.Now()
			x := connection{Kind: "mirror", Name: s.Name, Server: s.Kind}
			made, err := b.make()
			if err == nil {
				limited, done := context.WithTimeout(ctx, mirrorTime)
				err = errors.Join(made.Check(limited), made.Close())
				done()
				x.Text = b.into + " is there"
			}
			x.Took = time.Since(began)
			if err != nil {
				x.Err = &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Server: s.Name, Err: err,
					Hint: "Check dsn:, the table, and the rights of its user."}
			}
			found = append(found, x)
		}
	}
	return found
}
