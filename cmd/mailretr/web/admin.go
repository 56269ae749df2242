package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/conf/source"
	"mailretr/fetch/budget"
	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// An overview is the first page of an admin.
type overview struct {
	Version    string
	Up         string
	Config     string
	Totals     store.Totals
	Oldest     moment
	Full       bool // the disk
	LeftOut    []string
	Refused    *refusal // the configuration that was read last; nil: it is in use
	Line       *lineState
	Lanes      []lane
	Sources    []sourceState
	Fronts     []control.Front
	Unwell     []drop
	States     []stateCount
	Count, Bad int
	Flush      bool // there is a runner
	Reload     bool
	Job        *jobState
}

// A refusal is why a configuration was not taken, on a page.
type refusal struct {
	At  moment
	Why string
}

// A lane is a destination on a page.
type lane struct {
	status.Lane
	Sign, Class, Word string
	Since, Last, Next moment
}

// A sourceState is a database on a page.
type sourceState struct {
	source.State
	Sign, Class string
	Last, Away  moment
}

// A stateCount is how many maildrops are in a state.
type stateCount struct {
	State             status.State
	Sign, Class, Word string
	Count             int
}

// fewUnwell is how many maildrops the first page names.
const fewUnwell = 10

func adminPage(v *visit) error {
	t, err := v.House.Engine.Totals(v.r.Context())
	if err != nil {
		return err
	}
	o := overview{
		Version: v.House.Version, Config: v.conf.At.Self.File, Totals: t, Oldest: v.moment(t.Oldest), Full: t.Free < t.Reserve,
		Line: v.line(), Flush: v.House.Runner != nil, Reload: v.House.Reload != nil, Job: v.jobs.state(v),
	}
	if !v.House.Started.IsZero() {
		o.Up = span(v.at.Sub(v.House.Started))
	}
	for _, b := range v.conf.Bad {
		o.LeftOut = append(o.LeftOut, b.Name)
	}
	if v.House.Refused != nil {
		if r := v.House.Refused(); r != nil {
			o.Refused = &refusal{v.moment(r.At), r.Why}
		}
	}
	if v.House.Fronts != nil {
		o.Fronts = v.House.Fronts()
	}
	if v.House.Sources != nil {
		for _, s := range v.House.Sources() {
			o.Sources = append(o.Sources, v.source(s))
		}
	}
	if v.House.Status != nil {
		v.summed(&o)
	}
	v.live("admin", v.texts.get("admin.title"), o, o.Job != nil && !o.Job.Done)
	return nil
}

// summed takes in what the status knows.
func (v *visit) summed(o *overview) {
	for _, l := range v.House.Status.Lanes() {
		o.Lanes = append(o.Lanes, v.lane(l))
	}
	all := v.House.Status.List()
	counts := map[status.State]int{}
	for i := range all {
		counts[all[i].State]++
		if all[i].State.Well() {
			continue
		}
		if o.Bad++; len(o.Unwell) < fewUnwell {
			o.Unwell = append(o.Unwell, v.drop(&all[i]))
		}
	}
	o.Count = len(all)
	o.States = v.stateCounts(counts)
}

func (v *visit) stateCounts(counts map[status.State]int) (all []stateCount) {
	for s, n := range counts {
		class := classOf(s)
		all = append(all, stateCount{s, signs[class], class, v.texts.get("state." + string(s) + ".word"), n})
	}
	slices.SortFunc(all, func(a, b stateCount) int { return a.State.Compare(b.State) })
	return all
}

func (v *visit) lane(l status.Lane) lane {
	class := classOf(l.State)
	word := "lane." + string(l.State)
	return lane{l, signs[class], class, v.texts.first(word, "lane.sick"), v.moment(l.Since), v.moment(l.LastDelivery), v.future(l.Next)}
}

func (v *visit) source(s source.State) sourceState {
	class := "good"
	if s.Wrong != "" {
		class = "bad"
	}
	return sourceState{s, signs[class], class, v.moment(s.Read), v.moment(s.Since)}
}

// A lineState is how the cap stands.
type lineState struct {
	budget.Sheet
	Percent      int
	MonthEnds    moment
	Until        moment
	OffPeak      bool
	NextOffPeak  moment
	DayPercent   int
	Month, Today int64 // octets on the line
}

// line is how the line stands; nil: nothing is counted.
func (v *visit) line() *lineState {
	b := v.House.Budget
	if b == nil {
		return nil
	}
	for _, s := range b.Sheets() {
		if s.Maildrop != "" {
			continue
		}
		l := &lineState{Sheet: s, MonthEnds: v.moment(s.Until), Until: v.moment(s.LeftUntil), Month: s.Month.Line(), Today: s.Today.Line(),
			Percent: percent(s.Month.Line(), s.MonthLimit), DayPercent: percent(s.Today.Line(), s.DayLimit)}
		off, next := b.OffPeak()
		l.OffPeak, l.NextOffPeak = off, v.moment(next)
		return l
	}
	return nil
}

