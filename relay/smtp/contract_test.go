package smtp

import (
	"context"
	"net/netip"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

func TestContract(t *testing.T) {
	for name, x := range map[string]struct {
		lmtp, tls, second bool
		greeting          string
		introduce         Introduction
	}{
		"SMTP": {}, "SMTP over TLS": {tls: true}, "LMTP": {lmtp: true}, "Exim": {greeting: "220 mx ESMTP Exim 4.96 now"},
		"second server": {second: true}, "LMTP, second server": {lmtp: true, second: true},
		"XCLIENT": {introduce: XClient}, "PROXY": {introduce: ProxyV2}, "LMTP, PROXY": {lmtp: true, introduce: ProxyV1},
	} {
		t.Run(name, func(t *testing.T) {
			relaytest.Run(t, func(t *testing.T) relaytest.Harness {
				s := relaytest.Script{LMTP: x.lmtp, Greeting: x.greeting, Answer: relaytest.First(
					relaytest.For("refused@y.example", "RCPT", relaytest.Answer{Reply: "550 5.1.1 no such user"}),
					relaytest.For("later@y.example", "RCPT", relaytest.Answer{Reply: "451 4.3.0 later"}),
				)}
				s.XClient, s.Proxy = x.introduce == XClient, x.introduce > XClient
				known := func(context.Context, *mail.Message) mail.Client {
					return mail.Client{Addr: netip.MustParseAddr("192.0.2.7"), Hello: "a.example"}
				}
				security := wire.TLS{Mode: wire.Plain}
				if x.tls {
					security = wire.TLS{Name: "mail.test"}
					security.Roots, s.TLS = relaytest.Certificate(t, "mail.test")
				}
				mta := relaytest.New(t, s)
				return relaytest.Harness{
					Can:     relaytest.Can{Many: true, Envelope: true, Null: true, Lane: true},
					Refused: "refused@y.example", Later: "later@y.example",
					Deliverer: func(t testing.TB) mail.Deliverer {
						servers := []*relaytest.MTA{mta}
						if x.second { // the first refuses us
							refuses := relaytest.At(relaytest.Connect, relaytest.Answer{Reply: "554 5.3.2 no service"})
							servers = append([]*relaytest.MTA{relaytest.New(t, relaytest.Script{Answer: refuses})}, mta)
						}
						return client(t, func(o *Options) {
							o.LMTP, o.Dial[0].TLS, o.Introduce, o.Client = x.lmtp, security, x.introduce, known
						}, servers...)
					},
					Arrived: func(testing.TB) (all []relaytest.Arrival) {
						for _, m := range mta.Mails() {
							a := relaytest.Arrival{From: m.From, Data: m.Data}
							for _, r := range m.To {
								a.To = append(a.To, r.Path)
							}
							all = append(all, a)
						}
						return all
					},
					Unreachable: func(testing.TB) { mta.Close() },
				}
			})
		})
	}
}
