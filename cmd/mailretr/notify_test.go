package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
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

// An owner who is an address is told there; one who is a name, where his maildrop's mail goes.
func TestWhereTheOwnerReads(t *testing.T) {
	c := &conf.Config{Notify: conf.Notify{Mail: []string{conf.Owner}}, Bounce: conf.Bounce{Postmaster: "postmaster@kroon.co.za"}}
	to := []string{"info@kroon.co.za", "jaco@kroon.co.za"}
	for _, x := range []struct {
		drop conf.Maildrop
		want []mail.Path
	}{
		{conf.Maildrop{Owner: "info@kroon.co.za", To: to}, []mail.Path{"info@kroon.co.za", "jaco@kroon.co.za"}},
		{conf.Maildrop{Owner: "anna@kroon.co.za", To: to}, []mail.Path{"anna@kroon.co.za"}},
		{conf.Maildrop{Owner: "anna", To: to}, []mail.Path{"info@kroon.co.za", "jaco@kroon.co.za"}},
		{conf.Maildrop{Owner: "anna@kroon.co.za", Multidrop: &conf.Multidrop{}}, []mail.Path{"anna@kroon.co.za"}},
		{conf.Maildrop{Multidrop: &conf.Multidrop{}}, []mail.Path{"postmaster@kroon.co.za"}},
	} {
		x.drop.Name = "x"
		c.Maildrops = []*conf.Maildrop{&x.drop}
		if got := owners(c, "x"); !slices.Equal(got, x.want) {
			t.Errorf("%+v: %v", x.drop, got)
		}
	}
}
