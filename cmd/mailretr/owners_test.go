package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
	"mailretr/store/status"
)

// What one owner of rows may have: so many maildrops, sessions and octets, and no look more often. Who has too many is told in
// the status of the one that is too much, and it is collected when another one goes.
func TestOwnersOfRows(t *testing.T) {
	p := newPanel(t)
	text, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.path, strings.Replace(string(text), "reach: any,",
		`reach: any, owners: {maildrops: 2, sessions: 1, poll: 10m, day: 1M, to: ["*@kroon.co.za"]},`, 1))
	p.add(1, "a", "127.0.0.1")
	p.add(2, "b", "127.0.0.2")
	p.add(3, "c", "127.0.0.3")
	p.add(4, "x", "127.0.0.4")
	p.do(`UPDATE accounts SET recipient = 'a@kroon.co.za' WHERE id < 4`)
	p.add(5, "out", "127.0.0.5")
	p.do(`UPDATE accounts SET recipient = 'victim@other.example' WHERE id = 5`)
	d := p.serve()
	defer p.end(d)
	d.askSources(t.Context())
	p.names(d, "jaco a b x")
	for name, want := range map[string]string{
		"c":   "panel row 3, column owner  error    owner: a@kroon.co.za has 2 here already, and may have no more",
		"out": "panel row 5, column recipient  error    to: victim@other.example may not be named here",
	} {
		if s := stateOf(d, name); s.State != status.Local || !strings.Contains(s.Cause, want) {
			t.Errorf("%s: %s, %q", name, s.State, s.Cause)
		}
	}
	c := d.house.config.Load()
	a, b, x := d.drop(c, d.maildrop("a")), d.drop(c, d.maildrop("b")), d.drop(c, d.maildrop("x"))
	if a.Group != b.Group || a.Group == x.Group || a.Together != 1 || a.Every != 10*time.Minute {
		t.Errorf("%q %q %q, %d, %s", a.Group, b.Group, x.Group, a.Together, a.Every)
	}
	if j := d.drop(c, d.maildrop("jaco")); j.Group != "" || j.Every == 10*time.Minute {
		t.Errorf("a maildrop of the file: %q, %s", j.Group, j.Every)
	}
	purse, err := d.book.Open(t.Context(), "a", false)
	if err != nil {
		t.Fatal(err)
	}
	d.meter("a").Down.Add(1 << 20)
	purse.Close()
	if s := d.book.Spent("b"); s == nil || s.Kind != mail.Spent || !strings.Contains(s.Error(), "budget of its owner for the day") {
		t.Errorf("b may go on: %v", s)
	}
	if s := d.book.Spent("x"); s != nil {
		t.Errorf("another owner has to wait: %v", s)
	}
	p.do(`DELETE FROM accounts WHERE id = 1`)
	d.askSources(t.Context())
	p.names(d, "jaco b c x")
	if s := d.book.Spent("c"); s == nil {
		t.Error("a new maildrop brings a new budget")
	}
}

// Nobody takes over a maildrop by writing its account, or its name, into a row of his own, although that row comes before: who
// had it first keeps it, after a restart too, and the other one's status says who has it.
func TestH8_NobodysAccountIsTakenOver(t *testing.T) {
	p := newPanel(t)
	p.add(1, "evil", "127.0.0.66")
	p.add(2, "anna", "127.0.0.2")
	d := p.serve()
	d.askSources(t.Context())
	p.names(d, "jaco evil anna")
	p.do(`UPDATE accounts SET host = '127.0.0.2', user = 'anna', password = 'guessed' WHERE id = 1`)
	d.askSources(t.Context())
	p.names(d, "jaco anna")
	want := `already collected by "anna" at panel row 2`
	if s := stateOf(d, "evil"); s.State != status.Local || !strings.Contains(s.Cause, want) {
		t.Errorf("%s, %q; want %s", s.State, s.Cause, want)
	}
	p.end(d)
	d = p.serve()
	defer p.end(d)
	p.names(d, "jaco anna")
	p.do(`UPDATE accounts SET host = '127.0.0.66', name = 'anna' WHERE id = 1`)
	d.askSources(t.Context())
	p.names(d, "jaco anna")
	if m := d.maildrop("anna"); m.Host != "127.0.0.2" {
		t.Errorf("anna is collected from %s", m.Host)
	}
	p.do(`DELETE FROM accounts WHERE id = 2`)
	d.askSources(t.Context())
	p.names(d, "jaco anna")
	if m := d.maildrop("anna"); m.Host != "127.0.0.66" {
		t.Errorf("the name is free, and %s has it", m.Host)
	}
}
