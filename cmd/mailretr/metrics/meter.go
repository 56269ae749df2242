// Package metrics says to a monitoring system how the daemon is: /metrics in the format of Prometheus, /healthz and
// /readyz.
//
// It promises that [Meter.Observe] never waits for anything but the counter it adds to, that the number of series is
// bounded by the configuration and never by what a server or a sender says, that no address, queue id or reply
// becomes a label, and that health is asked of the store at that moment. It leaves to the dashboard and the rules in
// dist what to make of the numbers.
//
// Read first: [Meter], then [Server].
package metrics

import (
	"errors"
	"maps"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"mailretr/store/mail"
)

// A Meter counts events. Make it with [New]. Safe for concurrent use.
type Meter struct {
	registry *prometheus.Registry
	names    map[string]string // what is registered, by name: its type
	known    atomic.Pointer[Known]

	polls, retrieved, retrievedOctets, refused, aside, line, saved, wasted *prometheus.CounterVec
	queued, attempts, expired, reports, storeErrors, alarms, reloads       *prometheus.CounterVec
	skipped, dropped                                                       *prometheus.CounterVec
	pollTook, deliveryDelay, deliveryTook, commitTook                      *prometheus.HistogramVec
	reloaded, reloadedAt                                                   prometheus.Gauge
}

// Known is what the configuration names: nothing else becomes a label.
type Known struct {
	Protocols    map[string]string // of maildrops, by name: pop3 or imap
	Destinations map[string]string // kinds, by name
}

// other is the label of what the configuration does not name (any more).
const other = "other"

// New returns a meter that has counted nothing. h is asked at each scrape.
func New(h House) *Meter {
	m := &Meter{registry: prometheus.NewRegistry(), names: map[string]string{}}
	m.known.Store(&Known{})
	m.collecting()
	m.delivering()
	m.reloaded = m.gauge("mailretr_config_last_reload_successful",
		"1 if the configuration that was read last is in use, 0 if it was refused and the old one goes on.")
	m.reloadedAt = m.gauge("mailretr_config_last_reload_success_timestamp_seconds",
		"When the configuration in use was read.")
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "mailretr_build_info", Help: "Always 1; the labels say which program it is.",
		ConstLabels: prometheus.Labels{"version": text(h.Version), "goversion": runtime.Version()}})
	info.Set(1)
	m.names["mailretr_build_info"] = "gauge"
	m.registry.MustRegister(info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.state(h))
	return m
}

func (m *Meter) collecting() {
	m.polls = m.counter("mailretr_polls_total", "Sessions with maildrops, by how they ended.", "protocol", "result")
	m.pollTook = m.histogram("mailretr_poll_duration_seconds", "How long sessions with maildrops took.",
		[]float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 150, 300, 600}, "protocol", "result")
	m.retrieved = m.counter("mailretr_messages_retrieved_total", "Messages collected and durable here.", "protocol")
	m.retrievedOctets = m.counter("mailretr_retrieved_bytes_total", "Their octets.", "protocol")
	m.refused = m.counter("mailretr_messages_refused_total",
		"Messages that the next hop refused by their headers, so that the body never crossed the line.")
	m.skipped = m.counter("mailretr_messages_duplicate_skipped_total",
		"Messages that were not fetched, because their headers said that they had been here before.", "protocol")
	m.aside = m.counter("mailretr_messages_aside_total", "Messages that were left in a maildrop because of trouble, each time.")
	m.line = m.counter("mailretr_line_bytes_total", "Octets on the line, TLS and commands included.", "direction")
	m.saved = m.counter("mailretr_line_saved_bytes_total", "Octets that did not have to cross the line again, or at all.")
	m.wasted = m.counter("mailretr_line_wasted_bytes_total", "Octets that crossed the line for nothing.")
}

func (m *Meter) delivering() {
	m.queued = m.counter("mailretr_messages_queued_total", "Messages that were made durable in the queue, by where they came from.",
		"source")
	m.attempts = m.counter("mailretr_delivery_attempts_total", "Attempts to deliver, one for each recipient.",
		"destination", "kind", "result")
	m.deliveryDelay = m.histogram("mailretr_delivery_delay_seconds", "Age of messages when they were delivered, or failed.",
		[]float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 5 * 24 * 3600}, "kind", "result")
	m.deliveryTook = m.histogram("mailretr_delivery_duration_seconds", "How long attempts to deliver took, connecting included.",
		[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 600}, "kind", "result")
	m.dropped = m.counter("mailretr_messages_discarded_total",
		"Messages that ended because a filter, or a rule, said that nobody shall have them.", "destination")
	m.expired = m.counter("mailretr_recipients_expired_total", "Recipients that were given up for age.")
	m.reports = m.counter("mailretr_dsn_queued_total", "Reports that were queued, by what they tell.", "reason")
	m.commitTook = m.histogram("mailretr_store_commit_duration_seconds", "How long it took until a change was durable.",
		[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30}, "result")
	m.storeErrors = m.counter("mailretr_store_errors_total", "Troubles of the store: disk, database.")
	m.alarms = m.counter("mailretr_alarms_total", "Events that an admin should look at, by step.", "step")
	m.reloads = m.counter("mailretr_config_reloads_total", "Times that the configuration was read, by how it ended.", "result")
	for _, v := range []*prometheus.CounterVec{m.refused, m.aside, m.saved, m.wasted, m.expired, m.storeErrors} {
		v.WithLabelValues() // there from the beginning, so that the first one shows as an increase
	}
	for _, reason := range []string{mail.ReportFailure, mail.ReportDelay, mail.ReportSuccess} {
		m.reports.WithLabelValues(reason)
	}
}

