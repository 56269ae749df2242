package smtp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// clients says of each message who it is from by the local part of its sender.
func clients(_ context.Context, m *mail.Message) mail.Client {
	return map[string]mail.Client{
		"a": {Addr: netip.MustParseAddr("192.0.2.7"), Name: "out.a.example", Hello: "mail.a.example"},
		"b": {Addr: netip.MustParseAddr("2001:db8::7"), Hello: "[198.51.100.1]"},
		"c": {Addr: netip.MustParseAddr("192.0.2.8"), Name: "c.example", Hello: "c(d"},
	}[m.Envelope.Reverse.Local()]
}

// from is a message of one of them, or of nobody known.
func from(who string) *mail.Message {
	m := message("x@y.example")
	m.Envelope.Reverse = mail.Path(who + "@a.example")
	return m
}

func introducing(how Introduction) func(*Options) {
	return func(o *Options) { o.Introduce, o.Client = how, clients }
}

func TestXClient(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{XClient: true, Users: map[string]string{"u": "p"}})
	c := client(t, func(o *Options) {
		introducing(XClient)(o)
		o.User, o.Password = "u", func(context.Context) (string, error) { return "p", nil }
	}, mta)
	for _, who := range []string{"nobody", "a", "a", "b", "c", "nobody", "nobody", "a"} {
		if r := one(t, c.Deliver(t.Context(), from(who))); r.Outcome != mail.Delivered {
			t.Fatalf("%s: %+v", who, r)
		}
	}
	var got []string
	for _, m := range mta.Mails() {
		got = append(got, fmt.Sprintf("%d %s %s|%s", m.Conn, m.From.Local(), m.Hello, m.Client))
	}
	want := []string{
		"1 nobody relay.test|", "1 a mail.a.example|NAME=out.a.example ADDR=192.0.2.7",
		"1 a mail.a.example|NAME=out.a.example ADDR=192.0.2.7", "1 b [198.51.100.1]|NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7",
		"1 c relay.test|NAME=c.example ADDR=192.0.2.8",
		"2 nobody relay.test|", "2 nobody relay.test|", "2 a mail.a.example|NAME=out.a.example ADDR=192.0.2.7",
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// Postfix offers XCLIENT once: a message of another client, or of nobody, goes over another connection, and never as from
// the client before.
func TestXClient_Once(t *testing.T) {
	used := map[int]bool{}
	mta := relaytest.New(t, relaytest.Script{XClient: true, Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb == "EHLO" && used[s.Conn] {
			return relaytest.Answer{Reply: "250 mta.test"}
		}
		used[s.Conn] = used[s.Conn] || s.Verb == "XCLIENT"
		return relaytest.Answer{}
	}})
	c := client(t, introducing(XClient), mta)
	for _, who := range []string{"nobody", "a", "a", "c", "nobody", "c"} {
		if r := one(t, c.Deliver(t.Context(), from(who))); r.Outcome != mail.Delivered {
			t.Fatalf("%s: %+v", who, r)
		}
	}
	for i, want := range []string{"1 ", "1 192.0.2.7", "1 192.0.2.7", "2 192.0.2.8", "3 ", "3 192.0.2.8"} {
		m := mta.Mails()[i]
		_, addr, _ := strings.Cut(m.Client, "ADDR=")
		if got := fmt.Sprint(m.Conn, " ", addr); got != want {
			t.Errorf("message %d: %s, want %s", i, got, want)
		}
	}
}

func TestXClient_NotOffered(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{})
	alarms := 0
	c := client(t, func(o *Options) {
		introducing(XClient)(o)
		o.Observe = mail.ObserverFunc(func(e mail.Event) {
			if e.Alarm && strings.Contains(e.Err.Error(), "smtpd_authorized_xclient_hosts") {
				alarms++
			}
		})
	}, mta)
	for _, who := range []string{"a", "b", "nobody"} {
		if r := one(t, c.Deliver(t.Context(), from(who))); r.Outcome != mail.Delivered {
			t.Fatalf("%s: %+v", who, r)
		}
	}
	if alarms != 1 || mta.Connections() != 1 {
		t.Errorf("told %d times, %d connections", alarms, mta.Connections())
	}
}

// What a header says of a client gets nowhere but into its place.
func TestS5_ClientStaysInItsPlace(t *testing.T) {
	for _, odd := range []string{"a\r\nRSET", "a b", "a=b", "a+0d", "\x00", "<a>", "a ADDR=127.0.0.1", "\xff"} {
		for how := XClient; how <= ProxyV2; how++ {
			mta := relaytest.New(t, relaytest.Script{XClient: how == XClient, Proxy: how != XClient})
			c := client(t, func(o *Options) {
				o.Introduce = how
				o.Client = func(context.Context, *mail.Message) mail.Client {
					return mail.Client{Addr: netip.MustParseAddr("192.0.2.7"), Name: odd, Hello: odd + ">"}
				}
			}, mta)
			if r := one(t, c.Deliver(t.Context(), from("a"))); r.Outcome != mail.Delivered {
				t.Fatalf("%q: %+v", odd, r)
			}
			m := mta.Mails()[0]
			if how == XClient && m.Client != "NAME=[UNAVAILABLE] ADDR=192.0.2.7" || m.Hello != "relay.test" ||
				how != XClient && !strings.HasPrefix(m.Client, "PROXY TCP4 192.0.2.7 127.0.0.1 1 ") {
				t.Errorf("%q: %q, %q", odd, m.Client, m.Hello)
			}
		}
	}
}

