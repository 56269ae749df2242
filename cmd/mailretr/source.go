package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/conf/source"
	"mailretr/conf/sql"
	"mailretr/fetch"
	"mailretr/fetch/oauth"
	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// This file joins what the files say with what databases say: the configuration in use is both.

// sourceKinds are the kinds of sources that are asked for rows.
var sourceKinds = map[string]func(conf.Source) (source.Reader, error){
	"mysql": readSQL, "postgres": readSQL, "sqlite": readSQL, "ldap": readLDAP,
}

func readSQL(s conf.Source) (source.Reader, error) { return sql.New(s) }

// sources are the keepers of the configuration's sources, in its order.
type sources struct {
	mu   sync.Mutex
	list []*asking
	file *conf.Config // what the files say
	last joining

	changed func(context.Context) // is told that one has another set; nil: nobody would do anything
	work    sync.WaitGroup        // keepers that run
}

// asking is a source with what stops its keeper.
type asking struct {
	*source.Keeper
	stop context.CancelFunc // nil: it does not run

	mu  sync.Mutex
	key string // of its passwords, when it was last there
}

// source is the source with its key as it is, or as it was last: a key that cannot be read for a while takes nobody's
// maildrop away.
func (k *asking) source(ctx context.Context) *conf.Source {
	s := k.Source
	if !s.Key.Given() {
		return &s
	}
	text, err := s.Key.Resolve(ctx)
	if err == nil {
		_, err = conf.ReadSecretKey(ctx, conf.SecretPlain(text))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.key = text
	}
	if k.key != "" {
		s.Key = conf.SecretPlain(k.key)
	}
	return &s
}

// keyed says whether the key of a source is there, and whether it is the one that was there before.
func keyed(s *conf.Source) func(context.Context) ([32]byte, error) {
	return func(ctx context.Context) (with [32]byte, err error) {
		if _, err = conf.ReadSecretKey(ctx, s.Key); err == nil && s.Key.Given() {
			with, err = s.Key.Hash(ctx, nil)
		}
		if err != nil {
			err = fmt.Errorf("the key of its passwords: %w", err)
		}
		return with, err
	}
}

func (s *sources) all() []*asking {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// joining is what files and sources said together.
type joining struct {
	file *conf.Config
	list []*asking
	keys []conf.Secret // of their passwords
	all  conf.Config
}

// merged is what the files and the sources say. Of rows that are as they were no warning is returned.
func (s *sources) merged(ctx context.Context) (conf.Config, []conf.Problem) {
	s.mu.Lock()
	now, was := joining{file: s.file, list: slices.Clone(s.list)}, s.last
	s.mu.Unlock()
	var sets []conf.Set
	for _, k := range now.list {
		x := conf.Set{Source: k.source(ctx), Rows: k.Rows(), Options: optionsOf(&k.Source)}
		sets, now.keys = append(sets, x), append(now.keys, x.Source.Key)
	}
	if len(sets) == 0 {
		return *now.file, nil
	}
	var before *conf.Config
	if was.file == now.file && slices.Equal(was.list, now.list) && slices.EqualFunc(was.keys, now.keys, conf.Secret.Equal) {
		before = &was.all
	}
	all, problems := now.file.Again(ctx, sets, before)
	now.all = all
	s.mu.Lock()
	s.last = now
	s.mu.Unlock()
	return all, problems
}

// close ends their connections.
func (s *sources) close() (err error) {
	for _, k := range s.all() {
		err = errors.Join(err, k.Reader.Close())
	}
	return err
}

// states are how they are.
func (s *sources) states() (all []source.State) {
	for _, k := range s.all() {
		all = append(all, k.State())
	}
	return all
}

// sourced keeps the keepers of sources that are as they were, ends those that are gone, and makes those that are new, with
// what was kept of them. A source that cannot be made is an error of the whole.
func (h *house) sourced(ctx context.Context, c *conf.Config) error {
	old := h.sources.all()
	var list []*asking
	for _, s := range c.Asked() {
		if !s.Yields() {
			continue
		}
		i := slices.IndexFunc(old, func(k *asking) bool { return k.Source.Same(s) })
		if i >= 0 {
			list = append(list, old[i])
			continue
		}
		k, err := h.keep(ctx, s)
		if err != nil {
			return err
		}
		list = append(list, &asking{Keeper: k})
	}
	file := *c // the caller may go on to make it the one in use, with the rows
	h.sources.mu.Lock()
	h.sources.list, h.sources.file = list, &file
	h.sources.mu.Unlock()
	for _, k := range old {
		if k.stop != nil && !slices.Contains(list, k) {
			k.stop()
		}
	}
	if err := (sets{h}).forget(ctx, list); err != nil && ctx.Err() == nil {
		h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpStore, Err: err,
			Text: "the sets of sources that are configured no more are not forgotten yet"})
	}
	return nil
}

