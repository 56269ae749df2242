package web

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mailretr/conf"
	"mailretr/store/status"
)

// An index finds maildrops by name and owner, in one configuration.
type index struct {
	of     *conf.Config
	number uint64                    // another one for each
	drops  map[string]*conf.Maildrop // by name
	bad    map[string]*conf.BadMaildrop
	owned  map[string][]string // names, by the owner as conf.PlainName has him
}

func newIndex(c *conf.Config) *index {
	x := &index{of: c, drops: make(map[string]*conf.Maildrop, len(c.Maildrops)), bad: map[string]*conf.BadMaildrop{}, owned: map[string][]string{}}
	add := func(name, owner string) {
		if owner = conf.PlainName(owner); owner != "" {
			x.owned[owner] = append(x.owned[owner], name)
		}
	}
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		x.drops[m.Name] = m
		add(m.Name, m.Owner)
	}
	for i := range c.Bad {
		b := &c.Bad[i]
		x.bad[b.Name] = b
		add(b.Name, b.Owner)
	}
	return x
}

// index is that of the configuration in use.
func (v *visit) index() *index {
	x := v.indexed.Load()
	if x == nil || x.of != v.conf {
		x = newIndex(v.conf)
		x.number = v.indexes.Add(1)
		v.indexed.Store(x)
	}
	return x
}

// maildrop returns one that is configured; nil: there is none of that name, or it was left out.
func (v *visit) maildrop(name string) *conf.Maildrop { return v.index().drops[name] }

