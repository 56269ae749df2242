package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// The MTA hears who handed a message to the provider, from the provider's own trace, below the field of ours; of what
// nobody but the sender has said it hears nothing.
func TestClientOfAMessage(t *testing.T) {
	for how, want := range map[string]string{"xclient": "NAME=out.a.example ADDR=192.0.2.7", "proxy-v2": "PROXY TCP4 192.0.2.7"} {
		t.Run(how, func(t *testing.T) {
			h := newHome(t)
			mta := relaytest.New(t, relaytest.Script{XClient: how == "xclient", Proxy: how != "xclient"})
			h.to(fmt.Sprintf(`{smtp: "%s", client: %s}`, mta.Address(), how))
			b, err := os.ReadFile(h.path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, h.path, strings.Replace(string(b), "enabled: false", `enabled: false, client: {by: "mx.isp.example"}`, 1))
			d := h.open()
			defer h.deliver(d)()
			for i, trace := range []string{
				"from a.example (out.a.example [192.0.2.7]) by mx.isp.example; x\r\n" +
					"Received: from g (g [198.51.100.1]) by mx.isp.example; x",
				"from a.example (out.a.example [198.51.100.1]) by mx.other.example; x",
			} {
				m := &mail.Message{Content: file("Received: " + trace + "\r\nSubject: x\r\n\r\nbody\r\n"),
					Envelope: envelopeTo("jaco@kroon.co.za")}
				m.Origin = mail.Origin{Maildrop: "jaco", Account: "x", UID: mail.UID(fmt.Sprint(i))}
				if r := d.queue.Deliver(t.Context(), m); !r.Done(1) {
					t.Fatal(r)
				}
				h.wait(mta, i+1)
			}
			got := mta.Mails()
			if !strings.HasPrefix(got[0].Client, want) || got[0].Hello != "a.example" {
				t.Errorf("%+v", got[0])
			}
			if strings.Contains(got[1].Client, "198.51") || got[1].Hello != "mail.kroon.co.za" {
				t.Errorf("%+v", got[1])
			}
		})
	}
}
