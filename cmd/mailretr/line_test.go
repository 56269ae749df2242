package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/fetch/fetchtest"
	"mailretr/fetch/pop3"
	"mailretr/relay/wire"
)

// shakes is a POP3 server by TLS that counts handshakes, and those of resumed sessions.
type shakes struct {
	*fetchtest.POP3
	address      string
	all, resumed atomic.Int64
	postQuantum  atomic.Int64
}

func newShakes(t *testing.T) *shakes {
	s := &shakes{POP3: fetchtest.NewPOP3(t)}
	s.Implicit, s.TLS = true, fetchtest.NewCA(t).Server("localhost", nil)
	s.TLS.VerifyConnection = func(c tls.ConnectionState) error {
		s.all.Add(1)
		if c.DidResume {
			s.resumed.Add(1)
		}
		if c.CurveID == tls.X25519MLKEM768 {
			s.postQuantum.Add(1)
		}
		return nil
	}
	s.address = s.Listen(t)
	return s
}

// collects opens the house, looks into the maildrop and closes it again.
func (s *shakes) collects(h *home, pin string, times int) {
	h.Helper()
	write(h.T, h.path, fmt.Sprintf(`hostname: mail.kroon.co.za
state: state
socket: run/s
deliver: {smtp: "127.0.0.1:1"}
bounce: {from: "mailer-daemon@kroon.co.za", postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: "pop3s://jaco@%s", password: secret, to: jaco@kroon.co.za, check: off, tls: {pin: %s}}
`, s.address, pin))
	d := h.open()
	d.poller.Set(h.Context(), d.drops())
	for range times {
		for _, v := range d.poller.Poll(h.Context(), "jaco") {
			if v.Err != nil {
				h.Error(v.Err)
			}
		}
	}
	if err := d.close(); err != nil {
		h.Error(err)
	}
}

func TestTLSSessionsOutliveARestart(t *testing.T) {
	h, s := newHome(t), newShakes(t)
	pin := fetchtest.Pin(s.TLS)
	for i, x := range []struct {
		pin          string
		times        int
		all, resumed int64
	}{
		{pin, 2, 2, 1},
		{pin, 1, 3, 2}, // the first of this house
		{pin + ", " + strings.Repeat("00", 32), 1, 4, 2}, // other settings
		{pin + ", " + strings.Repeat("00", 32), 1, 5, 3},
	} {
		s.collects(h, "["+x.pin+"]", x.times)
		if all, resumed := s.all.Load(), s.resumed.Load(); all != x.all || resumed != x.resumed {
			t.Errorf("%d: %d handshakes, %d resumed; want %d, %d", i, all, resumed, x.all, x.resumed)
		}
	}
	if n := s.postQuantum.Load(); n != 0 {
		t.Errorf("%d polls paid for the post-quantum key share", n)
	}
}

