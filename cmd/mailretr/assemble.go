package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/notes"
	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/fetch/budget"
	"mailretr/fetch/oauth"
	"mailretr/relay"
	"mailretr/relay/local"
	"mailretr/store"
	"mailretr/store/badger"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// A house is everything that works on one state, wired together. What depends on the configuration asks for the one in use
// at the moment, so that a reload swaps one pointer.
type house struct {
	engine *badger.Engine
	store  store.Engine // what queue and notes use: the engine, unless needs wrap it
	queue  *store.Queue
	poller *fetch.Poller
	runner *relay.Runner
	ask    *relay.Ask
	hub    *control.Hub
	status *status.Folder
	book   *budget.Book

	consents *oauth.Keeper
	sources  sources
	mirrors  mirrors
	hooks    hookCounts
	said     map[string]string // of rows; see unmet
	lookups  lookups           // of rewrite

	config  atomic.Pointer[conf.Config]
	rewrite atomic.Pointer[relay.Rewriter] // of that configuration
	words   atomic.Pointer[words]          // of reports, by that configuration
	kept    sync.Map                       // by name of a maildrop: what happened to its mail when the configuration named it last
	meters  sync.Map                       // by name of a maildrop: *wire.Meter
	around  surroundings
	now     func() time.Time
	started time.Time
	sealing [32]byte // see settingsKey
}

// needs are what a house takes from the outside.
type needs struct {
	log     *slog.Logger
	observe mail.Observers // besides what the house has itself
	fatal   func(error)    // the store has failed: the process has to end
	free    func() (int64, error)
	engine  func(store.Engine) store.Engine // wraps what queue and notes use; nil: as it is
	watch   *stopwatch                      // around attempts; nil: nobody wants to know
	now     func() time.Time                // when maildrops are visited, and what day it is for a cap; nil: time.Now
}

// assemble opens the state and wires the house. Nothing runs yet. The caller closes it.
func assemble(ctx context.Context, c *conf.Config, n needs) (*house, error) {
	if list := unknownKinds(c); len(list) > 0 {
		return nil, &control.Error{Code: control.Config, Text: list[0]}
	}
	h := &house{hub: &control.Hub{}, now: time.Now, started: time.Now()}
	if n.now != nil {
		h.now = n.now
	}
	h.use(c)
	h.status = &status.Folder{Now: h.now}
	h.book = &budget.Book{Now: h.now}
	h.around = surroundings{observe: append(n.observe, h.hub, h.status, h.book), log: n.log, line: lineOf(c), ahead: aheadOf(), hops: &hops{}, state: c.State, folder: h.folder,
		dated: func() bool { return dated(h.config.Load()) }, turns: &local.Turns{}, watch: n.watch,
		largest: func() int64 { return h.config.Load().Limits.MaxMessage }}
	engine, err := badger.Open(ctx, badger.Options{
		Dir: c.State, Reserve: c.Queue.Reserve, LongestRetry: longest(c), Route: h.adopted,
		Fatal: n.fatal, Observe: h.around.observe, Log: n.log, Free: n.free,
	})
	if err != nil {
		return nil, opening(c.State, err)
	}
	h.engine, h.store = engine, engine
	if err := local.Sweep(c.State); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	if n.engine != nil {
		h.store = n.engine(engine)
	}
	h.around.memory = notes.Servers{Engine: h.store, Observe: h.around.observe}
	h.around.tickets = &notes.Tickets{Engine: h.store, Observe: h.around.observe}
	h.consents, h.around.consent = h.keeper(), h.consentOf
	h.around.client, h.around.blind = h.client, h.blind
	key, err := contentKey(c.State)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	if h.sealing, err = settingsKey(c.State); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	h.wire(key)
	if err := errors.Join(h.sourced(ctx, c), h.mirrored(c)); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	all, _ := h.sources.merged(ctx)
	h.use(&all)
	if err := h.remember(ctx); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	_, err = h.queue.Recover(ctx)
	if err == nil {
		err = h.queue.Resume(ctx)
	}
	if err == nil {
		_, err = h.reroute(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("looking through the queue: %w", err), engine.Close())
	}
	return h, nil
}

// use makes a configuration the one in use. Its templates were tried before.
func (h *house) use(c *conf.Config) {
	c.Index()
	w, _ := wordsOf(c)
	h.words.Store(w)
	h.rewrite.Store(rewriterOf(c, h.lookups.set(c.Rewrite.Lookups)))
	h.config.Store(c)
}

