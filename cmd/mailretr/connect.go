package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"time"

	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// connectTime bounds what is found out about one place.
const connectTime = time.Minute

// connectAtOnce is how many places are asked at once: enough that one which hangs does not hold up the
// others.
const connectAtOnce = 5

// connectEverywhere logs in to each maildrop and lists it, and asks each destination whether it would take
// mail for the postmaster. It collects, delivers and changes nothing.
func connectEverywhere(ctx context.Context, c *conf.Config) iter.Seq[connection] {
	return func(yield func(connection) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		found := make(chan connection)
		slots := make(chan struct{}, connectAtOnce)
		var work sync.WaitGroup
		for _, ask := range places(c) {
			work.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				limited, done := context.WithTimeout(ctx, connectTime)
				defer done()
				began := time.Now()
				x := ask(limited)
				x.Took = time.Since(began)
				select {
				case found <- x:
				case <-ctx.Done():
				}
			})
		}
		go func() { work.Wait(); close(found) }()
		for x := range found {
			if !yield(x) {
				return
			}
		}
	}
}

// places are the questions, one per maildrop and destination.
func places(c *conf.Config) (all []func(context.Context) connection) {
	line := lineOf(c)
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		all = append(all, func(ctx context.Context) connection { return connectMaildrop(ctx, m, line) })
	}
	for i := range c.Deliver {
		d := &c.Deliver[i]
		all = append(all, func(ctx context.Context) connection { return connectDestination(ctx, c, d) })
	}
	return all
}

func connectMaildrop(ctx context.Context, m *conf.Maildrop, line *wire.Shaper) connection {
	meter := &wire.Meter{}
	x := connection{Kind: "maildrop", Name: m.Name}
	said := ""
	hears := mail.ObserverFunc(func(e mail.Event) {
		if e.Op == mail.OpRemark && e.Text != "" {
			said = "; " + e.Text
		}
	})
	nobody := surroundings{observe: hears, log: slog.New(slog.DiscardHandler), line: line}
	dial := nobody.dial(m, meter)
	x.Server = dial.Address
	if m.OAuth != "" {
		return connectUnsigned(ctx, m, dial, x)
	}
	drop, err := retrievers[m.Protocol](nobody, m, dial, mail.AccountOf(m.Protocol, m.Host, m.User)).Open(ctx)
	if err != nil {
		x.Err = err
		return x
	}
	uids, complete, err := drop.List(ctx)
	folders := ""
	if c, ok := drop.(mail.Coverer); ok {
		if all, _ := c.Covers(); len(all) > 1 || len(m.Folders) > 0 && m.Folders[0].Wide() {
			folders = " in " + strings.Join(all, ", ")
		}
	}
	if err = errors.Join(err, drop.Close()); err != nil {
		x.Err = err
		return x
	}
	x.Text = fmt.Sprintf("logged in, %s%s, %s on the line", term.Count(len(uids), "message"),
		mail.Printable(folders, 1000), term.Size(meter.Up.Load()+meter.Down.Load()))
	if x.Text += said; !complete && said == "" {
		x.Text += "; the listing is incomplete"
	}
	return x
}

// connectUnsigned asks a server as far as that goes without a login.
func connectUnsigned(ctx context.Context, m *conf.Maildrop, dial wire.Options, x connection) connection {
	conn, err := wire.Dial(ctx, dial)
	if err != nil {
		x.Err = mail.TroubleOf(mail.OpDial, dial.Address, err)
		return x
	}
	defer conn.Close()
	defer conn.Watch(ctx)()
	if _, err := conn.ReadLine(wire.MaxLine); err != nil {
		x.Err = mail.TroubleOf(mail.OpGreeting, dial.Address, err)
		return x
	}
	x.Text = "answers; its login needs the consent in the state: try it with mailretr poll " + m.Name
	return x
}

func connectDestination(ctx context.Context, c *conf.Config, d *conf.Destination) connection {
	x := connection{Kind: "destination", Name: d.Name, Server: placesOf(d)}
	make := deliverers[d.Kind]
	if make == nil {
		x.Err = fmt.Errorf("this version cannot deliver by %s", d.Kind)
		return x
	}
	nobody := surroundings{observe: mail.ObserverFunc(func(mail.Event) {}), log: slog.New(slog.DiscardHandler)}
	conn, err := make(nobody, d, mail.Lane(d.Name))
	if err != nil {
		x.Err = err
		return x
	}
	defer conn.Close()
	to := mail.Path(c.Bounce.Postmaster)
	if to == "" {
		to = "postmaster"
	}
	e := mail.Envelope{Reverse: mail.Path(c.Bounce.From), Recipients: []mail.Recipient{{Forward: to}}}
	r := conn.Probe(ctx, &mail.Message{Envelope: e, Content: unread{}}).Of(0)
	switch {
	case r.Scope == mail.OfLane, r.Outcome == mail.Deferred && r.Reply == "":
		x.Err = &mail.Trouble{Op: mail.OpProbe, Server: placesOf(d), Reply: r.Reply, Err: r.Err,
			Hint: "Is the MTA running, and may we relay to it?"}
	case r.Outcome == mail.Delivered:
		x.Text = fmt.Sprintf("takes mail for %s", to)
	default:
		x.Text = fmt.Sprintf("answers; for %s it says: %s", to, mail.Printable(r.Reply, 300))
	}
	return x
}
