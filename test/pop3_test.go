//go:build interop

package test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/fetch/pop3"
	"mailretr/relay/wire"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// recall is what a daemon keeps in its state.
type recall struct{ m sync.Map }

func (r *recall) Load(key string) ([]byte, bool) {
	v, ok := r.m.Load(key)
	b, _ := v.([]byte)
	return b, ok
}

func (r *recall) Save(key string, value []byte) { r.m.Store(key, value) }

// pop3At is a retriever for a user of a Dovecot, over a line that counts, by TLS as the daemon configures it.
func pop3At(t *testing.T, d *real.Dovecot, user string) (*pop3.Retriever, *real.Line) {
	l := real.StartLine(t, d.POP3S, 0)
	return &pop3.Retriever{Options: pop3.Options{
		User: user, Memory: &recall{}, Auth: pop3.UserPass, Account: mail.AccountOf("pop3", "localhost", user),
		Password: func(context.Context) (string, error) { return "secret", nil },
		Dial: wire.Options{
			Address: fmt.Sprintf("localhost:%d", l.Port),
			TLS:     wire.TLS{Mode: wire.Implicit, CAFile: d.CAFile, Classic: true, Sessions: &wire.Sessions{}},
		},
	}}, l
}

// looks is a session that looks whether something is new, and lists everything only where that cannot be said; what is
// new is read.
func looks(t *testing.T, r *pop3.Retriever, last string) (now string, uids []mail.UID, listed bool) {
	t.Helper()
	d, err := r.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := d.(mail.Glancer)
	if now, err = g.Glance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now != last || last == "" {
		var ok bool
		if uids, ok, err = g.Since(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		if listed = !ok; listed {
			if uids, _, err = d.List(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else if len(uids) > 0 {
			for m, err := range d.Messages(t.Context(), uids) {
				if err != nil {
					t.Fatal(err)
				}
				body, err := m.Content.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, body); err != nil || body.Close() != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return now, uids, listed
}

// TestEmptyPOP3Poll: what a poll costs by TLS that finds nothing, of an empty maildrop and of one in which 10,000 messages
// are kept; and one that finds a new message among these. fetchmail's empty poll is 2,839 octets.
func TestEmptyPOP3Poll(t *testing.T) {
	d := real.StartDovecot(t)
	d.User("empty")
	for i := range 10_000 {
		d.Put("kept", []byte(fmt.Sprintf("Subject: %d\n\nkept\n", i)))
	}
	for user, most := range map[string]int64{"empty": 2839 / 2, "kept": 2000} {
		r, l := pop3At(t, d, user)
		cost := func(last string) (now string, uids []mail.UID, listed bool, octets int64) {
			before := l.Octets()
			now, uids, listed = looks(t, r, last)
			eventually(t, 10*time.Second, "the end of the session", l.Idle)
			return now, uids, listed, l.Octets() - before
		}
		now, uids, _, octets := cost("")
		t.Logf("%s: the first session, with a listing of %d, costs %d octets", user, len(uids), octets)
		cost(now)
		again, uids, listed, octets := cost(now)
		t.Logf("%s: an empty poll by TLS costs %d octets", user, octets)
		if octets > most || again != now || len(uids) > 0 || listed {
			t.Errorf("%s: %d octets, at most %d; %q after %q; listed %v", user, octets, most, again, now, listed)
		}
		if user == "empty" {
			continue
		}
		d.Put(user, []byte("Subject: new\n\nnew\n"))
		now, uids, listed, octets = cost(now)
		t.Logf("%s: a poll that brings one new message of 21 octets costs %d octets", user, octets)
		if octets > 2300 || len(uids) != 1 || listed {
			t.Errorf("%s: %d octets; %q, listed %v", user, octets, uids, listed)
		}
		if _, uids, listed, octets = cost(now); octets > most || len(uids) > 0 || listed {
			t.Errorf("%s: %d octets after it; %q, listed %v", user, octets, uids, listed)
		}
	}
}

// TestCutPOP3Body: a line that is cut every 3 MB, and a message of 10 MB. What is wasted is bounded by the rule of
// fetch/cut.go and shown; small mail flows; and somebody who says that it is to be tried, on a line that holds, gets it.
func TestCutPOP3Body(t *testing.T) {
	b := newBed(t, "pop3", nil, "queue: {retry: [1s]}\n")
	b.line.CutAfter(3 << 20)
	b.put(b.d, "jaco", 10<<20, 1)
	b.put(b.d, "jaco", 2000, 1)
	b.p.serve()
	shown := func() string { out, _, _ := b.p.run("status", "-v", "jaco"); return out }
	eventually(t, time.Minute, "a status that names the cut", func() bool {
		s := shown()
		return strings.Contains(s, "its body was cut once, the last time after 3.0M of 10M") &&
			strings.Contains(s, "3.0M wasted") && strings.Contains(s, "tried again in 1")
	})
	after := b.line.Octets()
	for i := range 10 {
		b.put(b.d, "jaco", 1500, 2)
		eventually(t, 20*time.Second, "small mail", func() bool { return b.missing() == 1 && b.d.Count("jaco") == 1 })
		if waste := b.line.Octets() - after; waste > int64(i+2)*30_000 {
			t.Fatalf("%d octets crossed the line for %d small messages", waste, i+1)
		}
	}
	t.Logf("on the line: %d octets, of which the cut has wasted %d", b.line.Octets(), 3<<20)
	if !strings.Contains(shown(), "3.0M wasted") {
		t.Error(shown())
	}
	b.line.CutAfter(0)
	b.hasten("jaco")
	if out, talk, code := b.p.run("poll", "jaco"); code != 0 {
		t.Fatalf("poll: %s%s", out, talk)
	}
	b.arrives(0)
	if n := b.line.Octets(); n > 14<<20 {
		t.Errorf("%d octets crossed the line", n)
	}
}

// TestKeptPOP3Maildrop: a daemon polls a maildrop in which thousands of messages are kept. A poll that finds nothing lists
// nothing, a new message is collected once, and all stays where it is; also after the daemon was killed.
func TestKeptPOP3Maildrop(t *testing.T) {
	b := &bed{ledger: newLedger(t), d: real.StartDovecot(t)}
	b.sink = real.StartSink(t, false, b.take)
	for i := range 3000 {
		b.d.Put("jaco", []byte(fmt.Sprintf("Subject: old %d\n\nkept\n", i)))
	}
	b.line = real.StartLine(t, b.d.POP3S, 0)
	b.p = newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
poll: 1s
maildrops:
  - {name: jaco, url: "pop3s://jaco@localhost:%d", tls: {ca: %s}, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, first: new, after: keep}
`, b.sink.Port, b.line.Port, b.d.CAFile))
	polls := func(when string) {
		t.Helper()
		base := b.line.Sessions() + 1
		var to int64
		eventually(t, time.Minute, "polls", func() (ok bool) { to, ok = b.line.OfSessions(base + 3); return ok })
		from, _ := b.line.OfSessions(base)
		t.Logf("%s: an empty poll costs %d octets", when, (to-from)/3)
		if to-from > 3*2000 {
			t.Errorf("%s: three empty polls cost %d octets", when, to-from)
		}
	}
	b.p.serve()
	eventually(t, time.Minute, "a first session", func() bool { return b.line.Sessions() > 2 })
	polls("nothing new")
	for i := range 3 {
		before := b.line.Octets()
		b.put(b.d, "jaco", 1500, uint64(i))
		eventually(t, time.Minute, "new mail", func() bool { return b.missing() == 0 })
		polls("after new mail")
		if n := b.line.Octets() - before; n > 60_000 {
			t.Errorf("one new message and some polls cost %d octets", n)
		}
	}
	b.p.kill()
	b.p.serve()
	eventually(t, time.Minute, "a session after the kill", func() bool { return b.line.Idle() })
	polls("after a kill")
	if err := b.p.stop(); err != nil {
		t.Error(err)
	}
	if n := b.d.Count("jaco"); n != 3003 {
		t.Errorf("%d messages are in the maildrop", n)
	}
	b.judge(0)
}
