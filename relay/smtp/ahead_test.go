package smtp

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// lockstep is what an MTA offers that wants one command after the other.
var lockstep = []string{"SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8"}

// queued is message, as the queue gives it.
func queued(to ...mail.Path) *mail.Message {
	m := message(to...)
	m.ID = mail.ID{1}
	m.Content = &spooled{*m.Content.(*content)}
	return m
}

// ways are those in which MAIL, RCPT and DATA leave.
var ways = map[string]struct {
	offers  []string
	message func(...mail.Path) *mail.Message
}{
	"together":            {relaytest.DefaultOffers, queued},
	"together, DATA not":  {relaytest.DefaultOffers, message},
	"one after the other": {lockstep, queued},
}

// A server that answers nothing before it has read MAIL, RCPT and DATA.
func TestAhead_OneSegment(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() {
		r := bufio.NewReader(theirs)
		say := func(s string) { fmt.Fprint(theirs, s) }
		until := func(want string) {
			for {
				if line, err := r.ReadString('\n'); err != nil || strings.HasPrefix(line, want) {
					return
				}
			}
		}
		say("220 hi\r\n")
		until("EHLO")
		say("250-hi\r\n250 PIPELINING\r\n")
		for range 2 {
			until("DATA")
			say("250 ok\r\n250 ok\r\n550 not you\r\n354 go\r\n")
			until(".\r\n")
			say("250 taken\r\n")
		}
	}()
	c, err := New(Options{Hello: "relay.test", Dial: []wire.Options{{Address: "mta.test:25", TLS: wire.TLS{Mode: wire.Plain},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r := c.Deliver(t.Context(), queued("a@y.example", "b@y.example"))
		if r[0].Outcome != mail.Delivered || r[1].Outcome != mail.Failed {
			t.Fatalf("%+v", r)
		}
	}
	theirs.Close()
	c.Close()
}

// Whatever is refused, the next message of the connection gets answers that are its own.
func TestAhead_StaysInStep(t *testing.T) {
	for way, w := range ways {
		for _, verb := range []string{"MAIL", "RCPT", "DATA"} {
			t.Run(way+" "+verb, func(t *testing.T) {
				mta := relaytest.New(t, relaytest.Script{Offers: w.offers, Answer: func(s relaytest.Step) relaytest.Answer {
					if s.Message <= 1 && s.Verb == verb {
						return relaytest.Answer{Reply: "550 5.7.1 no"}
					}
					return relaytest.Answer{}
				}})
				c := client(t, nil, mta)
				if r := c.Deliver(t.Context(), w.message("x@y.example", "z@y.example")); !r.All(mail.Failed) {
					t.Fatalf("%+v", r)
				}
				if r := c.Deliver(t.Context(), w.message("x@y.example")); !r.Done(1) {
					t.Fatalf("%+v", r)
				}
				if n := mta.Connections(); n != 1 || len(mta.Mails()) != 1 {
					t.Fatalf("%d connections, %d mails", n, len(mta.Mails()))
				}
			})
		}
	}
}

// A server that takes DATA though it has accepted nobody: it gets no message, and the next one a new connection.
func TestAhead_DataForNobody(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		switch {
		case s.Conn == 1 && s.Verb == "RCPT":
			return relaytest.Answer{Reply: "550 5.1.1 no"}
		case s.Conn == 1 && s.Verb == "DATA":
			return relaytest.Answer{Reply: "354 go on"}
		}
		return relaytest.Answer{}
	}})
	c := client(t, nil, mta)
	if r := c.Deliver(t.Context(), queued("x@y.example")); !r.All(mail.Failed) {
		t.Fatalf("%+v", r)
	}
	if r := c.Deliver(t.Context(), queued("x@y.example")); !r.Done(1) || mta.Connections() != 2 || len(mta.Mails()) != 1 {
		t.Fatalf("%+v, %d connections", r, mta.Connections())
	}
}

// Who was asked already is not asked in the next transaction: each reply counts.
func TestAhead_AcceptedBehindTooMany(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Answer: relaytest.For("b@y.example", "RCPT",
		relaytest.Answer{Reply: "452 4.5.3 too many recipients"})})
	c := client(t, nil, mta)
	r := c.Deliver(t.Context(), queued("a@y.example", "b@y.example", "c@y.example"))
	if r[0].Outcome != mail.Delivered || r[1].Scope != mail.OfSession || r[2].Outcome != mail.Delivered {
		t.Fatalf("%+v", r)
	}
	if to := mta.Mails()[0].To; len(to) != 2 {
		t.Fatalf("%+v", to)
	}
}

// More than fits into the buffers goes one by one.
func TestAhead_ManyRecipients(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{})
	c := client(t, nil, mta)
	var to []mail.Path
	for i := range 900 {
		to = append(to, mail.Path(fmt.Sprintf("%s%d@y.example", strings.Repeat("x", 50), i)))
	}
	for _, n := range []int{900, 200, 100} {
		if r := c.Deliver(t.Context(), queued(to[:n]...)); !r.Done(n) {
			t.Fatalf("%d: %+v", n, r[0])
		}
	}
}