func (m *Meter) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.names[name] = "counter"
	m.registry.MustRegister(v)
	return v
}

func (m *Meter) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.names[name] = "histogram"
	m.registry.MustRegister(v)
	return v
}

func (m *Meter) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	m.names[name] = "gauge"
	m.registry.MustRegister(g)
	return g
}

// Names returns what is registered, by name: counter, gauge or histogram.
func (m *Meter) Names() map[string]string { return maps.Clone(m.names) }

// Set says what the configuration names from now on, which was read at that time.
func (m *Meter) Set(k Known, at time.Time) {
	m.known.Store(&k)
	m.reloaded.Set(1)
	m.reloadedAt.Set(float64(at.Unix()))
}

// Observe counts one event.
func (m *Meter) Observe(e mail.Event) {
	if e.Alarm {
		m.alarms.WithLabelValues(e.Op.String()).Inc()
	}
	switch e.Op {
	case mail.OpPoll:
		m.polled(e)
	case mail.OpQueue:
		if e.Err == nil {
			m.queued.WithLabelValues(bringer(e)).Inc()
		}
	case mail.OpRefuse:
		m.refused.WithLabelValues().Inc()
	case mail.OpAside:
		m.aside.WithLabelValues().Inc()
	case mail.OpDeliver:
		m.delivered(e)
	case mail.OpExpire:
		m.expired.WithLabelValues().Inc()
	case mail.OpDSN:
		m.reported(e)
	case mail.OpDiscard:
		name, _ := m.destination(e.Lane)
		m.dropped.WithLabelValues(name).Add(float64(max(e.Messages, 0)))
	case mail.OpStore:
		if e.Err != nil {
			m.storeErrors.WithLabelValues().Inc()
		}
	case mail.OpConfig:
		m.configured(e)
	}
}

// reported counts a report. Of one that could not be queued, Messages is 0.
func (m *Meter) reported(e mail.Event) {
	switch e.Topic {
	case mail.ReportFailure, mail.ReportDelay, mail.ReportSuccess:
		m.reports.WithLabelValues(e.Topic).Add(float64(max(e.Messages, 0)))
	}
}

// Delivering counts an attempt of a kind of destination, which took so long.
func (m *Meter) Delivering(kind string, r mail.Report, took time.Duration) {
	result := mail.Delivered
	for _, x := range r {
		if x.Outcome == mail.Deferred || result == mail.Delivered {
			result = x.Outcome
		}
	}
	if len(r) == 0 {
		result = mail.Deferred
	}
	m.deliveryTook.WithLabelValues(text(kind), result.String()).Observe(max(took, 0).Seconds())
}

// Committing counts a commit of the store, which took so long.
func (m *Meter) Committing(err error, took time.Duration) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.commitTook.WithLabelValues(result).Observe(max(took, 0).Seconds())
}

func bringer(e mail.Event) string {
	if e.Origin.Maildrop != "" {
		return "maildrop"
	}
	return "client"
}

func (m *Meter) polled(e mail.Event) {
	protocol := word(m.known.Load().Protocols, e.Origin.Maildrop)
	result := "ok"
	var t *mail.Trouble
	switch {
	case errors.As(e.Err, &t):
		result = t.Kind.String()
	case e.Err != nil:
		result = mail.Unreachable.String()
	case e.Text != "":
		result = "stopped"
	}
	m.polls.WithLabelValues(protocol, result).Inc()
	m.pollTook.WithLabelValues(protocol, result).Observe(max(e.Took, 0).Seconds())
	add := func(v *prometheus.CounterVec, n int64, labels ...string) {
		v.WithLabelValues(labels...).Add(float64(max(n, 0)))
	}
	add(m.retrieved, int64(e.Messages), protocol)
	add(m.skipped, int64(e.Known), protocol)
	add(m.retrievedOctets, e.Octets, protocol)
	add(m.line, e.Up, "up")
	add(m.line, e.Down, "down")
	add(m.saved, e.Saved)
	add(m.wasted, e.Wasted)
}

func (m *Meter) delivered(e mail.Event) {
	name, kind := m.destination(e.Lane)
	m.attempts.WithLabelValues(name, kind, e.Outcome.String()).Inc()
	if e.Outcome != mail.Deferred {
		m.deliveryDelay.WithLabelValues(kind, e.Outcome.String()).Observe(max(e.Delay, 0).Seconds())
	}
}

// destination is a lane as labels say it.
func (m *Meter) destination(l mail.Lane) (name, kind string) {
	if kind = word(m.known.Load().Destinations, string(l)); kind == other {
		return other, other
	}
	return text(string(l)), kind
}

// configured: the mistake of one maildrop refuses nothing.
func (m *Meter) configured(e mail.Event) {
	switch {
	case e.Origin.Maildrop != "":
	case e.Err != nil:
		m.reloads.WithLabelValues("refused").Inc()
		m.reloaded.Set(0)
	default:
		m.reloads.WithLabelValues("ok").Inc()
	}
}

// word is what a table says of a name, other where it says nothing.
func word(table map[string]string, name string) string {
	if w := table[name]; w != "" {
		return text(w)
	}
	return other
}

// text makes a label of what people have written: an invalid one would be a panic.
func text(s string) string { return mail.Printable(s, 100) }