// Sessions with servers that nobody names any more are forgotten.
func TestTLSSessionsOfRemovedMaildrops(t *testing.T) {
	h, s := newHome(t), newShakes(t)
	s.collects(h, fetchtest.Pin(s.TLS), 1)
	kept := func() (n int) {
		d := h.open()
		defer d.close()
		for x, err := range d.store.Notes(t.Context(), "tls", "") {
			if err != nil || len(x.Value) == 0 {
				t.Error(x, err)
			}
			n++
		}
		return n
	}
	if n := kept(); n != 1 {
		t.Fatalf("%d are kept", n)
	}
	h.to(`{smtp: "127.0.0.1:1"}`)
	if n := kept(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestPostQuantum(t *testing.T) {
	for s, want := range map[conf.Switch][2]bool{conf.Auto: {true, false}, conf.On: {false, false}, conf.Off: {true, true}} {
		c := &conf.TLS{PostQuantum: s}
		if got := [2]bool{classic(c, true), classic(c, false)}; got != want {
			t.Errorf("%q: classic when polled, when it stays: %v", s, got)
		}
	}
}

// The rate of the line holds, and a reload changes it.
func TestRateOfTheLine(t *testing.T) {
	h, s := newHome(t), newShakes(t)
	s.Implicit = false
	s.Put([]byte("Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 900)))
	text := `hostname: mail.kroon.co.za
state: state
socket: run/s
deliver: {smtp: "127.0.0.1:1"}
bounce: {from: "mailer-daemon@kroon.co.za", postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: "pop3://jaco@` + s.address + `", password: secret, to: jaco@kroon.co.za, check: off, tls: none}
line: {rate: RATE}
`
	write(t, h.path, strings.ReplaceAll(text, "RATE", "40K"))
	d := h.open()
	defer d.close()
	look := func() time.Duration {
		began := time.Now()
		d.poller.Set(t.Context(), d.drops())
		for _, v := range d.poller.Poll(t.Context(), "jaco") {
			if v.Err != nil {
				t.Error(v.Err)
			}
		}
		return time.Since(began)
	}
	if took := look(); took < 400*time.Millisecond || took > 10*time.Second { // 63 KB, of which 40 pass at once
		t.Errorf("64 KB at 40 KB/s took %v", took)
	}
	write(t, h.path, strings.ReplaceAll(text, "RATE", "0"))
	if err := d.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Clear()
	s.Add(&fetchtest.Mail{UID: "another", Octets: []byte("Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 9000))})
	if took := look(); took > 10*time.Second { // it would be 15 s
		t.Errorf("640 KB without a rate took %v", took)
	}
}

// TestH3_TraceOnDemand: the protocol is logged where it is asked for, without the octets of messages as long as these are
// not asked for too; the password never is.
func TestH3_TraceOnDemand(t *testing.T) {
	for _, x := range []struct {
		keys             string
		protocol, octets bool
	}{
		{"", false, false}, {"trace: true", true, false}, {"trace_bodies: true", true, true},
	} {
		h, s := newHome(t), fetchtest.NewPOP3(t)
		s.Put([]byte("Subject: one\r\n\r\nwhat nobody else shall read\r\n"))
		write(t, h.path, fmt.Sprintf(`hostname: mail.kroon.co.za
state: state
socket: run/s
deliver: {smtp: "127.0.0.1:1"}
bounce: {from: "mailer-daemon@kroon.co.za", postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: "pop3://jaco@%s", tls: none, password: secret, to: jaco@kroon.co.za, check: off, %s}
`, s.Listen(t), x.keys))
		a := newApp(nil, nil, nil)
		a.config = h.path
		l := a.load(t.Context())
		if l.err != nil {
			t.Fatal(l.err, l.problems)
		}
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		house, err := assemble(t.Context(), &l.config, needs{log: log, fatal: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		house.poller.Set(t.Context(), house.drops())
		for _, v := range house.poller.Poll(t.Context(), "jaco") {
			if v.Err != nil {
				t.Error(v.Err)
			}
		}
		if err := house.close(); err != nil {
			t.Error(err)
		}
		text := out.String()
		if strings.Contains(text, "RETR") != x.protocol || strings.Contains(text, "nobody else") != x.octets ||
			strings.Contains(text, "secret") {
			t.Errorf("%q:\n%s", x.keys, text)
		}
	}
}

// TestLargestByPOP3: limits: {max_message} may be more than a gigabyte, or none.
func TestLargestByPOP3(t *testing.T) {
	for limit, want := range map[int64]int64{0: 1 << 60, 1 << 20: 1 << 30, 2 << 30: 2 << 30} {
		around := surroundings{largest: func() int64 { return limit }}
		r := newPOP3(around, &conf.Maildrop{Name: "jaco"}, wire.Options{}, "acc").(*pop3.Retriever)
		if r.MaxOctets != want {
			t.Errorf("max_message: %d: %d", limit, r.MaxOctets)
		}
	}
}

// TestR12_WhatStaysByPOP3: the kind is told where something of what it collects stays, so that on a server where no message can be
// told from another it is not collected again by each listing.
func TestR12_WhatStaysByPOP3(t *testing.T) {
	for text, stays := range map[string]bool{"delete": false, "delete after 14d": true, "delete above 10M": true} {
		after, err := conf.ParseAfter(text)
		if err != nil {
			t.Fatal(err)
		}
		r := newPOP3(surroundings{}, &conf.Maildrop{Name: "jaco", After: after}, wire.Options{}, "acc").(*pop3.Retriever)
		if r.After != pop3.Delete || r.Stays != stays {
			t.Errorf("%s: stays %v", text, r.Stays)
		}
	}
}