func percent(n, of int64) int {
	if of <= 0 {
		return 0
	}
	return int(min(100, n*100/of))
}

// reload reads the configuration again.
func reload(v *visit) error {
	if err := v.client.Reload(v.r.Context()); err != nil {
		return err
	}
	v.log("changed", "verb", "reload", "user", mail.Printable(v.who.Name, 200))
	return v.back("reload")
}

// flush makes what waits for a destination due now; for all of them where none is named.
func flush(v *visit) error {
	var q control.FlushRequest
	if l := v.r.PostFormValue("lane"); l != "" {
		q.Lanes = []string{l}
	}
	if _, err := v.client.Flush(v.r.Context(), q); err != nil {
		return err
	}
	v.log("changed", "verb", "flush", "lane", strings.Join(q.Lanes, " "), "user", mail.Printable(v.who.Name, 200))
	return v.back("flush")
}

// acceptSource takes what a source says now, however little that is.
func acceptSource(v *visit) error {
	name := v.r.PostFormValue("source")
	if v.r.PostFormValue("sure") == "" {
		v.show(http.StatusOK, "sure", v.texts.get("sure.title"), sure{Ask: v.texts.get("source.ask", mail.Printable(name, 100)),
			Button: button{Text: v.texts.get("source.accept")}, Fields: [][2]string{{"source", name}, {"back", "/admin"}},
			Action: "/admin/source", Back: "/admin"})
		return nil
	}
	if _, err := v.client.AcceptSource(v.r.Context(), name); err != nil {
		return err
	}
	v.log("changed", "verb", "accept", "source", mail.Printable(name, 100), "user", mail.Printable(v.who.Name, 200))
	return v.back("accept")
}

// A dropsPage is the list of all maildrops.
type dropsPage struct {
	Query, State string
	States       []stateCount
	Drops        []drop
	Total        int
	More         pager
	Owners       map[string]string
}

// perTable is how many rows one page shows.
const perTable = 100

func dropsOf(v *visit) error {
	q := v.r.URL.Query()
	p := dropsPage{Query: mail.Printable(q.Get("q"), 200), State: q.Get("state"), Owners: map[string]string{}}
	if v.House.Status == nil {
		return errNotThere
	}
	want, counts := conf.PlainName(strings.TrimSpace(q.Get("q"))), map[status.State]int{}
	var some []status.Status
	for _, s := range v.House.Status.List() {
		if !v.found(&s, want) {
			continue
		}
		counts[s.State]++
		if p.State == "" || p.State == string(s.State) || p.State == "unwell" && !s.State.Well() {
			some = append(some, s)
		}
	}
	p.States, p.Total = v.stateCounts(counts), len(some)
	some, p.More = paged(v, some, perTable)
	for i := range some {
		p.Drops = append(p.Drops, v.drop(&some[i]))
		if m := v.maildrop(some[i].Maildrop); m != nil {
			p.Owners[m.Name] = m.Owner
		}
	}
	v.live("drops", v.texts.get("drops.title"), p, false)
	return nil
}

// found says whether a maildrop is what somebody looks for: by its name, owner, user, server, or what was said.
func (v *visit) found(s *status.Status, want string) bool {
	if want == "" {
		return true
	}
	has := func(text string) bool { return strings.Contains(conf.PlainName(text), want) }
	if has(s.Maildrop) || has(s.Said) {
		return true
	}
	m := v.maildrop(s.Maildrop)
	return m != nil && (has(m.Owner) || has(m.Host) || has(m.User) || slices.ContainsFunc(m.To, has))
}

// A trafficPage says what the line has cost.
type trafficPage struct {
	Line  *lineState
	Chart chart
	Drops []budget.Sheet
	More  pager
}

func trafficOf(v *visit) error {
	p := trafficPage{Line: v.line()}
	if p.Line == nil {
		return &fault{http.StatusNotFound, "traffic.none"}
	}
	days, err := v.House.Budget.Days(v.r.Context(), "")
	if err != nil {
		return err
	}
	p.Chart = v.chart(days)
	p.Chart.cap(p.Line.DayLimit)
	var all []budget.Sheet
	for _, s := range v.House.Budget.Sheets() {
		if s.Maildrop != "" && (v.maildrop(s.Maildrop) != nil || s.Month != (budget.Counts{})) {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b budget.Sheet) int { return cmp.Compare(b.Month.Line(), a.Month.Line()) })
	p.Drops, p.More = paged(v, all, perTable)
	v.live("traffic", v.texts.get("traffic.title"), p, false)
	return nil
}

// queueURL is the list of messages with these conditions.
func queueURL(conditions ...string) string {
	q := url.Values{}
	for i := 0; i < len(conditions); i += 2 {
		q.Set(conditions[i], conditions[i+1])
	}
	return "/admin/queue?" + q.Encode()
}

// soon is how long an admin waits for a list.
const soon = 5 * time.Second
