package bounce

import (
	"strings"
	"testing"

	"mailretr/store/mail"
)

// TestS11_NoReport is the table of who gets none.
func TestS11_NoReport(t *testing.T) {
	const ar = "Authentication-Results: "
	for _, x := range []struct {
		name, header string
		reverse      mail.Path
		want         Decision
		why          string
	}{
		{"ordinary", "From: a@b.example", "a@b.example", ToSender, ""},
		{"empty header", "", "a@b.example", ToSender, ""},
		{"null", "", "", ToPostmaster, "no return address"},
		{"unparsable", "", "a b@c.example", ToPostmaster, "cannot be used"},
		{"no domain", "", "a", ToPostmaster, "cannot be used"},
		{"postmaster alone", "", "postmaster", ToPostmaster, "cannot be used"},
		{"option", "", "-oQ/tmp@b.example", ToPostmaster, "cannot be used"},
		{"line break", "", "a@b.example\r\nX: y", ToPostmaster, "cannot be used"},
		{"ourselves", "", "Mailer-Daemon@kroon.co.za", ToPostmaster, "our own reports"},

		{"auto-generated", "Auto-Submitted: auto-generated", "a@b.example", ToPostmaster, "program"},
		{"auto-replied", "Auto-Submitted: Auto-Replied (vacation); x=y", "a@b.example", ToPostmaster, "program"},
		{"auto no", "auto-submitted: (a comment; auto-replied) NO", "a@b.example", ToSender, ""},
		{"auto no, then yes", "Auto-Submitted: no\r\nAuto-Submitted: auto-replied", "a@b.example", ToPostmaster,
			"program"},
		{"folded", "Auto-Submitted:\r\n\tauto-replied", "a@b.example", ToPostmaster, "program"},
		{"blank before the colon", "Auto-Submitted : auto-replied", "a@b.example", ToPostmaster, "program"},
		{"behind nonsense", "From x\r\n\xff\xfe\r\nno field\r\nAuto-Submitted: auto-replied", "a@b.example",
			ToPostmaster, "program"},
		{"LF only", "A: b\nAuto-Submitted: auto-replied\n", "a@b.example", ToPostmaster, "program"},
		{"in another field", "Subject: x\r\n Auto-Submitted: auto-replied", "a@b.example", ToSender, ""},
		{"empty", "Auto-Submitted:", "a@b.example", ToSender, ""},

		{"bulk", "Precedence: bulk", "a@b.example", ToPostmaster, "bulk"},
		{"junk", "PRECEDENCE: Junk", "a@b.example", ToPostmaster, "bulk"},
		{"list", "Precedence: list\r\nList-Id: <x.example>", "x-bounces@b.example", ToSender, ""},
		{"list without", "List-Id: <x.example>", "x-bounces@b.example", ToSender, ""},

		{"spf fails", ar + "mx.isp.example; spf=fail smtp.mailfrom=b.example", "a@b.example", ToPostmaster,
			"spf=fail"},
		{"dmarc fails", ar + "MX.isp.example 1; spf=pass; dmarc = fail (p=none)", "a@b.example", ToPostmaster,
			"dmarc=fail"},
		{"comments", ar + "(x) mx.isp.example (y; z); (c) spf (d)/ 1 (e) = (f) fail (g)", "a@b.example",
			ToPostmaster, "spf=fail"},
		{"softfail", ar + "mx.isp.example; spf=softfail; dkim=fail", "a@b.example", ToSender, ""},
		{"in a comment", ar + `mx.isp.example; spf=pass (x; spf=fail \) ; spf=fail)`, "a@b.example", ToSender, ""},
		{"in quotes", ar + `mx.isp.example; spf=pass reason="; spf=fail \"; dmarc=fail"`, "a@b.example", ToSender,
			""},
		{"in quotes, later", ar + `mx.isp.example; spf=pass reason="x; spf=fail; y"`, "a@b.example", ToSender, ""},
		{"another server", ar + "mx.evil.example; spf=fail", "a@b.example", ToSender, ""},
		{"not the topmost", ar + "mx.isp.example; spf=pass\r\n" + ar + "mx.isp.example; spf=fail", "a@b.example",
			ToSender, ""},
		{"topmost of another", ar + "x.example; spf=pass\r\n" + ar + "mx.isp.example; spf=fail", "a@b.example",
			ToSender, ""},
		{"none", ar + "mx.isp.example; none", "a@b.example", ToSender, ""},
		{"nonsense", ar + "mx.isp.example", "a@b.example", ToSender, ""},

		{"spf of another address", ar + "mx.isp.example; spf=fail smtp.mailfrom=x@c.example", "a@b.example", ToSender, ""},
		{"forwarded, signed by the sender", ar + "mx.isp.example; spf=fail smtp.mailfrom=a@b.example; dkim=pass header.d=b.example",
			"a@b.example", ToSender, ""},
		{"signed by a part of it", ar + "mx.isp.example; dkim=pass header.i=@m.b.example; spf=fail", "a@b.example", ToSender,
			""},
		{"dmarc passes", ar + "mx.isp.example; spf=fail; dmarc=pass header.from=b.example", "a@b.example", ToSender, ""},
		{"signed by another", ar + "mx.isp.example; spf=fail; dkim=pass header.d=evilb.example", "a@b.example", ToPostmaster,
			"spf=fail"},
		{"signed by a top level", ar + "mx.isp.example; spf=fail; dkim=pass header.d=example", "a@b.example", ToPostmaster,
			"spf=fail"},
		{"signed in quotes", ar + `mx.isp.example; spf=fail reason="dkim=pass header.d=b.example"`, "a@b.example",
			ToPostmaster, "spf=fail"},
		{"dmarc fails though signed", ar + "mx.isp.example; dkim=pass header.d=b.example; dmarc=fail", "a@b.example",
			ToPostmaster, "dmarc=fail"},
		{"one field for each method", ar + "mx.isp.example; dkim=none\r\n" + ar + "mx.isp.example; spf=pass\r\n" + ar +
			"mx.isp.example; dmarc=fail", "a@b.example", ToPostmaster, "dmarc=fail"},
		{"a pass that anybody wrote", ar + "mx.isp.example; spf=fail\r\n" + ar +
			"mx.isp.example; dkim=pass header.d=b.example", "a@b.example", ToPostmaster, "spf=fail"},
		{"below Received", ar + "mx.isp.example; spf=pass\r\nReceived: from x by y\r\n" + ar + "mx.isp.example; dmarc=fail",
			"a@b.example", ToSender, ""},
	} {
		e := mail.Envelope{Reverse: x.reverse, Recipients: []mail.Recipient{{Forward: "j@kroon.co.za"}}}
		p := Policy{Own: "mailer-daemon@kroon.co.za", AuthServ: "mx.isp.example"}
		d, why := p.Decide([]byte(x.header+"\r\n\r\n"), e)
		if d != x.want || !strings.Contains(why, x.why) || (why == "") != (d == ToSender) {
			t.Errorf("%s: %s, %q", x.name, d, why)
		}
		if strings.HasPrefix(x.header, ar) {
			if d, why := (Policy{}).Decide([]byte(x.header), e); d != ToSender {
				t.Errorf("%s: believed although nobody is configured: %s, %q", x.name, d, why)
			}
		}
	}
}

