package main

import (
	"context"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
)

// probeTime bounds what whoever watches the daemon waits for.
const probeTime = 10 * time.Second

// probe says by its exit code whether the daemon answers, and its store: for what starts it again where it does not.
// It never opens the state itself.
func (a *app) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	l := a.load(ctx)
	if l.paths == (conf.Paths{}) {
		return l.err
	}
	found, err := a.daemon(ctx, &l, func(d *control.Client) error {
		for _, err := range d.Status(ctx) {
			return err // the first is made from the store
		}
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return &control.Error{Code: control.Unavailable, Text: "the daemon does not answer in time", Hint: "look at its log"}
	case err == nil && !found:
		return &control.Error{Code: control.Unavailable, Text: "no daemon answers on " + l.socket(),
			Hint: "start one with: mailretr serve"}
	}
	return err
}