// reroute routes mail anew whose destination the configuration does not name any more.
func (h *house) reroute(ctx context.Context) (n int, err error) {
	return h.queue.Reroute(ctx, func(l mail.Lane) bool { _, ok := h.destination(l); return ok })
}

// moved routes mail anew and says whether some went elsewhere, or nothing is due in this lane any more.
func (h *house) moved(ctx context.Context, l mail.Lane) bool {
	n, err := h.reroute(ctx)
	if err != nil || n > 0 {
		return err == nil
	}
	lanes, err := h.queue.Lanes(ctx)
	due, waits := lanes[l]
	return err == nil && (!waits || due.After(h.now()))
}

// opening says why a state cannot be opened, and what to do.
func opening(dir string, err error) error {
	if errors.Is(err, badger.ErrInUse) {
		return &control.Error{Code: control.Busy, Text: "another mailretr has the state in " + dir,
			Hint: "ask the daemon, or wait until the other one has ended"}
	}
	e := &control.Error{Code: control.Internal, Text: fmt.Sprintf("opening the state: %v", err)}
	var path *fs.PathError
	switch {
	case errors.Is(err, badger.ErrNewer):
		e.Code = control.Config // somebody has to come; what is started again knows no more than before
	case errors.Is(err, fs.ErrPermission):
		e.Code, e.Hint = control.Denied, "run it as the user to whom the state belongs, or set state: to a directory of your own"
	case errors.Is(err, syscall.EROFS):
		e.Hint = "mount its file system so that it can be written (the kernel's log says why it is not), or set state: to another directory"
		return &exit{exCantCreat, e}
	case errors.As(err, &path):
		e.Hint = "make the directory above it, or set state: to another directory"
		return &exit{exCantCreat, e}
	}
	return e
}

func (h *house) wire(key [32]byte) {
	h.queue = &store.Queue{
		Engine: h.store, Seals: 64, Rewrite: h.rewritten, Route: h.route, Fallback: h.fallback, Alone: h.alone, Schedule: h.schedule, Reporter: h.reporter(),
		Keeps: h.keeps, Loop: store.Loop{Ours: h.circles}, Misconfigured: h.misconfigured, Secret: key, Observe: h.around.observe,
		Now: h.now, Came: fetch.Arrival,
		Fate: h.fate, Rule: h.rule,
		Late:  func() time.Duration { return h.config.Load().Queue.Warn },
		Flood: func() int { return h.config.Load().Bounce.Hourly },
		Limit: func() store.Limit {
			c := h.config.Load()
			return store.Limit{Messages: c.Queue.Max, Octets: c.Queue.MaxSize}
		},
	}
	h.ask = &relay.Ask{Rewrite: h.rewritten, Route: h.route, Dial: h.connect}
	h.runner = &relay.Runner{
		Queue: h.queue, Observe: h.around.observe,
		Dial:        h.dial,
		Connections: func(l mail.Lane) int { d, _ := h.destination(l); return d.Connections },
	}
	limits := h.config.Load().Limits
	h.poller = &fetch.Poller{
		Ledger: ledger{h.queue, h.around.observe, &sync.Map{}, reporter{h}.notice}, Notes: notes.Values{Engine: h.store, Space: notes.Poller}, Observe: h.around.observe,
		PerServer: limits.PerServer, Overall: limits.Sessions, Large: limits.Large, Expire: func() time.Duration { return h.config.Load().Queue.Expire },
		Room: h.room, Budget: h.book, Now: h.now,
	}
}

// remember loads the status records. One that cannot be read is left out, and told.
func (h *house) remember(ctx context.Context) error {
	h.status.Store = notes.Status{Engine: h.store}
	if err := h.status.Load(ctx); err != nil {
		h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpStore, Err: err, Text: "some of the status is forgotten"})
	}
	h.configured()
	h.nameAsides(ctx)
	h.book.Store = notes.Traffic{Engine: h.store}
	if err := h.budgets(ctx, h.config.Load()); err != nil {
		return err
	}
	if err := h.book.Load(ctx); err != nil {
		h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpStore, Err: err, Alarm: true,
			Text: "some of what was counted on the line is forgotten"})
	}
	return ctx.Err()
}

