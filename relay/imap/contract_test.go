package imap

import (
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/relay/imapconn"
	"mailretr/relay/relaytest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

func TestContract(t *testing.T) {
	for name, x := range map[string]struct {
		tls  bool
		caps []goimap.Cap
	}{
		"plain": {}, "STARTTLS": {tls: true}, "LITERAL+": {caps: []goimap.Cap{goimap.CapLiteralPlus}},
		"LITERAL-": {caps: []goimap.Cap{goimap.CapLiteralMinus}},
	} {
		t.Run(name, func(t *testing.T) {
			relaytest.Run(t, func(t *testing.T) relaytest.Harness {
				s := newServer(t)
				s.caps = goimap.CapSet{goimap.CapIMAP4rev1: {}}
				for _, c := range x.caps {
					s.caps[c] = struct{}{}
				}
				security := wire.TLS{Mode: wire.Plain}
				if x.tls {
					security = wire.TLS{Name: "mail.test"}
					security.Roots, s.tls = relaytest.Certificate(t, "mail.test")
				}
				s.start()
				return relaytest.Harness{
					Can: relaytest.Can{Many: true, Null: true, Lane: true},
					Deliverer: func(t testing.TB) mail.Deliverer {
						return client(t, s, func(o *Options) { o.Dial.TLS = security; o.Auth = imapconn.Auto })
					},
					Arrived: func(testing.TB) (all []relaytest.Arrival) {
						for _, a := range s.arrived() {
							all = append(all, relaytest.Arrival{Data: a.octets})
						}
						return all
					},
					Unreachable: func(testing.TB) { s.away() },
				}
			})
		})
	}
}
