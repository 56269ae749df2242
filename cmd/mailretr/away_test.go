package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/store"
	"mailretr/store/mail"
)

// One destination is away with much mail waiting for it, another one is well: the latter's mail goes at once, the former is
// tried by few, no attempt of its messages counts, and when it is back they go in the order in which they came.
func TestADestinationIsAway(t *testing.T) {
	const waiting = 600
	var back atomic.Bool
	sick := relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb == relaytest.Connect && !back.Load() {
			return relaytest.Answer{Reply: "421 4.3.2 shutting down", Cut: true}
		}
		return relaytest.Answer{}
	}})
	well := relaytest.New(t, relaytest.Script{})
	h := newHome(t)
	h.to(fmt.Sprintf(`{sick: {smtp: "%s", connections: 4}, well: {smtp: "%s"}}`, sick.Address(), well.Address()))
	d := h.open()
	d.queue.Route = func(o mail.Origin, _ mail.Envelope, _ mail.Recipient) []mail.Lane {
		lane, _, _ := strings.Cut(string(o.UID), "/")
		return []mail.Lane{mail.Lane(lane)}
	}
	d.runner.SickFirst, d.runner.SickMost = 200*time.Millisecond, 400*time.Millisecond
	batch := d.queue.Batch()
	for i := range waiting {
		m := &mail.Message{Content: file(fmt.Sprintf("Subject: %06d\r\n\r\nbody\r\n", i)), Envelope: envelopeTo("jaco@kroon.co.za"),
			Origin: mail.Origin{Maildrop: "jaco", Account: "x", UID: mail.UID(fmt.Sprintf("sick/%d", i))}}
		if err := batch.Add(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			for _, r := range batch.Commit(t.Context()) {
				if !r.Done(1) {
					t.Fatal(r)
				}
			}
		}
	}
	began := time.Now()
	defer h.deliver(d)()
	for i := range 20 {
		h.put(d, fmt.Sprintf("well/%d", i))
		h.wait(well, i+1)
	}
	if n, most := sick.Connections(), 3+int(time.Since(began)/(200*time.Millisecond)); n > most {
		t.Errorf("%d tries of the one that is away, at most %d are meant", n, most)
	}
	for l, err := range d.engine.List(t.Context(), store.Filter{Lane: "sick"}) {
		if err != nil || l.Record.Attempts > 0 {
			t.Fatalf("an attempt counts: %+v, %v", l.Record, err)
		}
	}
	back.Store(true)
	d.runner.Retry("sick")
	h.wait(sick, waiting)
	for i, m := range sick.Mails() {
		_, rest, _ := strings.Cut(string(m.Data), "Subject: ")
		var at int
		if _, err := fmt.Sscanf(rest, "%d", &at); err != nil || at-i > 32 || i-at > 32 { // each connection leases a few ahead
			t.Fatalf("number %d came as number %d", at, i)
		}
	}
}