func TestDecideNotify(t *testing.T) {
	for notify, want := range map[string]Decision{
		"": ToSender, "FAILURE": ToSender, "success, failure": ToSender, "NEVER": ToNobody, "DELAY": ToNobody,
		"SUCCESS": ToNobody,
	} {
		e := mail.Envelope{Reverse: "a@b.example", Recipients: []mail.Recipient{{Forward: "j@k.example",
			Notify: notify}}}
		if d, _ := (Policy{}).Decide(nil, e); d != want {
			t.Errorf("NOTIFY=%s: %s", notify, d)
		}
	}
}

// TestS11_Whole: mail without a report goes whole to the postmaster, with the reason.
func TestS11_Whole(t *testing.T) {
	for _, header := range []string{"Auto-Submitted: auto-replied\r\n", "Precedence: bulk\r\n",
		"Authentication-Results: mx.isp.example; dmarc=fail\r\n"} {
		m := message(header+letter, "jaco@kroon.co.za")
		got, s := one(t, reporter(), m, mail.Report{refused("550 no", "")})
		if to := got.Envelope.Recipients[0].Forward; to != "postmaster@kroon.co.za" {
			t.Errorf("goes to %s", to)
		}
		_, parts := wellFormed(t, s)
		if !got.Whole {
			t.Error("it is not said that this is the only one")
		}
		if parts[2] != header+letter {
			t.Errorf("the message inside is %q", parts[2])
		}
		if !strings.Contains(parts[0], "No report may go to the sender, because") {
			t.Error(parts[0])
		}
	}
}
