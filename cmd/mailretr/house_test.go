package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/store"
	"mailretr/store/mail"
)

// A home is a configuration whose house a test opens, and reloads, with other destinations.
type home struct {
	*testing.T
	path string
}

func newHome(t *testing.T) *home {
	return &home{t, filepath.Join(t.TempDir(), "mailretr.yaml")}
}

// to writes the configuration; deliver is the value of its key.
func (h *home) to(deliver string) {
	write(h.T, h.path, `hostname: mail.kroon.co.za
state: state
socket: run/s
watch: false
queue: {retry: [1s]}
deliver: `+deliver+`
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: "pop3://a@127.0.0.1:1", password: "x", to: jaco@kroon.co.za, tls: none, enabled: false}
`)
}

func (h *home) open() *serving {
	h.Helper()
	a := newApp(nil, nil, nil)
	a.config = h.path
	l := a.load(h.Context())
	if l.err != nil {
		h.Fatal(l.err, l.problems)
	}
	house, err := assemble(h.Context(), &l.config, needs{
		log: slog.New(slog.DiscardHandler), fatal: func(err error) { h.Error(err) },
	})
	if err != nil {
		h.Fatal(err)
	}
	return &serving{app: a, house: house, paths: l.paths, log: slog.New(slog.DiscardHandler)}
}

// deliver runs until the test ends the returned function, which closes the house too.
func (h *home) deliver(d *serving) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.Context()))
	done := make(chan struct{})
	go func() { d.runner.Run(ctx); close(done) }()
	return func() {
		cancel()
		<-done
		if err := d.close(); err != nil {
			h.Error(err)
		}
	}
}

func (h *home) put(d *serving, uid string) mail.ID {
	h.Helper()
	m := &mail.Message{Content: file("Subject: " + uid + "\r\n\r\nbody\r\n")}
	m.Envelope = envelopeTo("jaco@kroon.co.za")
	m.Origin = mail.Origin{Maildrop: "jaco", Account: "x", UID: mail.UID(uid)}
	if r := d.queue.Deliver(h.Context(), m); !r.Done(1) {
		h.Fatal(r)
	}
	return m.ID
}

// wait waits until an MTA has so many messages.
func (h *home) wait(m *relaytest.MTA, n int) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 20*time.Second)
	defer cancel()
	if err := m.Wait(ctx, n); err != nil {
		h.Fatalf("%d of %d messages came: %v", len(m.Mails()), n, err)
	}
}

func envelopeTo(p mail.Path) mail.Envelope {
	return mail.Envelope{Reverse: "a@example.org", Recipients: []mail.Recipient{{Forward: p}}}
}

func short(m *relaytest.MTA) string { return fmt.Sprintf(`{smtp: "%s"}`, m.Address()) }

func named(name string, m *relaytest.MTA) string {
	return fmt.Sprintf(`{%s: {smtp: "%s"}}`, name, m.Address())
}

// After a reload a destination is where the configuration says, for those that deliver and for those that ask.
func TestReloadMovesADestination(t *testing.T) {
	h := newHome(t)
	before := relaytest.New(t, relaytest.Script{})
	after := relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb == "RCPT" && strings.Contains(s.Line, "nobody@") {
			return relaytest.Answer{Reply: "550 5.1.1 no such user"}
		}
		return relaytest.Answer{}
	}})
	h.to(short(before))
	d := h.open()
	defer h.deliver(d)()
	h.put(d, "1")
	h.wait(before, 1)
	ask := func() mail.Result {
		m := &mail.Message{Envelope: envelopeTo("nobody@kroon.co.za"), Content: unread{}}
		return d.ask.Probe(t.Context(), m).Of(0)
	}
	if r := ask(); r.Outcome != mail.Delivered {
		t.Errorf("before: %v", r)
	}
	h.to(short(after))
	if err := d.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := ask(); r.Outcome != mail.Failed {
		t.Errorf("the old next hop is asked: %v", r)
	}
	h.put(d, "2")
	h.wait(after, 1)
	if n := len(before.Mails()); n != 1 {
		t.Errorf("the old next hop got %d messages", n)
	}
}