// What is said to XCLIENT is about that client: it makes nobody sick, and fails nothing.
func TestXClient_Refused(t *testing.T) {
	for name, a := range map[string]relaytest.Answer{
		"not allowed": {Reply: "550 5.7.0 Error: insufficient authorization"}, "syntax": {Reply: "501 5.5.4 bad"},
		"limit": {Reply: "421 4.7.0 too many connections from 192.0.2.7", Cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			mta := relaytest.New(t, relaytest.Script{XClient: true, Answer: relaytest.At("XCLIENT", a)})
			second := relaytest.New(t, relaytest.Script{XClient: true})
			c := client(t, introducing(XClient), mta, second)
			for range 2 {
				if r := one(t, c.Deliver(t.Context(), from("nobody"))); r.Outcome != mail.Delivered {
					t.Fatalf("%+v", r)
				}
				r := one(t, c.Deliver(t.Context(), from("a")))
				if r.Outcome != mail.Deferred || r.Scope != mail.OfMessage || r.Reply != a.Reply {
					t.Fatalf("%+v", r)
				}
			}
			if second.Connections() > 0 {
				t.Error("another server was asked")
			}
		})
	}
	mta := relaytest.New(t, relaytest.Script{XClient: true, Answer: relaytest.At("XCLIENT", relaytest.Answer{Cut: true})})
	if r := one(t, client(t, introducing(XClient), mta).Deliver(t.Context(), from("a"))); r.Scope != mail.OfLane {
		t.Errorf("a cut: %+v", r)
	}
}

var ownPort = regexp.MustCompile(`PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ $`)

func TestProxy(t *testing.T) {
	for how, name := range map[Introduction]string{ProxyV1: "version 1", ProxyV2: "version 2"} {
		for _, tls := range []bool{false, true} {
			t.Run(fmt.Sprint(name, tls), func(t *testing.T) {
				s, security := relaytest.Script{Proxy: true, Implicit: tls}, wire.TLS{Mode: wire.Plain}
				if tls {
					security = wire.TLS{Mode: wire.Implicit, Name: "mail.test"}
					security.Roots, s.TLS = relaytest.Certificate(t, "mail.test")
				}
				mta := relaytest.New(t, s)
				c := client(t, func(o *Options) { introducing(how)(o); o.Dial[0].TLS = security }, mta)
				for _, who := range []string{"nobody", "nobody", "a", "a", "b", "nobody"} {
					if r := one(t, c.Deliver(t.Context(), from(who))); r.Outcome != mail.Delivered {
						t.Fatalf("%s: %+v", who, r)
					}
				}
				_, port, _ := net.SplitHostPort(mta.Address())
				var got []string
				for _, m := range mta.Mails() {
					got = append(got, fmt.Sprintf("%d %s %s", m.Conn, m.Hello, strings.TrimSuffix(m.Client, port)))
				}
				us := "PROXY UNKNOWN" // or what is true of the connection
				for i := range got {
					got[i] = ownPort.ReplaceAllString(got[i], us)
				}
				a, b := "PROXY TCP4 192.0.2.7 127.0.0.1 1 ", "PROXY TCP6 2001:db8::7 ::ffff:127.0.0.1 1 "
				want := []string{"1 relay.test PROXY UNKNOWN", "1 relay.test PROXY UNKNOWN", "2 mail.a.example " + a,
					"2 mail.a.example " + a, "3 [198.51.100.1] " + b, "4 relay.test PROXY UNKNOWN"}
				if !slices.Equal(got, want) {
					t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
				}
			})
		}
	}
}

// A greeting that refuses a client is about its message where a connection of our own is taken, and about us where it is not.
func TestProxy_TheClientIsRefused(t *testing.T) {
	for _, us := range []bool{false, true} {
		mta := relaytest.New(t, relaytest.Script{Proxy: true, Answer: func(s relaytest.Step) relaytest.Answer {
			if s.Verb == relaytest.Connect && (us || s.Conn%2 == 1) {
				return relaytest.Answer{Reply: "554 5.7.1 192.0.2.7 is listed", Cut: true}
			}
			return relaytest.Answer{}
		}})
		c := client(t, introducing(ProxyV1), mta)
		r := one(t, c.Deliver(t.Context(), from("a")))
		if us && (r.Outcome != mail.Deferred || r.Scope != mail.OfLane) ||
			!us && (r.Outcome != mail.Failed || r.Scope != mail.OfMessage || r.Enhanced != "5.7.1") {
			t.Errorf("us: %v: %+v", us, r)
		}
		c.Close()
		if n := mta.Connections(); n != 2 || len(mta.Mails()) > 0 {
			t.Errorf("%d connections", n)
		}
	}
}
