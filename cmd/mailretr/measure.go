package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/metrics"
	"mailretr/conf"
	"mailretr/conf/source"
	"mailretr/fetch/budget"
	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// What a monitoring system can read of a daemon.

// measured answers a scrape from the house, which is there by then.
func (d *serving) measured() metrics.House {
	return metrics.House{
		Version:   version(),
		Totals:    func(ctx context.Context) (store.Totals, error) { return d.engine.Totals(ctx) },
		Maildrops: func() []status.Status { return d.status.List() },
		Lanes:     func() []status.Lane { return d.status.Lanes() },
		Line:      func() *budget.Sheet { h := d.house.controlled(); return h.LineSheet() },
		PerMaildrop: func() int {
			if d.house.config.Load().Metrics.PerMaildrop {
				return conf.MaxMetered
			}
			return 0
		},
		Now:       func() time.Time { return d.house.now() },
		Listeners: d.listeners,
		Sources:   func() []source.State { return d.sources.states() },
		Mirrors:   func() []metrics.Mirror { return d.mirrors.measured() },
		Webhook:   d.measuredHook,
		Writing:   func() time.Duration { return d.watched.writing() },
	}
}

// listeners are the listeners with their counts.
func (d *serving) listeners() (list []metrics.Listener) {
	for _, f := range d.counts() {
		list = append(list, metrics.Listener{Name: f.Listener, Stats: f.Stats})
	}
	return list
}

// knownOf is what may become a label.
func knownOf(c *conf.Config) metrics.Known {
	k := metrics.Known{Protocols: map[string]string{}, Destinations: map[string]string{}}
	for i := range c.Maildrops {
		k.Protocols[c.Maildrops[i].Name] = c.Maildrops[i].Protocol
	}
	for i := range c.Deliver {
		k.Destinations[c.Deliver[i].Name] = c.Deliver[i].Kind
	}
	return k
}

// measuring opens the place where the meter is read; nil where there is none.
func (d *serving) measuring(ctx context.Context, c *conf.Config) (net.Listener, error) {
	m := &c.Metrics
	switch m.Network {
	case "":
		return nil, nil
	case "unix":
		l, err := control.Listen(m.Address)
		return l, unmade(err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", m.Address)
	if err != nil {
		return nil, &exit{exCantCreat, &control.Error{Code: control.Internal, Text: fmt.Sprintf("metrics: %v", err),
			Hint: "stop what listens there, or choose another address for metrics: {listen: …}"}}
	}
	return l, nil
}

// closed closes a listener that may be nil.
func closed(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

// measure answers on l, which may be nil, until ctx ends; the house is alive and not ready from end on.
func (d *serving) measure(ctx context.Context, l net.Listener, end <-chan struct{}) {
	if l == nil {
		return
	}
	s := &metrics.Server{Meter: d.counted, House: d.measured()}
	go func() {
		select {
		case <-end:
		case <-ctx.Done():
		}
		s.End()
	}()
	if err := s.Serve(ctx, l); err != nil {
		d.observe(mail.Event{Op: mail.OpAlarm, Err: err, Alarm: true, Text: "metrics can no longer be read"})
	}
}