// mine are the names of the maildrops of somebody, sorted.
func (v *visit) mine() (names []string) {
	for _, who := range v.who.Owners {
		names = append(names, v.index().owned[conf.PlainName(who)]...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// owns says whether somebody may see a maildrop.
func (v *visit) owns(name string) bool {
	if v.who.Admin {
		return v.maildrop(name) != nil || v.index().bad[name] != nil
	}
	_, found := slices.BinarySearch(v.mine(), name)
	return found
}

// A drop is a maildrop on a page.
type drop struct {
	Name  string
	ID    string // of its elements
	Word  string // of its state
	Sign  string
	Class string // good, warn, bad or idle
	State status.State
	Says  string // a sentence
	Todo  string // what to do; "": nothing
	Said  string // the server's words
	Help  string // URL

	Since, Mail, Checked, Next moment

	Run      *progress // being collected now, or just before
	Button   bool      // it may be collected by hand
	Back     string    // this page
	Over     bool      // and an admin may have that done although a budget is spent
	Wait     string    // how long the button does nothing
	Paused   bool
	Resume   bool // and who looks at it may end that
	Off      bool // it is not enabled
	Server   string
	Waiting  int
	Away     bool // what is fetched waits here, because its destination takes nothing
	Today    status.Counts
	Mistakes []string // in its entry
	Left     int      // messages that are left in the maildrop for a reason
	More     bool
	Admin    adminWords
}

// adminWords are for who keeps the configuration.
type adminWords struct{ Wrong, Advice, Cause string }

// idOf is the id of a maildrop's elements: what cannot stand in one is left out, and a hash told apart then.
func idOf(name string) string {
	id := strings.Map(func(r rune) rune {
		if r <= ' ' || r == '"' || r == '<' || r == '>' || r == 0x7f {
			return -1
		}
		return r
	}, name)
	if id != name {
		sum := sha256.Sum256([]byte(name))
		id += "-" + hex.EncodeToString(sum[:6])
	}
	return "m-" + id
}

// signs go with a class, for who sees no colours.
var signs = map[string]string{"good": "✓", "warn": "!", "bad": "✗", "idle": "–"}

// classOf says how bad a state is.
func classOf(s status.State) string {
	switch s {
	case status.OK:
		return "good"
	case status.Pause, status.Never:
		return "idle"
	case status.Late, status.Busy, status.Connect, status.Budget:
		return "warn"
	}
	return "bad"
}

// drop makes of a status what a page shows.
func (v *visit) drop(s *status.Status) drop {
	m := v.maildrop(s.Maildrop)
	d := drop{
		Name: s.Maildrop, ID: idOf(s.Maildrop), State: s.State, Class: classOf(s.State), Said: s.Said,
		Since: v.moment(s.Since), Mail: v.moment(s.LastMail), Checked: v.moment(s.LastAttempt), Next: v.future(s.Next),
		Waiting: s.Waiting, Today: s.Today, Left: len(s.Asides), More: s.MoreAsides, Paused: s.State == status.Pause,
		Resume: v.who.Admin || s.ByOwner,
		Run:    v.runs.of(s.Maildrop, v), Back: v.here(),
	}
	if m == nil {
		d.Off = true
	} else {
		d.Server, d.Off, d.Away = m.Host, !m.Enabled, v.sick()[m.Deliver]
	}
	v.worded(&d, s, m)
	if d.Off {
		d.Next = moment{}
	}
	d.Button = !d.Off && !d.Paused && v.House.Poller != nil && (v.web.Collect > 0 || v.who.Admin)
	d.Over = d.Button && v.who.Admin && s.State == status.Budget
	if left := v.runs.left(s.Maildrop, v); left > 0 {
		d.Wait = span(left)
	}
	return d
}

// mistakes are those of an entry of a source, which its owner may have written; what stands in a file is the admin's.
func mistakes(b *conf.BadMaildrop) (all []string) {
	for _, p := range b.Problems {
		if p.Pos.Line > 0 {
			return nil
		}
		text := p.Text
		if p.Hint != "" {
			text += "; " + p.Hint
		}
		all = append(all, text)
	}
	return all
}

// sick are the destinations that take no mail at the moment.
func (v *visit) sick() map[string]bool {
	if v.away == nil {
		v.away = map[string]bool{}
		for _, l := range v.House.Status.Lanes() {
			v.away[l.Lane] = l.State == status.Sick
		}
	}
	return v.away
}

// here is the address of this page, without what was done.
func (v *visit) here() string {
	q := v.r.URL.Query()
	q.Del("did")
	return local((&url.URL{Path: v.r.URL.Path, RawQuery: q.Encode()}).String())
}

// worded says how it is in sentences for the owner; an admin reads the program's own, too.
func (v *visit) worded(d *drop, s *status.Status, m *conf.Maildrop) {
	state := string(s.State)
	if d.Off && m != nil {
		state, d.Class = "off", "idle"
	}
	if m != nil && m.OAuth != "" && s.State == status.Login {
		state = "oauth"
	}
	if b := v.index().bad[s.Maildrop]; b != nil && m == nil {
		state, d.Off = "entry", true
		d.Mistakes = mistakes(b)
	}
	t := v.texts
	d.Sign, d.Word = signs[d.Class], t.first("state."+state+".word", "state.protocol.word")
	d.Says = t.first("state."+state, "state.protocol")
	d.Todo = t.first("todo." + state)
	if a := v.account(s.Maildrop); state == "oauth" && a != nil && (a.HasDevice() || a.Pasted()) {
		d.Todo = t.get("todo.oauth.here")
	}
	switch {
	case !d.Paused || d.Off:
	case s.ByOwner:
		d.Says = t.get("state.paused.owner")
	default:
		d.Says = t.get("state.paused.admin")
	}
	if s.State == status.Login {
		d.Help = v.web.Help
	}
	if v.who.Admin {
		d.Admin = adminWords{s.Wrong, s.Advice, s.Cause}
	}
}

// statuses are those of some maildrops, worst first.
func (v *visit) statuses(names []string) (all []status.Status) {
	if v.House.Status == nil {
		return nil
	}
	for _, n := range names {
		if s, ok := v.House.Status.Of(n); ok {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b status.Status) int {
		return cmp.Or(a.State.Compare(b.State), strings.Compare(a.Maildrop, b.Maildrop))
	})
	return all
}

// A listing is the first page of an owner.
type listing struct {
	Drops  []drop
	Unwell int
	Total  int
	More   pager
}

// perPage is how many maildrops one page shows.
const perPage = 50

func list(v *visit) error {
	names := v.mine()
	if len(names) == 0 && v.who.Admin {
		return v.see("/admin")
	}
	all := v.statuses(names)
	l := listing{Total: len(all)}
	for i := range all {
		if !all[i].State.Well() {
			l.Unwell++
		}
	}
	var some []status.Status
	some, l.More = paged(v, all, perPage)
	soon := false
	for i := range some {
		d := v.drop(&some[i])
		soon = soon || d.Run != nil && !d.Run.Done
		l.Drops = append(l.Drops, d)
	}
	v.live("list", v.texts.get("list.title"), l, soon)
	return nil
}

// live shows a page that a script keeps fresh.
func (v *visit) live(name, title string, body any, soon bool) {
	p := &page{Name: name, Title: title, Body: body, Live: int(v.pace() / time.Second), Stamp: v.shown, Soon: soon}
	if soon {
		p.Live = min(p.Live, 2)
	}
	v.render(http.StatusOK, p)
}

// A pager leads to the other pages of a list.
type pager struct {
	Page, Pages    int
	Before, Behind string // addresses; "": there is none
}

// paged takes out of a list what the page shows that is asked for.
func paged[T any](v *visit, all []T, per int) ([]T, pager) {
	pages := max(1, (len(all)+per-1)/per)
	n := min(max(1, number(v.r.URL.Query().Get("page"))), pages)
	p := pager{Page: n, Pages: pages}
	to := func(n int) string {
		q := v.r.URL.Query()
		q.Del("did")
		q.Set("page", itoa(n))
		return v.r.URL.Path + "?" + q.Encode()
	}
	if n > 1 {
		p.Before = to(n - 1)
	}
	if n < pages {
		p.Behind = to(n + 1)
	}
	return all[(n-1)*per : min(n*per, len(all))], p
}

// A dropPage is the page of one maildrop.
type dropPage struct {
	drop
	Keeps   string // what happens there to what was collected
	To      []string
	Consent *consentState // nil: it has a password
	Left    []left
	LeftOn  bool // there are more of them
	Waits   []waiting
	WaitsOn bool
	Recent  []recent
	Remarks []status.Remark
	Chart   chart
	Total   status.Counts
}

// A recent is a message of which something became lately.
type recent struct {
	status.Recent
	When moment
	Word string
}

func showDrop(v *visit) error {
	name := v.r.URL.Query().Get("name")
	if !v.owns(name) || v.House.Status == nil {
		return errNotThere
	}
	s, ok := v.House.Status.Of(name)
	if !ok {
		return errNotThere
	}
	p := dropPage{drop: v.drop(&s), Total: s.Total, Remarks: s.Remarks}
	p.Consent = v.consent(name)
	if m := v.maildrop(name); m != nil {
		p.Keeps, p.To = v.keeps(m), m.To
	}
	var err error
	if p.Left, p.LeftOn, err = v.asides(name); err != nil {
		return err
	}
	if !v.auto { // the queue may be long; a person may load the page again
		if p.Waits, p.WaitsOn, err = v.waits(name); err != nil {
			return err
		}
	}
	for _, r := range slices.Backward(s.Recent) {
		p.Recent = append(p.Recent, recent{r, v.moment(r.At), v.texts.first("outcome." + r.Outcome)})
	}
	if err = v.cost(name, &p); err != nil {
		return err
	}
	v.live("maildrop", name, p, p.Run != nil && !p.Run.Done || p.Consent != nil && p.Consent.Code != "")
	return nil
}

// keeps says what happens in the maildrop to what was collected.
func (v *visit) keeps(m *conf.Maildrop) string {
	t, after := v.texts, &m.After
	switch {
	case after.Act == conf.Move && after.Delay > 0:
		return t.get("keeps.move.later", after.Folder, span(after.Delay))
	case after.Act == conf.Move:
		return t.get("keeps.move", after.Folder)
	case after.Act != conf.Delete:
		return t.get("keeps.keep")
	case after.Above > 0 && after.Delay > 0:
		return t.get("keeps.large.later", size(after.Above), span(after.Delay))
	case after.Above > 0:
		return t.get("keeps.large", size(after.Above))
	case after.Delay > 0:
		return t.get("keeps.later", span(after.Delay))
	}
	return t.get("keeps.delete")
}

// cost says what the maildrop has cost on the line.
func (v *visit) cost(name string, p *dropPage) error {
	if v.House.Budget == nil {
		return nil
	}
	days, err := v.House.Budget.Days(v.r.Context(), name)
	if err != nil {
		return err
	}
	p.Chart = v.chart(days)
	return nil
}

// dropURL is the page of a maildrop.
func dropURL(name string) string { return "/maildrop?" + url.Values{"name": {name}}.Encode() }
