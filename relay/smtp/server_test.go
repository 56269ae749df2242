package smtp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// clock is a time that tests move.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time { return c.t }

// A server that refuses us, or is away, at each stage before mail is taken, and one that is there.
func TestS9_NextServerAtEachStage(t *testing.T) {
	for _, stage := range []string{relaytest.Connect, "EHLO", "MAIL", "RCPT", "DATA"} {
		for name, a := range map[string]relaytest.Answer{
			"421": {Reply: "421 4.3.2 closing", Cut: true}, "cut": {Cut: true},
			"530": {Reply: "530 5.7.0 log in first"}, "554 of us": {Reply: "554 5.7.8 not you"},
		} {
			t.Run(stage+" "+name, func(t *testing.T) {
				bad := relaytest.New(t, relaytest.Script{Answer: relaytest.At(stage, a)})
				good := relaytest.New(t, relaytest.Script{})
				c := client(t, nil, bad, good)
				r := one(t, c.Deliver(t.Context(), &mail.Message{Content: &spooled{content{text: text, size: int64(len(text))}},
					Envelope: message("x@y.example").Envelope}))
				if r.Outcome != mail.Delivered || r.RemoteMTA != good.Address() || len(bad.Mails()) > 0 || bad.Connections() != 1 {
					t.Fatalf("%+v", r)
				}
			})
		}
	}
}

// A server that goes away in the middle of a message, long before its end: nobody can have taken it, and the next one gets
// it from the beginning, once. Where it cannot be read again it waits.
func TestS9_NextServerInTheMiddle(t *testing.T) {
	long := text + strings.Repeat("a line that is one of many\r\n", 300_000)
	for name, a := range map[string]relaytest.Answer{
		"421": {After: 100_000, Reply: "421 4.3.2 closing", Cut: true}, "cut": {After: 100_000, Cut: true}, "reset": {After: 100_000, Reset: true},
	} {
		t.Run(name, func(t *testing.T) {
			bad := relaytest.New(t, relaytest.Script{Answer: relaytest.At(relaytest.Body, a)})
			good := relaytest.New(t, relaytest.Script{})
			m := message("x@y.example")
			m.Content = &content{text: long, size: int64(len(long))}
			c := client(t, nil, bad, good)
			if r := one(t, c.Deliver(t.Context(), m)); r.Outcome != mail.Deferred || len(good.Mails()) > 0 {
				t.Errorf("what cannot be read again: %+v", r)
			}
			m.Content = &spooled{content{text: long, size: int64(len(long))}}
			c = client(t, nil, bad, good)
			if r := one(t, c.Deliver(t.Context(), m)); r.Outcome != mail.Delivered || r.RemoteMTA != good.Address() {
				t.Fatalf("%+v", r)
			}
			if all := good.Mails(); len(all) != 1 || string(all[0].Data) != long || len(bad.Mails()) > 0 {
				t.Errorf("%d came", len(all))
			}
		})
	}
}

// A definite answer about the message is no reason to ask another server, and one after the dot least of all.
func TestS9_NoOtherServerForAnAnswer(t *testing.T) {
	for stage, a := range map[string]relaytest.Answer{
		"MAIL": {Reply: "550 5.1.8 no"}, "RCPT": {Reply: "451 4.3.0 later"}, "DATA": {Reply: "554 5.6.0 no"},
		relaytest.Dot: {Cut: true},
	} {
		first, second := relaytest.New(t, relaytest.Script{Answer: relaytest.At(stage, a)}), relaytest.New(t, relaytest.Script{})
		c := client(t, nil, first, second)
		if r := one(t, c.Deliver(t.Context(), message("x@y.example"))); r.Outcome == mail.Delivered || second.Connections() > 0 {
			t.Errorf("%s: %+v, and %d connections to the second", stage, r, second.Connections())
		}
	}
}

