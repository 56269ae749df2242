package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// The owner is told once of trouble that lasts, also after a restart, and once when it is over; of a blip he is not.
func TestOwnerIsTold(t *testing.T) {
	h := newHome(t)
	mta := relaytest.New(t, relaytest.Script{})
	h.to(short(mta) + "\nnotify: {mail: [owner, admin@kroon.co.za], after: 1h, recovered: 10m}")
	d := h.open()
	n, err := newNotifier(t.Context(), d.house)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-100 * time.Hour)
	refused := &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: "-ERR Authentication failed"}
	poll := func(err error) {
		d.around.observe.Observe(mail.Event{At: at, Op: mail.OpPoll, Origin: mail.Origin{Maildrop: "jaco"}, Err: err, Attempt: 1})
	}
	// after waits, looks, and wants so many mails in the queue.
	after := func(wait time.Duration, want int) {
		t.Helper()
		at = at.Add(wait)
		if err := n.look(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if x, err := d.engine.Totals(t.Context()); x.Messages != want || err != nil {
			t.Fatalf("%d mails, want %d; %v", x.Messages, want, err)
		}
	}
	poll(nil)
	after(0, 0)
	poll(refused)
	after(30*time.Minute, 0)
	poll(nil) // a blip
	after(time.Minute, 0)
	after(11*time.Minute, 0)
	poll(refused)
	after(59*time.Minute, 0)
	after(2*time.Minute, 1)
	after(100*time.Minute, 1)
	if n, err = newNotifier(t.Context(), d.house); err != nil { // as after a restart
		t.Fatal(err)
	}
	after(100*time.Minute, 1)
	poll(nil)
	after(time.Minute, 1)
	poll(refused) // well for a moment only
	after(time.Hour, 1)
	poll(nil)
	after(time.Minute, 1)
	after(11*time.Minute, 2)
	after(time.Hour, 2)
	defer h.deliver(d)()
	h.wait(mta, 2)
	first := mta.Mails()
	i := slices.IndexFunc(first, func(m relaytest.Mail) bool { return strings.Contains(string(m.Data), "cannot be collected") })
	if i < 0 || !strings.Contains(string(first[i].Data), "-ERR Authentication failed") || len(first[i].To) != 2 ||
		first[i].From != "" {
		t.Errorf("%+v", first)
	}
}
