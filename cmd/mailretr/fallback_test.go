package main

import (
	"strings"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/store"
)

// A destination that defers for hours loses its mail to the fall-back, and the queue says so; it is delivered there once.
func TestFallBackToAnotherDestination(t *testing.T) {
	c := newCrossing(t)
	c.one = relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb == "RCPT" {
			return relaytest.Answer{Reply: "451 4.3.0 later"}
		}
		return relaytest.Answer{}
	}})
	c.write("jaco@kroon.co.za", "")
	write(t, c.path, strings.Replace(c.text(), `"}, two`, `", fallback: {to: two, after: 4h}}, two`, 1))
	d := c.open()
	id := c.put(d, "1")
	if err := d.runner.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.queue.Now = func() time.Time { return time.Now().Add(5 * time.Hour) }
	d.fallBack(t.Context())
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if code, out, talk := call(t, "queue", "-v", "--config", c.path); code != exOK ||
		!strings.Contains(out, "fallen back from one to two at ") {
		t.Errorf("%d %s%s", code, out, talk)
	}
	d = c.open()
	defer d.close()
	r, err := d.queue.Show(t.Context(), id)
	if err != nil || r.Record.Lane != "two" || r.Record.Home != "one" {
		t.Fatalf("%+v, %v", r, err)
	}
	d.queue.Now = func() time.Time { return time.Now().Add(6 * time.Hour) }
	if err := d.runner.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, b := len(c.one.Mails()), len(c.two.Mails()); a != 0 || b != 1 {
		t.Errorf("%d and %d came", a, b)
	}
	for l, err := range d.engine.List(t.Context(), store.Filter{}) {
		t.Errorf("left: %+v, %v", l, err)
	}
}

// Without a daemon it is poll that tells senders of what waits.
func TestPollTellsOfDelays(t *testing.T) {
	c := newCrossing(t)
	c.one = relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb == "RCPT" && strings.Contains(s.Line, "jaco@") {
			return relaytest.Answer{Reply: "451 4.3.0 later"}
		}
		return relaytest.Answer{}
	}})
	c.write("jaco@kroon.co.za", "")
	write(t, c.path, strings.Replace(c.text(), "queue: {retry: [1s]}", "queue: {retry: [1s], warn: 1m}", 1))
	d := c.open()
	d.queue.Now = func() time.Time { return time.Now().Add(-2 * time.Hour) }
	c.put(d, "1")
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	c.poll()
	if all := c.one.Mails(); len(all) != 1 || all[0].From != "" || !strings.Contains(string(all[0].Data), "Action: delayed") {
		t.Errorf("%d reports came: %+v", len(all), all)
	}
}