// room says whether the disk may take more.
func (h *house) room(ctx context.Context) error {
	t, err := h.engine.Totals(ctx)
	if err == nil && t.Free < t.Reserve {
		err = &mail.Trouble{Op: mail.OpStore, Kind: mail.Local, Err: fmt.Errorf("the disk is full: %d MB are free, %d MB are to stay free",
			t.Free>>20, t.Reserve>>20), Hint: "Make room on the disk of the state directory; mail stays in the maildrop until then."}
	}
	return err
}

func (h *house) destination(l mail.Lane) (conf.Destination, bool) {
	return h.config.Load().Destination(string(l))
}

// connect makes a connection to a lane; it dials when it is first used.
func (h *house) connect(l mail.Lane) (relay.Connection, error) {
	d, ok := h.destination(l)
	if !ok {
		return nil, fmt.Errorf("the configuration has no destination %q any more; `mailretr queue retry` routes its mail anew", l)
	}
	return deliverers[d.Kind](h.around, &d, l)
}

// dial makes what one worker delivers with. What was being attempted when its destination left the configuration is
// routed anew when it is due again.
func (h *house) dial(l mail.Lane) (mail.Deliverer, func() error, error) {
	d, ok := h.destination(l)
	if !ok && h.moved(context.Background(), l) {
		return nil, nil, relay.ErrMoved
	}
	c, err := h.connect(l)
	if err != nil {
		return nil, nil, err
	}
	t := &relay.Trace{To: c, Host: h.config.Load().Hostname, Final: final(&d), Invisible: d.Invisible,
		Protocol: h.protocol}
	to, err := filtered(h.around, &d, l, t) // above the trace: what it drops is no delivery
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return h.around.watch.deliverer(d.Kind, to), c.Close, nil
}

func (h *house) protocol(maildrop string) string {
	if m := h.maildrop(maildrop); m != nil {
		return protocolOf(m)
	}
	return ""
}

// folder is the IMAP folder in which a message was collected: a UID begins with it.
func (h *house) folder(o mail.Origin) string {
	m := h.maildrop(o.Maildrop)
	if m == nil || m.Protocol != "imap" {
		return ""
	}
	parts := strings.Split(string(o.UID), "/")
	return strings.Join(parts[:max(len(parts)-2, 0)], "/")
}

func (h *house) maildrop(name string) *conf.Maildrop { return h.config.Load().Maildrop(name) }

// adopted: a file that comes back goes where it was to go, and is routed anew where nobody knows that place.
func (h *house) adopted(r *store.Record) mail.Lane {
	if _, ok := h.destination(r.Lane); ok {
		return r.Lane
	}
	return h.route(r.Origin, r.Envelope(), mail.Recipient{})[0]
}

// circles says whether a Received field is ours and of the same maildrop: the message has been here before, and whoever
// sent it back would do so again.
func (h *house) circles(field []byte, m *mail.Message) bool {
	mark := relay.Signature(h.config.Load().Hostname, m.Origin.Maildrop)
	return m.Origin.Maildrop != "" && bytes.HasPrefix(field, []byte("Received: "+mark))
}

func (h *house) schedule(l mail.Lane) store.Schedule {
	c := h.config.Load()
	s := store.Schedule{Retry: c.Queue.Retry, Expire: c.Queue.Expire}
	if d, ok := h.destination(l); ok {
		if len(d.Retry) > 0 {
			s.Retry = d.Retry
		}
		if d.Expire > 0 {
			s.Expire = d.Expire
		}
	}
	return s
}

// longest is the longest pause of any schedule.
func longest(c *conf.Config) time.Duration {
	all := store.Schedule{Retry: c.Queue.Retry}.Longest()
	for _, d := range c.Deliver {
		all = max(all, store.Schedule{Retry: d.Retry}.Longest())
	}
	return all
}

// keeps says whether mail stays upstream. A session that runs while its maildrop leaves the configuration, or its entry
// has a mistake, goes on with what it began with.
func (h *house) keeps(o mail.Origin, octets int64) bool {
	if m := h.maildrop(o.Maildrop); m != nil {
		return m.After.Keeps(octets)
	}
	after, known := h.kept.Load(o.Maildrop)
	return !known || after.(conf.After).Keeps(octets)
}

// misconfigured says whether a refusal means that the maildrop's own recipient is wrong: it is refused as well for the null
// reverse-path and for the address of our reports, with the same code.
func (h *house) misconfigured(ctx context.Context, r *store.Record, x mail.Result) bool {
	m := h.maildrop(r.Origin.Maildrop)
	if m == nil || !m.Check || x.Outcome != mail.Failed || len(x.Reply) < 3 || x.After != mail.OpRcpt && x.After != mail.OpProbe {
		return false
	}
	for _, to := range r.Recipients {
		if h.ownRecipient(ctx, m, r.Origin, to.Forward) && h.refusedForAll(ctx, r, to.Forward, x.Reply[:3]) {
			return true
		}
	}
	return false
}