// keep makes the keeper of a source, with its last good set.
func (h *house) keep(ctx context.Context, s *conf.Source) (*source.Keeper, error) {
	r, err := sourceKinds[s.Kind](*s)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.Name, err)
	}
	k := &source.Keeper{Source: *s, Reader: r, Store: sets{h}, Now: h.now, Ready: keyed(s), Told: h.toldOf, Changed: h.changedSource}
	if err := k.Load(ctx); err != nil {
		h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpConfig, Alarm: true, Err: err,
			Text: fmt.Sprintf("the last good set of source %s is lost; it begins with none", s.Name)})
	}
	return k, nil
}

func (h *house) changedSource(ctx context.Context) {
	h.sources.mu.Lock()
	f := h.sources.changed
	h.sources.mu.Unlock()
	if f != nil {
		f(ctx)
	}
}

// toldOf tells what became of a source.
func (h *house) toldOf(s source.State, err error) {
	e := mail.Event{At: h.now(), Op: mail.OpConfig,
		Text: fmt.Sprintf("source %s is well again: %s", s.Name, term.Count(s.Rows, "row"))}
	if err != nil {
		e.Alarm = true
		e.Text = fmt.Sprintf("source %s: its last good set, %s, goes on", s.Name, term.Count(s.Rows, "row"))
		e.Err = &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Server: s.Name, Err: err}
	}
	h.around.observe.Observe(e)
}

// askSources looks at each source once.
func (h *house) askSources(ctx context.Context) {
	var work sync.WaitGroup
	for _, k := range h.sources.all() {
		work.Go(func() {
			// What went wrong was told, and the last good set goes on.
			_ = k.Look(ctx)
		})
	}
	work.Wait()
}

// refresh asks the sources, if there are any, where no daemon does so.
func (h *house) refresh(ctx context.Context) {
	if len(h.sources.all()) == 0 {
		return
	}
	h.askSources(ctx)
	all, _ := h.sources.merged(ctx)
	h.use(&all)
	h.configured()
	h.leftOut(h.untold(all.Bad))
	if err := h.budgets(ctx, &all); err != nil {
		h.uncounted(err)
	}
	h.poller.Set(ctx, h.drops())
}

// untold are those whose status does not say yet why they were left out.
func (h *house) untold(bad []conf.BadMaildrop) (some []conf.BadMaildrop) {
	for _, b := range bad {
		if s, _ := h.status.Of(b.Name); s.State != status.Local || s.Cause != mail.Printable(reason(b), 512) { // as it cuts it
			some = append(some, b)
		}
	}
	return some
}

// changed are the maildrops of rows that differ, and the names of those that are gone.
func changed(old, now *conf.Config) (drops []*conf.Maildrop, gone []string) {
	was := make(map[string]*conf.Row, len(old.Maildrops))
	for i := range old.Maildrops {
		if m := old.Maildrops[i]; m.Row != nil && m.Enabled {
			was[m.Name] = m.Row
		}
	}
	for i := range now.Maildrops {
		m := now.Maildrops[i]
		if m.Row == nil || !m.Enabled {
			continue
		}
		if was[m.Name] != m.Row {
			drops = append(drops, m)
		}
		delete(was, m.Name)
	}
	for name := range was {
		gone = append(gone, name)
	}
	return drops, gone
}

// resource takes in what a source says now. Maildrops whose rows are as they were are not disturbed.
func (d *serving) resource(ctx context.Context) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	ctx = context.WithoutCancel(ctx) // half of what follows is worse than late
	old := d.house.config.Load()
	c, _ := d.sources.merged(ctx)
	drops, gone := changed(old, &c)
	d.use(&c)
	d.configured()
	d.leftOut(newlyBad(old.Bad, c.Bad))
	if err := d.budgets(ctx, &c); err != nil {
		d.uncounted(err)
	}
	if d.counted != nil {
		d.counted.Set(knownOf(&c), d.house.now())
	}
	var some []fetch.Drop
	for _, m := range drops {
		some = append(some, d.drop(&c, m))
	}
	d.poller.Update(ctx, some, gone)
	d.observe(mail.Event{Op: mail.OpConfig,
		Text: fmt.Sprintf("a source has changed: %s new or changed, %d gone, %d left out", term.Count(len(drops), "maildrop"),
			len(gone), len(c.Bad))})
}

// newlyBad are those that were left out for another reason before, or not at all.
func newlyBad(old, now []conf.BadMaildrop) (some []conf.BadMaildrop) {
	reasons := make(map[string]string, len(old))
	for _, b := range old {
		reasons[b.Name] = reason(b)
	}
	for _, b := range now {
		if why, was := reasons[b.Name]; !was || why != reason(b) {
			some = append(some, b)
		}
	}
	return some
}

