package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

const short = "Received: by mail.test (mailretr)\r\n\tid %s\r\nMessage-ID: <1@x.example>\r\nSubject: hello\r\n\r\nbody\r\n"

// traced is a message with the field that our trace puts in front.
func traced(text string) *mail.Message {
	m := letter("")
	m.Content = mail.Text(fmt.Sprintf(text, m.ID))
	return m
}

// no is a refusal as the server says it.
func no(code, text string) error {
	return &goimap.Error{Type: goimap.StatusResponseTypeNo, Code: goimap.ResponseCode(code), Text: text}
}

func TestFlagsAndDate(t *testing.T) {
	s := newServer(t).start()
	c := client(t, s, func(o *Options) { o.Flags, o.Keep = []string{`\Seen`, "$Fetched"}, true })
	m := traced(short)
	m.Origin.Date = time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 7200))
	m.Origin.Flags = []string{`\Recent`, `\Deleted`, `\seen`, `\Flagged`, "work", "a b", `x)"`, "$Fetched"}
	if r := c.Deliver(t.Context(), m); !r.Done(1) {
		t.Fatalf("%+v", r)
	}
	a := s.arrived()[0]
	if got := fmt.Sprint(a.flags); got != `[\Seen $Fetched \Flagged work]` {
		t.Errorf("flags %s", got)
	}
	if !a.at.Equal(m.Origin.Date) {
		t.Errorf("date %v", a.at)
	}
	m = traced(short) // without a date of its own it has that of the queue
	if r := c.Deliver(t.Context(), m); !r.Done(1) || !s.arrived()[1].at.Equal(m.Queued) {
		t.Errorf("%+v, %v", r, s.arrived()[1].at)
	}
	if n := s.dials(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestFolderIsMade: a folder that is missing is made, whether the server refuses before the octets or after them.
func TestFolderIsMade(t *testing.T) {
	for _, text := range []string{short, short + strings.Repeat("x\r\n", 2*inMemory/3)} {
		s := newServer(t).start()
		c := client(t, s, func(o *Options) {
			o.Of = func(*mail.Message) string { return "Entwürfe & \"mehr\"" }
		})
		m := traced(text)
		r := c.Deliver(t.Context(), m)
		if len(text) > inMemory {
			// The library reads the octets before it refuses, so a large message comes again.
			if !r.All(mail.Deferred) || r.Sick() != nil {
				t.Errorf("%+v", r)
			}
			r = c.Deliver(t.Context(), m)
		}
		if a := s.arrived(); !r.Done(1) || len(a) != 1 || a[0].folder != "Entwürfe & \"mehr\"" {
			t.Errorf("%+v, %d arrived", r, len(a))
		}
	}
}

func TestS9_Refusals(t *testing.T) {
	for _, x := range []struct {
		code string
		want mail.Result
	}{
		{"TOOBIG", mail.Result{Outcome: mail.Failed, Scope: mail.OfMessage, Enhanced: "5.3.4"}},
		{"OVERQUOTA", mail.Result{Scope: mail.OfMessage, Enhanced: "4.2.2"}},
		{"LIMIT", mail.Result{Scope: mail.OfMessage}},
		{"NOPERM", mail.Result{Scope: mail.OfLane}},
		{"", mail.Result{Scope: mail.OfMessage}},
	} {
		s := newServer(t)
		s.refuse = func(string) error { return no(x.code, "not now") }
		c := client(t, s.start(), nil)
		r := c.Deliver(t.Context(), traced(short))
		if r[0].Outcome != x.want.Outcome || r[0].Scope != x.want.Scope || r[0].Enhanced != x.want.Enhanced ||
			!strings.Contains(r[0].Reply, "not now") {
			t.Errorf("%s: %+v", x.code, r[0])
		}
		s.refuse = nil
		if r := c.Deliver(t.Context(), traced(short)); !r.Done(1) || s.dials() != 1 {
			t.Errorf("%s: afterwards %+v on %d connections", x.code, r, s.dials())
		}
	}
}

// A folder that was chosen for one message and cannot be had stops no others.
func TestS9_OneFolderStopsNoLane(t *testing.T) {
	for _, code := range []string{"NOPERM", "CANNOT"} {
		s := newServer(t)
		s.refuse = func(string) error { return no(code, "not that one") }
		c := client(t, s.start(), func(o *Options) { o.Of = func(*mail.Message) string { return "Lists*%" } })
		if r := c.Deliver(t.Context(), traced(short)); !r.All(mail.Deferred) || r.Sick() != nil || r[0].Reply == "" {
			t.Errorf("%s: %+v", code, r)
		}
	}
}

// TestS8_LostAnswer: a message whose answer was lost is in the folder once, whoever tries it again.
func TestS8_LostAnswer(t *testing.T) {
	for _, text := range []string{short, "Message-ID: <1@x.example>\r\nX: %s\r\n\r\nno trace\r\n"} {
		s := newServer(t)
		lost := false
		s.refuse = func(string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.deaf = !lost
			lost = true
			return nil
		}
		s.start()
		m := traced(text)
		r := client(t, s, nil).Deliver(t.Context(), m)
		if !r.All(mail.Deferred) || r[0].After != mail.OpDot || r[0].Scope != mail.OfMessage {
			t.Fatalf("%+v", r)
		}
		s.mu.Lock()
		s.deaf = false
		s.mu.Unlock()
		m.Attempts = 1
		if r := client(t, s, nil).Deliver(t.Context(), m); !r.Done(1) {
			t.Errorf("%+v", r)
		}
		if n := len(s.arrived()); n != 1 {
			t.Errorf("%d arrived", n)
		}
		other := traced(strings.Replace(text, "hello", "hallo", 1)) // another message is not taken for it
		other.Attempts = 1
		if text == short {
			if r := client(t, s, nil).Deliver(t.Context(), other); !r.Done(1) || len(s.arrived()) != 2 {
				t.Errorf("%+v, %d arrived", r, len(s.arrived()))
			}
		}
	}
}

// TestServerThatCannotSay: where a folder cannot be looked into for now, nothing is sent that may be there already.
func TestServerThatCannotSay(t *testing.T) {
	s := newServer(t)
	s.closed = no("UNAVAILABLE", "come again")
	s.start()
	m := traced(short)
	m.Attempts = 1
	if r := client(t, s, nil).Deliver(t.Context(), m); !r.All(mail.Deferred) || r.Sick() != nil || len(s.arrived()) != 0 {
		t.Errorf("%+v, %d arrived", r, len(s.arrived()))
	}
	s.closed = no("NONEXISTENT", "no such folder")
	if r := client(t, s, nil).Deliver(t.Context(), m); !r.Done(1) {
		t.Errorf("%+v", r)
	}
}

// TestEarlierProcess: what was queued before this process began is looked for first.
func TestEarlierProcess(t *testing.T) {
	s := newServer(t).start()
	m := traced(short)
	for range 2 {
		c := client(t, s, func(o *Options) { o.Since = m.Queued.Add(time.Minute) })
		if r := c.Deliver(t.Context(), m); !r.Done(1) {
			t.Errorf("%+v", r)
		}
	}
	if n := len(s.arrived()); n != 1 {
		t.Errorf("%d arrived", n)
	}
}

// TestS9_CutAnywhere: wherever the line is cut, the message is in the folder once in the end.
func TestS9_CutAnywhere(t *testing.T) {
	for cut := 1; ; cut += 7 {
		s := newServer(t)
		s.cut = cut
		s.start()
		m := traced(short)
		if r := client(t, s, nil).Deliver(t.Context(), m); r.Done(1) {
			if len(s.arrived()) != 1 {
				t.Fatalf("cut after %d octets: delivered and not there", cut)
			}
			if cut < 150 {
				t.Fatalf("not cut")
			}
			return
		} else if r[0].Scope == mail.OfMessage {
			m.Attempts++
		}
		s.mu.Lock()
		s.cut = 0
		s.mu.Unlock()
		if r := client(t, s, nil).Deliver(t.Context(), m); !r.Done(1) || len(s.arrived()) != 1 {
			t.Fatalf("cut after %d octets: %+v, %d arrived", cut, r, len(s.arrived()))
		}
	}
}

// TestDeadConnection: a kept connection that the server has closed costs no attempt.
func TestDeadConnection(t *testing.T) {
	s := newServer(t).start()
	c := client(t, s, nil)
	for range 3 {
		if r := c.Deliver(t.Context(), traced(short)); !r.Done(1) {
			t.Errorf("%+v", r)
		}
		s.mu.Lock()
		for _, x := range s.open {
			x.Close()
		}
		s.mu.Unlock()
	}
	if len(s.arrived()) != 3 || s.dials() != 3 {
		t.Errorf("%d arrived on %d connections", len(s.arrived()), s.dials())
	}
}

// TestH3_WrongPassword: the lane is sick, somebody is told, and the password is in no text.
func TestH3_WrongPassword(t *testing.T) {
	s := newServer(t).start()
	var told []mail.Event
	c := client(t, s, func(o *Options) {
		o.User = "piet"
		o.Observe = mail.ObserverFunc(func(e mail.Event) { told = append(told, e) })
	})
	for _, r := range []mail.Report{c.Deliver(t.Context(), traced(short)), c.Probe(t.Context(), traced(short))} {
		if r.Sick() == nil || r[0].Outcome != mail.Deferred || r[0].Reply == "" {
			t.Errorf("%+v", r)
		}
		if strings.Contains(fmt.Sprintf("%+v %v", r, r[0].Err), "canary") {
			t.Error("the password is shown")
		}
	}
	if len(told) != 2 || !told[0].Alarm {
		t.Errorf("told %+v", told)
	}
}

func TestS4_TooLarge(t *testing.T) {
	s := newServer(t).start()
	c := client(t, s, nil)
	if r := c.Deliver(t.Context(), traced(short)); !r.Done(1) {
		t.Fatalf("%+v", r)
	}
	c.conn.Caps = append(c.conn.Caps, "APPENDLIMIT=100") // which the library's server cannot say
	for _, r := range []mail.Report{c.Deliver(t.Context(), traced(short)), c.Probe(t.Context(), traced(short))} {
		if !r.All(mail.Failed) || r[0].Enhanced != "5.3.4" {
			t.Errorf("%+v", r)
		}
	}
}

func TestS5_HostileFolderName(t *testing.T) {
	s := newServer(t).start()
	c := client(t, s, func(o *Options) {
		o.Of = func(*mail.Message) string { return "INBOX\r\nA1 DELETE INBOX" }
	})
	if r := c.Deliver(t.Context(), traced(short)); !r.All(mail.Deferred) || len(s.arrived()) != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := New(Options{Options: c.o.Options, Flags: []string{`\Deleted`}}); err == nil {
		t.Error("mail would be appended as deleted")
	}
}

// TestYield: an attempt that is asked to give way does so before the last octet.
func TestYield(t *testing.T) {
	s := newServer(t).start()
	yield, give := context.WithCancel(context.Background())
	give()
	r := client(t, s, nil).Deliver(mail.WithYield(t.Context(), yield), traced(short+strings.Repeat("x\r\n", inMemory)))
	if !r.All(mail.Deferred) || !errors.Is(r[0].Err, mail.ErrYield) || r[0].Scope != mail.OfSession || len(s.arrived()) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestS6_S8_ChatterForEver: a server that keeps talking does not answer; the time for that ends.
func TestS6_S8_ChatterForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var server sync.WaitGroup
		defer server.Wait()
		defer theirs.Close()
		server.Go(func() { io.Copy(io.Discard, theirs) })
		server.Go(func() {
			_, err := fmt.Fprint(theirs, "* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+] hello\r\n")
			for ; err == nil; time.Sleep(30 * time.Second) {
				_, err = fmt.Fprint(theirs, "* OK still here\r\n")
			}
		})
		c, err := New(Options{Options: imapconn.Options{
			Dial: wire.Options{Address: "mail.test:143", TLS: wire.TLS{Mode: wire.Plain},
				DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }},
			User: "jaco", Password: func(context.Context) (string, error) { return "x", nil },
		}})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if r := c.Deliver(t.Context(), traced(short)); !r.All(mail.Deferred) || r[0].After != mail.OpDot {
			t.Errorf("%+v", r)
		}
		if took := time.Since(began); took != 10*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}