// One server ends the connection at this message, the other is away: what the first said stands, or a message that a
// server cannot bear would make the lane sick for all the others.
func TestS9_PoisonIsNotTheLane(t *testing.T) {
	first, second := relaytest.New(t, relaytest.Script{Answer: relaytest.At("DATA", relaytest.Answer{Cut: true})}),
		relaytest.New(t, relaytest.Script{})
	c := client(t, nil, first, second)
	second.Close()
	r := one(t, c.Deliver(t.Context(), message("x@y.example")))
	if r.Outcome != mail.Deferred || r.Scope != mail.OfMessage || r.RemoteMTA != first.Address() {
		t.Fatalf("%+v", r)
	}
}

// The first server is asked again when its pause is over, also while the connection to the second one is kept; the
// pauses double, and all connections of a destination know of them.
func TestServers_TheFirstIsTriedAgain(t *testing.T) {
	at, shared := newClock(), &Shared{}
	var open atomic.Bool
	first := relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb == relaytest.Connect && !open.Load() {
			return relaytest.Answer{Reply: "421 4.3.2 starting", Cut: true}
		}
		return relaytest.Answer{}
	}})
	second := relaytest.New(t, relaytest.Script{})
	share := func(o *Options) { o.Now, o.Shared = at.now, shared }
	a, b := client(t, share, first, second), client(t, share, first, second)
	deliver := func(c *Client, to *relaytest.MTA, connections int) {
		t.Helper()
		r := one(t, c.Deliver(t.Context(), message("x@y.example")))
		if r.Outcome != mail.Delivered || r.RemoteMTA != to.Address() || first.Connections() != connections {
			t.Fatalf("%v, %d connections to the first", r, first.Connections())
		}
	}
	deliver(a, second, 1)
	deliver(b, second, 1)
	at.t = at.t.Add(61 * time.Second)
	deliver(a, second, 2)
	deliver(b, second, 2)
	at.t = at.t.Add(61 * time.Second)
	deliver(a, second, 2) // the pause is two minutes now
	open.Store(true)
	at.t = at.t.Add(61 * time.Second)
	deliver(b, first, 3)
	deliver(b, first, 3)
	deliver(a, first, 4)
	a.Close()
	if n := second.Connections(); n != 2 {
		t.Errorf("%d connections to the second", n)
	}
}

func TestServers_Balance(t *testing.T) {
	first, second := relaytest.New(t, relaytest.Script{}), relaytest.New(t, relaytest.Script{})
	c := client(t, func(o *Options) { o.Balance, o.PerConnection = true, 1 }, first, second)
	for range 40 {
		if r := one(t, c.Deliver(t.Context(), message("x@y.example"))); r.Outcome != mail.Delivered {
			t.Fatal(r)
		}
	}
	if n := first.Connections(); n < 5 || n > 35 { // each with a chance below one in a million
		t.Errorf("%d of 40 connections to the first", n)
	}
}

// names answers look-ups of MX records.
type names struct {
	records []*net.MX
	err     error
	asked   []string
}

func (n *names) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	n.asked = append(n.asked, name)
	return n.records, n.err
}

// exchange makes a client for a domain. Its servers are all the same MTA, but for those that are away.
func exchange(t *testing.T, n *names, at *clock, away ...string) (c *Client, dialled func() []string) {
	mta := relaytest.New(t, relaytest.Script{})
	var list []string
	c = client(t, func(o *Options) {
		o.Dial = []wire.Options{{Network: MX, Address: "y.example:2525", TLS: wire.TLS{Mode: wire.Plain},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				list = append(list, address)
				if slices.Contains(away, address) {
					return nil, errors.New("connection refused")
				}
				return mta.Dial(ctx, network, address)
			}}}
		o.Resolver, o.Now = n, at.now
	})
	return c, func() []string { return list }
}

