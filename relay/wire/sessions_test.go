package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
)

// notes is a Memory that counts what is written.
type notes struct {
	mu    sync.Mutex
	kept  map[string][]byte
	saves int
}

func (n *notes) Load(key string) ([]byte, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b, ok := n.kept[key]
	return b, ok
}

func (n *notes) Save(key string, b []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.saves++; n.kept == nil {
		n.kept = map[string][]byte{}
	}
	if n.kept[key] = b; len(b) == 0 {
		delete(n.kept, key)
	}
}

// inPipes is serve without a network, for the clock of synctest.
func inPipes(config *tls.Config) dialler {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := fetchtest.Pipe(64<<10, 0)
		go func() {
			c := tls.Server(theirs, config)
			if c.Handshake() == nil {
				io.WriteString(c, "hello\r\n")
				io.Copy(io.Discard, c)
			}
			theirs.Close()
		}()
		return ours, nil
	}
}

func expect(t *testing.T, what string, o Options, resumed bool) {
	t.Helper()
	if got, err := meet(o); err != nil || got != resumed {
		t.Errorf("%s: resumed %v, %v", what, got, err)
	}
}

// What is remembered of a session must not stand in for the check, and is of no use under other settings.
func TestR19_ResumedOnlyUnderTheSameSettings(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cert := ca.issue(t, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		dial, _ := serve(t, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version})
		o := Options{Address: "mail.test:995", DialContext: dial,
			TLS: TLS{Mode: Implicit, CAFile: pemFile(t, ca.cert.Raw), Sessions: &Sessions{}}}
		expect(t, "the first", o, false)
		expect(t, "the second", o, true)
		for what, x := range map[string]struct {
			change func(*Options)
			ok     bool
		}{
			"another CA":      {func(o *Options) { o.TLS.CAFile = pemFile(t, other.cert.Raw) }, false},
			"more CAs":        {func(o *Options) { o.TLS.CAFile = pemFile(t, ca.cert.Raw, other.cert.Raw) }, true},
			"the wrong pin":   {func(o *Options) { o.TLS.Pins = []string{strings.Repeat("00", 32)} }, false},
			"the right pin":   {func(o *Options) { o.TLS.Pins = []string{pin(cert)} }, true},
			"another name":    {func(o *Options) { o.TLS.Name = "other.test" }, false},
			"another address": {func(o *Options) { o.Address, o.TLS.Name = "other.test:995", "mail.test" }, true},
			"insecure":        {func(o *Options) { o.TLS.Insecure = true }, true},
		} {
			expect(t, "before "+what, o, true)
			changed := o
			x.change(&changed)
			if resumed, err := meet(changed); resumed || (err == nil) != x.ok {
				t.Errorf("%s: resumed %v, %v", what, resumed, err)
			}
			meet(o) // remembers one again
		}
		// Whatever was accepted under insecure is looked at when that is over.
		o.TLS.CAFile = pemFile(t, other.cert.Raw)
		o.TLS.Insecure = true
		expect(t, "insecure", o, false)
		o.TLS.Insecure = false
		if _, err := meet(o); err == nil {
			t.Error("what was accepted as insecure is accepted")
		}
	}
}

func TestR19_WhatHasExpiredIsNotResumedAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authorityFor(t, 72*time.Hour)
		long := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(48 * time.Hour) }
		old, renewed := ca.issue(t, nil), ca.issue(t, long)
		now := &old
		config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return now, nil }}
		o := Options{Address: "mail.test:995", DialContext: inPipes(config),
			TLS: TLS{Mode: Implicit, Roots: ca.pool, Sessions: &Sessions{}}}
		expect(t, "the first", o, false)
		expect(t, "the second", o, true)
		time.Sleep(50 * time.Minute)
		expect(t, "before the end", o, true)
		time.Sleep(11 * time.Minute)
		if resumed, err := meet(o); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("an expired certificate: resumed %v, %v", resumed, err)
		}
		now = &renewed
		expect(t, "the renewed one", o, false)
		expect(t, "the renewed one, again", o, true)
		now = &old
		o.TLS.Sessions = &Sessions{}
		if _, err := meet(o); err == nil {
			t.Error("expired")
		}
	})
}

