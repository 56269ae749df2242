package metrics

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mailretr/conf/source"
	"mailretr/fetch/budget"
	"mailretr/store"
	"mailretr/store/status"
)

// A House is what is asked at each scrape. All of it answers at once, but for Totals of a store that hangs, and is for
// concurrent use.
type House struct {
	Version     string
	Totals      func(context.Context) (store.Totals, error)
	Maildrops   func() []status.Status
	Lanes       func() []status.Lane
	Line        func() *budget.Sheet // how the budget of the line stands; nil: there is none
	PerMaildrop func() int           // for how many maildrops there may be series of their own; 0: none
	Now         func() time.Time

	Listeners func() []Listener     // nil: there are none
	Sources   func() []source.State // nil: there are none
	Mirrors   func() []Mirror       // nil: there are none
	Webhook   func() *Webhook       // nil, or returns nil: there is none
	Writing   func() time.Duration  // for how long the commit that has taken longest has been under way; nil: nobody knows
}

// maildropStates and laneStates are those that are always there, so that an alert sees a 0 and not nothing.
var (
	maildropStates = []status.State{
		status.OK, status.Late, status.Login, status.TLS, status.Connect, status.Busy, status.Protocol,
		status.Envelope, status.Recipient, status.Local, status.Budget, status.Pause, status.Never,
	}
	laneStates = []status.State{status.OK, status.Sick, status.Never}
)

// scrapeTime bounds how long the store may take.
const scrapeTime = 5 * time.Second

// state is a collector of what is so at the moment.
type state struct {
	House
	asked *asked
	names map[string]string // their types
	all   map[string]*prometheus.Desc
	out   chan<- prometheus.Metric
	seen  map[string]bool // of this answer
}

// state describes the gauges.
func (m *Meter) state(h House) prometheus.Collector {
	s := &state{House: h, asked: &asked{totals: h.Totals}, names: m.names, all: map[string]*prometheus.Desc{}}
	add := func(name, help string, labels ...string) {
		if m.names[name] = "gauge"; strings.HasSuffix(name, "_total") {
			m.names[name] = "counter"
		}
		s.all[name] = prometheus.NewDesc(name, help, labels, nil)
	}
	add("mailretr_maildrops", "Maildrops, by how they are.", "state")
	add("mailretr_poll_overdue_seconds", "For how long the maildrop that waits longest has been due.")
	add("mailretr_waiting_messages", "Messages in maildrops that are to be collected.")
	add("mailretr_waiting_bytes", "Their octets.")
	add("mailretr_destinations", "Destinations, by how they are.", "state")
	add("mailretr_destination_up", "1 unless the destination takes no mail.", "destination")
	add("mailretr_queue_messages", "Messages in the queue.", "state")
	add("mailretr_queue_bytes", "Their octets.")
	add("mailretr_queue_oldest_age_seconds", "Age of the oldest one; 0: the queue is empty.")
	add("mailretr_store_up", "1 if the store answers.")
	add("mailretr_disk_free_bytes", "Free on the disk of the queue.")
	add("mailretr_disk_reserve_bytes", "What stays free: below it nothing is collected.")
	add("mailretr_line_used_bytes", "Octets on the line in this period, where it has a limit.", "period")
	add("mailretr_line_limit_bytes", "What the line may carry in this period.", "period")
	add("mailretr_maildrop_up", "1 if nobody has to look at the maildrop.", "maildrop")
	add("mailretr_maildrop_state", "1; how the maildrop is.", "maildrop", "state")
	add("mailretr_maildrop_failures", "Failures in a row.", "maildrop")
	add("mailretr_maildrop_last_success_timestamp_seconds", "When it was visited without trouble.", "maildrop")
	add("mailretr_maildrop_waiting_messages", "Messages in it that are to be collected.", "maildrop")
	add("mailretr_maildrop_today_messages", "Messages collected from it today.", "maildrop")
	add("mailretr_listener_connections", "Clients that are connected.", "listener")
	add("mailretr_listener_connections_total", "Clients that have connected.", "listener")
	add("mailretr_listener_messages_total", "Messages that were taken from clients.", "listener")
	add("mailretr_listener_refused_total", "Connections that were turned away or cut off, messages and recipients.", "listener")
	add("mailretr_listener_logins_denied_total", "Logins of clients that were refused.", "listener")
	add("mailretr_source_up", "1 if the source of maildrops answers as it should.", "source")
	add("mailretr_source_maildrops", "Maildrops of the set that is in use.", "source")
	add("mailretr_source_last_success_timestamp_seconds", "When the source last answered as it should.", "source")
	add("mailretr_mirror_up", "1 unless the status of maildrops cannot be written into the database of a source.", "source", "kind")
	add("mailretr_mirror_pending_maildrops", "Maildrops that have changed and are not written there yet.", "source", "kind")
	add("mailretr_mirror_written_total", "Maildrops that were written there, each time.", "source", "kind")
	add("mailretr_mirror_errors_total", "Times that it could not be written there.", "source", "kind")
	add("mailretr_mirror_last_success_timestamp_seconds", "When all that had changed was last written there.", "source", "kind")
	add("mailretr_webhook_up", "1 unless the webhook did not take what it was told last.")
	add("mailretr_webhook_pending_messages", "What the webhook has not taken yet.")
	add("mailretr_webhook_posts_total", "Times that the webhook was told something, by how that ended.", "result")
	add("mailretr_webhook_dropped_total", "What the webhook was never told, because it took nothing for three days.")
	return s
}