// What waits for a destination that is no longer configured when the program starts goes another way.
func TestStartRoutesAnew(t *testing.T) {
	h := newHome(t)
	gone, there := relaytest.New(t, relaytest.Script{}), relaytest.New(t, relaytest.Script{})
	h.to(named("old", gone))
	d := h.open()
	h.put(d, "1")
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	h.to(named("new", there))
	d = h.open()
	defer h.deliver(d)()
	h.wait(there, 1)
}

// A destination is removed while a message is being attempted there: it goes another way all the same.
func TestReloadDuringAnAttempt(t *testing.T) {
	h := newHome(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	gone := relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb != "RCPT" {
			return relaytest.Answer{}
		}
		once.Do(func() { close(begun) })
		<-goOn
		return relaytest.Answer{Reply: "451 4.3.0 later"}
	}})
	there := relaytest.New(t, relaytest.Script{})
	h.to(named("old", gone))
	d := h.open()
	defer h.deliver(d)()
	h.put(d, "1")
	<-begun
	h.to(named("new", there))
	if err := d.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	h.wait(there, 1)
	if sick := d.runner.Sick(); len(sick) > 0 {
		t.Errorf("sick: %v", sick)
	}
}

// What a session takes after its maildrop left the configuration is let go of when it is named again; it would stay
// upstream for ever as kept.
func TestRemovedMaildropDoesNotKeep(t *testing.T) {
	h := newHome(t)
	mta := relaytest.New(t, relaytest.Script{})
	h.to(short(mta))
	d := h.open()
	defer h.deliver(d)()
	b, err := os.ReadFile(h.path)
	if err != nil {
		t.Fatal(err)
	}
	with, without := string(b), strings.ReplaceAll(string(b), "{name: jaco", "{name: other")
	o := mail.Origin{Maildrop: "jaco", Account: "x"}
	for i, text := range []string{with, strings.ReplaceAll(with, "enabled", "after: delete, enabled"), without} {
		write(t, h.path, text)
		if err := d.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := d.keeps(o, 1), i == 0; got != want {
			t.Errorf("configuration %d: keeps %v", i, got)
		}
	}
	if !d.keeps(mail.Origin{Maildrop: "nobody"}, 1) {
		t.Error("what nobody has named is let go of")
	}
}

// One typo in a maildrop's own recipient that shows only when mail is delivered bounces nothing.
func TestMisconfiguredIsHeld(t *testing.T) {
	h := newHome(t)
	mta := relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb == "RCPT" {
			return relaytest.Answer{Reply: "550 5.1.1 no such user"}
		}
		return relaytest.Answer{}
	}})
	h.to(short(mta))
	d := h.open()
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	id := h.put(d, "1")
	if err := d.runner.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := d.queue.Show(t.Context(), id)
	if err != nil || r.Record.Hold != store.HoldRcpt {
		t.Errorf("held %v: %s; %v", r.Record.Hold, r.Record.HoldWhy, err)
	}
	if n, err := d.engine.Totals(t.Context()); n.Messages != 1 {
		t.Errorf("%d messages in the queue; %v", n.Messages, err)
	}
}

// A clock that was set back makes due what would have waited for it to come round again; one that merely went on
// does not.
func TestJumped(t *testing.T) {
	for wall, want := range map[time.Duration]bool{
		30 * time.Second: false, 35 * time.Second: false, time.Hour: true, -time.Hour: true, -365 * 24 * time.Hour: true,
	} {
		if got := jumped(wall, 30*time.Second); got != want {
			t.Errorf("%v in half a minute: %v", wall, got)
		}
	}
	if jumped(time.Hour, time.Hour) {
		t.Error("an hour of sleep is no jump")
	}
}