// A server whose certificate was renewed is not failed once for the sake of the session.
func TestSessionOfAnExpiredCertificateIsNotOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t)
		now := ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Minute) })
		config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &now, nil }}
		o := Options{Address: "mail.test:995", DialContext: inPipes(config),
			TLS: TLS{Mode: Implicit, Roots: ca.pool, Sessions: &Sessions{}}}
		expect(t, "the first", o, false)
		time.Sleep(2 * time.Minute)
		now = ca.issue(t, nil)
		expect(t, "the renewed one", o, false)
	})
}

// The same where its authority is not trusted any more, and another one is.
func TestSessionOfALostAuthorityIsNotOffered(t *testing.T) {
	old, new := newAuthority(t), newAuthority(t)
	now := old.issue(t, nil)
	dial, _ := serve(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &now, nil }})
	o := Options{Address: "mail.test:995", DialContext: dial, TLS: TLS{Mode: Implicit, Roots: old.pool, Sessions: &Sessions{}}}
	expect(t, "the first", o, false)
	expect(t, "the second", o, true)
	now, o.TLS.Roots = new.issue(t, nil), new.pool
	expect(t, "under another authority", o, false)
	expect(t, "again", o, true)
}

func TestSessionsOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authorityFor(t, 90*24*time.Hour)
		config := &tls.Config{Certificates: []tls.Certificate{
			ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(60 * 24 * time.Hour) })}}
		memory := &notes{}
		o := Options{Address: "mail.test:995", DialContext: inPipes(config), TLS: TLS{Mode: Implicit, Roots: ca.pool}}
		restart := func() { o.TLS.Sessions = &Sessions{Memory: memory, Key: "jaco"} }
		restart()
		expect(t, "the first", o, false)
		restart()
		expect(t, "after a restart", o, true)
		before := memory.saves
		for range 10 {
			expect(t, "the next", o, true)
		}
		if memory.saves != before {
			t.Errorf("%d sessions within a moment were saved", memory.saves-before)
		}
		time.Sleep(2 * time.Hour)
		expect(t, "later", o, true)
		if memory.saves != before+1 {
			t.Errorf("%d sessions within two hours were saved", memory.saves-before)
		}
		time.Sleep(time.Minute)
		expect(t, "the last", o, true)
		o.TLS.Sessions.Flush()
		o.TLS.Sessions.Flush()
		if memory.saves != before+2 {
			t.Errorf("%d were saved at the end", memory.saves-before-1)
		}
		time.Sleep(maxSession - 24*time.Hour) // the server has a week of its own, from an earlier moment on
		restart()
		expect(t, "six days later", o, true)
		o.TLS.Sessions.Flush()
		time.Sleep(maxSession + time.Minute)
		restart()
		expect(t, "more than a week later", o, false)
		o.TLS.Sessions.Flush()
		memory.kept["jaco"] = append([]byte("x"), memory.kept["jaco"]...)
		restart()
		expect(t, "after damage", o, false)
		restart()
		expect(t, "after that", o, true)
		o.TLS.Name = "mail.test"
		o.Address = "elsewhere.test:995"
		restart()
		expect(t, "another server", o, false)
	})
}

func TestSessionThatTheServerRefuses(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}
	dial, _ := serve(t, config)
	o := Options{Address: "mail.test:995", DialContext: dial, TLS: TLS{Mode: Implicit, Roots: ca.pool,
		Sessions: &Sessions{Memory: &notes{}}}}
	expect(t, "the first", o, false)
	config.SetSessionTicketKeys([][32]byte{{1}}) // as after a restart of the server
	expect(t, "after the server's restart", o, false)
	expect(t, "the next", o, true)
}

func FuzzSession(f *testing.F) {
	f.Add([]byte(`{"Settings":"a","Made":1,"Certs":[],"Ticket":"AA==","State":"AA=="}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		memory := &notes{kept: map[string][]byte{"": b}}
		s := &Sessions{Memory: memory}
		if x := s.find("a", func([]*x509.Certificate) error { return nil }); x != nil && memory.saves != 0 {
			t.Error("a session that was forgotten is used")
		}
	})
}

func TestSessionsAreNotUsedWhenTheyAreOld(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := &Sessions{Now: func() time.Time { return now }}
	fine := func([]*x509.Certificate) error { return nil }
	for after, ok := range map[time.Duration]bool{0: true, maxSession: true, maxSession + time.Second: false, -time.Hour: false} {
		s.put(&session{settings: "a", made: now, state: &tls.ClientSessionState{}})
		now = now.Add(after)
		if got := s.find("a", fine) != nil; got != ok {
			t.Errorf("after %v: used %v", after, got)
		}
	}
}