// Describe implements [prometheus.Collector].
func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.all {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *state) Collect(out chan<- prometheus.Metric) {
	now := &state{House: s.House, asked: s.asked, names: s.names, all: s.all, out: out, seen: map[string]bool{}}
	drops := s.Maildrops()
	now.maildrops(drops)
	now.each(drops)
	now.lanes()
	now.queue()
	now.line()
	now.listeners()
	now.sources()
	now.mirrors()
	now.webhook()
}

// put has each series once: two names that are shown alike would cost the whole answer.
func (s *state) put(name string, value float64, labels ...string) {
	key := name + "\x00" + strings.Join(labels, "\x00")
	if s.seen[key] {
		return
	}
	s.seen[key] = true
	kind := prometheus.GaugeValue
	if s.names[name] == "counter" {
		kind = prometheus.CounterValue
	}
	s.out <- prometheus.MustNewConstMetric(s.all[name], kind, value, labels...)
}

func (s *state) maildrops(drops []status.Status) {
	count := map[status.State]int{}
	var overdue time.Duration
	var messages int
	var octets int64
	for i := range drops {
		d := &drops[i]
		count[d.State]++
		messages, octets = messages+d.Waiting, octets+d.WaitingOctets
		if !d.Next.IsZero() && d.State != status.Pause {
			overdue = max(overdue, s.Now().Sub(d.Next))
		}
	}
	for _, x := range maildropStates {
		s.put("mailretr_maildrops", float64(count[x]), string(x))
	}
	s.put("mailretr_poll_overdue_seconds", overdue.Seconds())
	s.put("mailretr_waiting_messages", float64(messages))
	s.put("mailretr_waiting_bytes", float64(octets))
}

// each has the series of single maildrops, where there may be so many.
func (s *state) each(drops []status.Status) {
	if len(drops) > s.PerMaildrop() {
		return
	}
	for i := range drops {
		d, name := &drops[i], text(drops[i].Maildrop)
		s.put("mailretr_maildrop_up", one(d.State.Well()), name)
		s.put("mailretr_maildrop_state", 1, name, string(d.State))
		s.put("mailretr_maildrop_failures", float64(d.Failures), name)
		if !d.LastSuccess.IsZero() {
			s.put("mailretr_maildrop_last_success_timestamp_seconds", float64(d.LastSuccess.Unix()), name)
		}
		s.put("mailretr_maildrop_waiting_messages", float64(d.Waiting), name)
		s.put("mailretr_maildrop_today_messages", float64(d.Today.Messages), name)
	}
}

func (s *state) lanes() {
	count := map[status.State]int{}
	for _, l := range s.Lanes() {
		count[l.State]++
		s.put("mailretr_destination_up", one(l.State != status.Sick), text(l.Lane))
	}
	for _, x := range laneStates {
		s.put("mailretr_destinations", float64(count[x]), string(x))
	}
}

func (s *state) queue() {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	t, err := s.asked.ask(ctx)
	s.put("mailretr_store_up", one(err == nil && !s.stuck()))
	if err != nil {
		return // a number that nobody knows is not there
	}
	s.put("mailretr_queue_messages", float64(t.Messages-t.Held), "waiting")
	s.put("mailretr_queue_messages", float64(t.Held), "held")
	s.put("mailretr_queue_bytes", float64(t.Octets))
	age := time.Duration(0)
	if !t.Oldest.IsZero() {
		age = max(s.Now().Sub(t.Oldest), 0)
	}
	s.put("mailretr_queue_oldest_age_seconds", age.Seconds())
	s.put("mailretr_disk_free_bytes", float64(t.Free))
	s.put("mailretr_disk_reserve_bytes", float64(t.Reserve))
}

func (s *state) line() {
	b := s.Line()
	if b == nil {
		return
	}
	for _, x := range []struct {
		period string
		used   budget.Counts
		limit  int64
	}{{"day", b.Today, b.DayLimit}, {"month", b.Month, b.MonthLimit}} {
		if x.limit > 0 {
			s.put("mailretr_line_used_bytes", float64(x.used.Up+x.used.Down), x.period)
			s.put("mailretr_line_limit_bytes", float64(x.limit), x.period)
		}
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
