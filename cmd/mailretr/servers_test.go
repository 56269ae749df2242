package main

import (
	"fmt"
	"net"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// One server of the destination is away and one refuses us: mail goes to the third, what one connection has found out the
// others know, and whoever is asked about a recipient is asked there too.
func TestServersOfADestination(t *testing.T) {
	h := newHome(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := l.Addr()
	l.Close()
	refuses := relaytest.New(t, relaytest.Script{Greeting: "554 5.3.2 no service"})
	takes := relaytest.New(t, relaytest.Script{Offers: []string{"PIPELINING", "LIMITS RCPTMAX=2"}})
	h.to(fmt.Sprintf(`{smtp: ["%s", "%s", "%s"], recipients: 5}`, away, refuses.Address(), takes.Address()))
	d := h.open()
	defer h.deliver(d)()
	h.put(d, "0")
	h.wait(takes, 1) // by then it is known; connections that begin together find it out each for itself
	for i := range 4 {
		h.put(d, fmt.Sprint(i+1))
	}
	h.wait(takes, 5)
	if n := refuses.Connections(); n != 1 {
		t.Errorf("the server that refuses us had %d connections", n)
	}
	m := &mail.Message{Content: file("Subject: many\r\n\r\nbody\r\n"), Origin: mail.Origin{Maildrop: "jaco", Account: "x", UID: "many"}}
	for i := range 5 {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: mail.Path(fmt.Sprintf("u%d@kroon.co.za", i))})
	}
	if r := d.queue.Deliver(t.Context(), m); !r.Done(5) {
		t.Fatal(r)
	}
	h.wait(takes, 8)
	if r := d.ask.Probe(t.Context(), &mail.Message{Content: unread{}, Envelope: envelopeTo("jaco@kroon.co.za")}); !r.Done(1) {
		t.Error(r)
	}
	if n := refuses.Connections(); n != 1 {
		t.Errorf("the server that refuses us had %d connections", n)
	}
}