func TestMX(t *testing.T) {
	notFound := &net.DNSError{Err: "no such host", Name: "y.example", IsNotFound: true}
	a, b, third := &net.MX{Host: "a.y.example.", Pref: 10}, &net.MX{Host: "b.y.example.", Pref: 20},
		&net.MX{Host: "c.y.example.", Pref: 30}
	for name, x := range map[string]struct {
		n    names
		away []string
		want string // the addresses that were dialled, or what the error says
	}{
		"by preference":    {names{records: []*net.MX{b, a}}, nil, "a.y.example:2525"},
		"the next":         {names{records: []*net.MX{b, a}}, []string{"a.y.example:2525"}, "a.y.example:2525 b.y.example:2525"},
		"none":             {names{err: notFound}, nil, "y.example:2525"},
		"no answer":        {names{err: errors.New("time-out")}, nil, "looking up the MX records of y.example: time-out"},
		"null MX":          {names{records: []*net.MX{{Host: ".", Pref: 0}}}, nil, "takes no mail"},
		"null and another": {names{records: []*net.MX{{Host: ".", Pref: 0}, b}}, nil, "b.y.example:2525"},
		"ours":             {names{records: []*net.MX{{Host: "Relay.test.", Pref: 20}, a, third}}, nil, "a.y.example:2525"},
		"ours first":       {names{records: []*net.MX{{Host: "relay.test.", Pref: 5}, a}}, nil, "lead to ourselves"},
		"odd":              {names{records: []*net.MX{{Host: "a\r\nRCPT.", Pref: 5}}}, nil, "names a host"},
		"some are odd":     {names{records: []*net.MX{a}, err: errors.New("filtered")}, nil, "a.y.example:2525"},
	} {
		t.Run(name, func(t *testing.T) {
			c, dialled := exchange(t, &x.n, newClock(), x.away...)
			r := one(t, c.Deliver(t.Context(), message("x@y.example")))
			got := strings.Join(dialled(), " ")
			if r.Outcome != mail.Delivered {
				if got = r.Err.Error(); r.Scope != mail.OfLane || !strings.Contains(got, x.want) {
					t.Errorf("%+v", r)
				}
				return
			}
			if got != x.want || len(x.n.asked) != 1 || x.n.asked[0] != "y.example." {
				t.Errorf("dialled %s, want %s; asked for %q", got, x.want, x.n.asked)
			}
		})
	}
}

// Equal servers share the load; many are not asked without end.
func TestMX_EqualAndMany(t *testing.T) {
	n, at := &names{}, newClock()
	for i := range 100 {
		n.records = append(n.records, &net.MX{Host: fmt.Sprintf("mx%d.y.example.", i), Pref: 10})
	}
	var away []string
	for i := range 100 {
		away = append(away, fmt.Sprintf("mx%d.y.example:2525", i))
	}
	c, dialled := exchange(t, n, at, away...)
	if r := one(t, c.Deliver(t.Context(), message("x@y.example"))); r.Scope != mail.OfLane {
		t.Fatalf("%+v", r)
	}
	if got := dialled(); len(got) != mostFound || slices.IsSorted(got) {
		t.Errorf("%d were dialled: %s", len(got), got)
	}
	n, first := &names{records: n.records[:4]}, map[string]int{}
	c, dialled = exchange(t, n, at)
	c.o.PerConnection = 1
	for range 60 {
		c.Deliver(t.Context(), message("x@y.example"))
	}
	for _, x := range dialled() {
		first[x]++
	}
	if len(first) != 4 {
		t.Errorf("dialled: %v", maps.Collect(maps.All(first)))
	}
}

// An answer is used for a while, and longer where the name server is away.
func TestMX_Kept(t *testing.T) {
	n, at := &names{records: []*net.MX{{Host: "a.y.example.", Pref: 10}}}, newClock()
	c, dialled := exchange(t, n, at)
	c.o.PerConnection = 1
	for _, x := range []struct {
		after   time.Duration
		err     error
		asked   int
		dialled int
	}{{0, nil, 1, 1}, {time.Minute, nil, 1, 2}, {5 * time.Minute, nil, 2, 3},
		{10 * time.Minute, errors.New("time-out"), 3, 4}, {time.Hour, errors.New("time-out"), 4, 4}, {0, nil, 5, 5}} {
		at.t = at.t.Add(x.after)
		if n.err = x.err; x.err != nil {
			n.records = nil
		} else {
			n.records = []*net.MX{{Host: "a.y.example.", Pref: 10}}
		}
		c.Deliver(t.Context(), message("x@y.example"))
		if len(n.asked) != x.asked || len(dialled()) != x.dialled {
			t.Errorf("%+v: asked %d times, dialled %d times", x, len(n.asked), len(dialled()))
		}
	}
}