// refusedForAll asks the lane of the record, about the recipient as it stands there.
func (h *house) refusedForAll(ctx context.Context, r *store.Record, to mail.Path, code string) bool {
	for _, from := range []mail.Path{"", mail.Path(h.config.Load().Bounce.From)} {
		e := mail.Envelope{Reverse: from, Recipients: []mail.Recipient{{Forward: to}}}
		report := h.ask.In(r.Lane).Probe(ctx, &mail.Message{Origin: r.Origin, Envelope: e, Content: unread{}})
		if r := report.Of(0); r.Outcome != mail.Failed || len(r.Reply) < 3 || r.Reply[:3] != code {
			return false
		}
	}
	return true
}

// unread is the content of a message about which only the envelope is asked.
type unread struct{}

var errUnread = errors.New("only the envelope is asked about")

func (unread) Size() int64                                 { return -1 }
func (unread) Header(context.Context) ([]byte, error)      { return nil, errUnread }
func (unread) Open(context.Context) (io.ReadCloser, error) { return nil, errUnread }

// drops are the maildrops as the poller wants them.
func (h *house) drops() (all []fetch.Drop) {
	c := h.config.Load()
	for i := range c.Maildrops {
		if m := c.Maildrops[i]; m.Enabled {
			all = append(all, h.drop(c, m))
		}
	}
	return all
}

func (h *house) drop(c *conf.Config, m *conf.Maildrop) fetch.Drop {
	meter := h.meter(m.Name)
	account := mail.AccountOf(m.Protocol, m.Host, m.User)
	login := fingerprint(m)
	p := policy{after: m.After, settings: login + limits(c)}
	d := fetch.Drop{
		Name: m.Name, Account: account, Server: m.Server(), From: h.around.retriever(m, meter, account),
		Queue: h.queue, Ask: h.ask, AskCheck: h.ask.First(), Above: headersFrom(c, m), Every: m.Poll, BounceFrom: mail.Path(c.Bounce.From),
		Watch: m.Idle > 0, Watches: c.Limits.Idle,
		Meter:  func() (up, down int64) { return meter.Up.Load(), meter.Down.Load() },
		Bound:  meter.Bound,
		Spared: meter.Spared.Load, Unread: meter.Unread.Load,
		Policy: p, Lists: p.settings, First: fetch.First{New: m.First.Mode == conf.FirstNew},
		Now:      func(m *mail.Message) bool { return p.after.Now(m.Content.Size()) },
		Settings: func(ctx context.Context) string { return login + h.secretOf(ctx, m) + h.mark(ctx, m) },
		Fickle:   fickle(m),
	}
	if m.First.Mode == conf.FirstSince {
		d.First.Within = m.First.Within
	}
	limited(&d, c, m)
	resolve(&d, m)
	d.Ready = h.ready(m, d.Check)
	if !m.Check {
		d.Check = nil
	}
	return d
}

// contentKey reads the key of the content keys, or makes it. It lives beside the database, because marks in a snapshot
// outlive one.
func contentKey(state string) (key [32]byte, err error) {
	path := filepath.Join(state, contentKeyFile)
	return keyFile(path, &control.Error{Code: control.Internal, Text: path + " is damaged: it has to have 32 octets",
		Hint: "bring it back from a backup; without it, mail that was renumbered upstream is collected again"})
}

// controlled is what the control API answers for when no daemon runs.
func (h *house) controlled() control.House {
	return control.House{
		Queue: h.queue, Engine: h.engine, Poller: h.poller, Status: h.status, Events: h.hub, Budget: h.book,
		Backup: func(ctx context.Context, w io.Writer) (badger.Manifest, error) {
			return h.engine.Backup(ctx, w, backedUp, nil)
		},
		Verify:  h.engine.Verify,
		Sources: h.sources.states, Mirrors: h.mirrors.states, AcceptSource: h.accept,
		Config: h.config.Load, Version: version(), Now: h.now, Consent: h.consent, Signed: h.signed,
		Expire: func(lane string) time.Duration { return h.schedule(mail.Lane(lane)).Expire },
	}
}