// watchSources runs the keepers; those that a reload brings begin there. It returns when all have ended.
func (d *serving) watchSources(ctx context.Context) {
	d.startSources(ctx)
	<-ctx.Done()
	d.sources.work.Wait()
}

// startSources runs the keepers that do not run yet.
func (d *serving) startSources(ctx context.Context) {
	d.sources.mu.Lock()
	defer d.sources.mu.Unlock()
	d.sources.changed = d.resource
	for _, k := range d.sources.list {
		if k.stop != nil {
			continue
		}
		own, stop := context.WithCancel(ctx)
		k.stop = stop
		d.sources.work.Go(func() { k.Run(own) })
	}
}

// sets keep the last good sets in notes of the store, encrypted with the key beside it: passwords are in them.
type sets struct{ h *house }

const (
	spaceSource = "source"
	// chunk is the largest part of a set; a note has its bounds.
	chunk = 200 << 10
)

func (s sets) key() (oauth.Key, error) {
	return oauth.LoadKey(s.h.config.Load().State, os.Getenv("CREDENTIALS_DIRECTORY"))
}

// Load joins the parts of a set.
func (s sets) Load(ctx context.Context, name string) ([]byte, error) {
	var sealed []byte
	for n, err := range s.h.store.Notes(ctx, spaceSource, name) {
		if err != nil {
			return nil, err
		}
		if n.Owner == name {
			sealed = append(sealed, n.Value...)
		}
	}
	if sealed == nil {
		return nil, nil
	}
	key, err := s.key()
	if err != nil {
		return nil, err
	}
	return key.Open(spaceSource+" "+name, sealed)
}

// Save replaces all parts of a set at once.
func (s sets) Save(ctx context.Context, name string, set []byte) error {
	key, err := s.key()
	if err != nil {
		return err
	}
	b, parts := &store.Batch{}, map[string]bool{}
	for i, part := range slices.Collect(slices.Chunk(key.Seal(spaceSource+" "+name, set), chunk)) {
		n := store.Note{Space: spaceSource, Owner: name, Key: fmt.Sprintf("%06d", i), Value: part}
		b.Notes, parts[n.Key] = append(b.Notes, n), true
	}
	for n, err := range s.h.store.Notes(ctx, spaceSource, name) {
		if err != nil {
			return err
		}
		if n.Owner == name && !parts[n.Key] {
			b.Notes = append(b.Notes, store.Note{Space: spaceSource, Owner: name, Key: n.Key})
		}
	}
	return s.h.store.Commit(ctx, b)
}

// forget removes the sets of sources that are there no more: nobody needs their passwords any longer.
func (s sets) forget(ctx context.Context, still []*asking) error {
	var gone []store.Note
	for n, err := range s.h.store.Notes(ctx, spaceSource, "") {
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(still, func(k *asking) bool { return k.Source.Name == n.Owner }) {
			gone = append(gone, store.Note{Space: n.Space, Owner: n.Owner, Key: n.Key})
		}
	}
	for some := range slices.Chunk(gone, 100) {
		if err := s.h.store.Commit(ctx, &store.Batch{Notes: some}); err != nil {
			return err
		}
	}
	return nil
}

// accept takes what a source says now, however little that is.
func (h *house) accept(ctx context.Context, name string) (source.State, error) {
	for _, k := range h.sources.all() {
		if k.Source.Name != name {
			continue
		}
		if err := k.Accept(ctx); err != nil {
			return k.State(), &control.Error{Code: control.Tempfail, Text: fmt.Sprintf("source %s: %v", name, err)}
		}
		return k.State(), nil
	}
	return source.State{}, &control.Error{Code: control.NotFound, Text: fmt.Sprintf("there is no source %q", name),
		Hint: "see which there are with: mailretr status"}
}

// askedOnce is what the sources say to somebody who keeps nothing of it: `check --connect`.
func askedOnce(ctx context.Context, c *conf.Config) (all conf.Config, problems []conf.Problem, found []connection) {
	var asked []conf.Set
	for _, s := range c.Asked() {
		if !s.Yields() {
			continue
		}
		began := time.Now()
		x := connection{Kind: "source", Name: s.Name, Server: s.Kind}
		r, err := sourceKinds[s.Kind](*s)
		if err == nil {
			k := &source.Keeper{Source: *s, Reader: r, Now: time.Now}
			if err = k.Look(ctx); err == nil {
				err = k.Try(ctx)
			}
			err = errors.Join(err, r.Close())
			asked = append(asked, conf.Set{Source: s, Rows: k.Rows(), Options: optionsOf(s)})
			x.Text = fmt.Sprintf("answers with %s", term.Count(len(k.Rows()), "row"))
		}
		x.Took = time.Since(began)
		if err != nil {
			x.Err = &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Server: s.Name, Err: err,
				Hint: "Check where it is, what is asked, and the rights of its user."}
		}
		found = append(found, x)
	}
	all, problems = c.With(ctx, asked)
	return all, problems, found
}
