package fetch

import (
	"strings"
	"testing"
)

func TestBorder(t *testing.T) {
	b := Border{By: []string{"mx.isp.example", "mx?.isp.example"}, Through: []string{"*.store.isp.example", "2002:*"}}
	const id = " by mx.isp.example with ESMTP id 1; Wed, 1 Jan 2026 00:00:00 +0000"
	for name, x := range map[string]struct{ header, want string }{
		"Postfix":                {"from mail.a.example (out.a.example [192.0.2.7])" + id, "192.0.2.7 out.a.example mail.a.example"},
		"Postfix, no name":       {"from mail.a.example (unknown [192.0.2.7])" + id, "192.0.2.7 - mail.a.example"},
		"Postfix, IPv6":          {"from a.example (a.example [IPv6:2001:db8::7])" + id, "2001:db8::7 a.example a.example"},
		"Postfix, literal":       {"from [198.51.100.1] (out.a.example [192.0.2.7])" + id, "192.0.2.7 out.a.example [198.51.100.1]"},
		"Postfix, TLS":           {"from a.example (a.example [192.0.2.7])\r\n\t(using TLSv1.3 with cipher X (256/256 bits))" + id, "192.0.2.7 a.example a.example"},
		"Exim":                   {"from out.a.example ([192.0.2.7] helo=mail.a.example)" + id, "192.0.2.7 out.a.example mail.a.example"},
		"Exim, the same":         {"from out.a.example ([192.0.2.7])" + id, "192.0.2.7 - out.a.example"},
		"Exim, no name":          {"from [192.0.2.7] (helo=mail.a.example)" + id, "192.0.2.7 - mail.a.example"},
		"Exim, port":             {"from [192.0.2.7]:4711 (helo=mail.a.example)" + id, ""},
		"Exim, port in comment":  {"from out.a.example ([192.0.2.7]:4711 helo=x.example)" + id, "192.0.2.7 out.a.example x.example"},
		"Exim, literal":          {"from [192.0.2.7] (helo=[198.51.100.1])" + id, "192.0.2.7 - [198.51.100.1]"},
		"Exim, literal and name": {"from out.a.example ([192.0.2.7] helo=[198.51.100.1])" + id, "192.0.2.7 out.a.example [198.51.100.1]"},
		"Sendmail":               {"from mail.a.example (out.a.example [192.0.2.7] (may be forged))" + id, "192.0.2.7 out.a.example mail.a.example"},
		"qmail":                  {"from unknown (HELO mail.a.example) (192.0.2.7)" + id, "192.0.2.7 - mail.a.example"},
		"qmail, literal":         {"from unknown (HELO [198.51.100.1]) (192.0.2.7)" + id, "192.0.2.7 - [198.51.100.1]"},
		"Exchange":               {"from MAIL.a.example (192.0.2.7) by mx2.isp.example (10.0.0.1) with Microsoft SMTP Server id 1; x", "192.0.2.7 - MAIL.a.example"},
		"Gmail":                  {"from mail.a.example (mail.a.example. [192.0.2.7])" + id, "192.0.2.7 mail.a.example mail.a.example"},

		"behind hops": {"by 2002:a05:6402:1 with SMTP id 1; x\r\nReceived: from mx.isp.example (mx [10.1.1.1]) by x.store.isp.example; x\r\n" +
			"Received: from h (a.example [192.0.2.7])" + id, "192.0.2.7 a.example h"},
		"ours first": {"by us.example (mailretr, maildrop jaco) id 1; x\r\nReceived: from h (a.example [192.0.2.7])" + id, "192.0.2.7 a.example h"},

		"forged below":         {"from h (a.example [192.0.2.7])" + id + "\r\nReceived: from g (g.example [198.51.100.1])" + id, "192.0.2.7 a.example h"},
		"forged, other on top": {"from h (a.example [192.0.2.7]) by smtp.isp.example; x\r\nReceived: from g (g [198.51.100.1])" + id, ""},
		"ours below":           {"from h (a.example [192.0.2.7]) by mx.isp.example; x", "192.0.2.7 a.example h"},
		"ours twice":           {"by us.example; x\r\nReceived: by us.example; x\r\nReceived: from h (a [192.0.2.7])" + id, ""},
		"two addresses":        {"from h (a.example [192.0.2.7] [198.51.100.1])" + id, ""},
		"two comments":         {"from h (a.example [192.0.2.7]) ([198.51.100.1])" + id, ""},
		"clause in the HELO":   {"from by by mx.isp.example by x (a [192.0.2.7])" + id, ""},
		"private":              {"from h (h [10.1.2.3])" + id, ""},
		"loopback":             {"from h (h [127.0.0.1])" + id, ""},
		"mapped":               {"from h (h [::ffff:127.0.0.1])" + id, ""},
		"no address":           {"from h (h)" + id, ""},
		"no from":              {"by mx.isp.example; x", ""},
		"zone":                 {"from h (h [fe80::1%eth0])" + id, ""},
		"odd name":             {"from a\x00b (c\"d [192.0.2.7])" + id, "192.0.2.7 - -"},
		"open comment":         {"from h (h [192.0.2.7]" + id, ""},
		"somebody else's":      {"from h (a.example [192.0.2.7]) by mx.other.example; x", ""},
	} {
		c := b.Client([]byte("Return-Path: <x>\r\nReceived: "+x.header+"\r\nSubject: x\r\n\r\n"), "us.example")
		got := ""
		if c.Known() {
			or := func(s string) string {
				if s == "" {
					return "-"
				}
				return s
			}
			got = strings.Join([]string{c.Addr.String(), or(c.Name), or(c.Hello)}, " ")
		}
		if got != x.want {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}

func FuzzBorder(f *testing.F) {
	f.Add("from a (b [192.0.2.7]) by mx.isp.example; x")
	f.Add("from [192.0.2.7] (helo=x) by mx.isp.example; x")
	b := Border{By: []string{"mx.isp.example"}}
	f.Fuzz(func(t *testing.T, s string) {
		c := b.Client([]byte("Received: "+s+"\r\n\r\n"), "us.example")
		if strings.ContainsAny(c.Name+c.Hello, " \t\r\n\x00<>()=") || !c.Known() && c.Name != "" {
			t.Errorf("%+v", c)
		}
	})
}
