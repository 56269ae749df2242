package smtp

import (
	"context"
	"strings"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// each runs a test with SMTP and with LMTP.
func each(t *testing.T, name string, f func(t *testing.T, lmtp bool)) {
	t.Run(name, func(t *testing.T) { f(t, false) })
	t.Run("LMTP "+name, func(t *testing.T) { f(t, true) })
}

// S6: nothing is believed that is no reply, at any step, by SMTP and by LMTP.
func TestS6_HostileMTA(t *testing.T) {
	endless := func(s string) string { return strings.Repeat(s, 200<<10/len(s)) }
	for name, a := range map[string]relaytest.Answer{
		"endless lines":    {Raw: endless("250-more\r\n")},
		"endless line":     {Raw: "250 " + endless("x")},
		"endless, no code": {Raw: "250-a\r\n" + endless("x\r\n")},
		"1 MB":             {Raw: "550 " + strings.Repeat("x", 1<<20) + "\r\n"},
		"one digit":        {Raw: "2\r\n"},
		"two digits":       {Raw: "25\r\n"},
		"999":              {Raw: "999 what\r\n"},
		"000":              {Raw: "000 what\r\n"},
		"blank first":      {Raw: " 250 ok\r\n"},
		"empty line":       {Raw: "\r\n"},
		"1xx":              {Raw: "150 wait\r\n"},
		"334":              {Raw: "334 \r\n"},
		"mixed codes":      {Raw: "250-fine\r\n550 no\r\n", Cut: true},
		"NUL":              {Raw: "\x00\x00\x00\r\n"},
		"half":             {Raw: "25", Cut: true},
		"half a line":      {Raw: "250 o", Cut: true},
		"hyphen only":      {Raw: "250-ok\r\n", Cut: true},
		"no blank":         {Raw: "250ok\r\n"},
	} {
		for _, stage := range []string{relaytest.Connect, "EHLO", "LHLO", "MAIL", "RCPT", "DATA", relaytest.Dot} {
			each(t, name+" "+stage, func(t *testing.T, lmtp bool) {
				if stage == "EHLO" && lmtp || stage == "LHLO" && !lmtp {
					return
				}
				mta := relaytest.New(t, relaytest.Script{LMTP: lmtp, Answer: relaytest.At(stage, a)})
				c := client(t, func(o *Options) { o.LMTP = lmtp }, mta)
				r := c.Deliver(t.Context(), message("x@y.example", "z@y.example"))
				if name == "1 MB" && r.All(mail.Failed) {
					t.Fatal("believed")
				}
				if !r.All(mail.Deferred) || len(mta.Mails()) > 0 {
					t.Fatalf("%+v", r)
				}
			})
		}
	}
}

// Only LF, or a code alone, is still a reply.
func TestS6_SloppyReplies(t *testing.T) {
	for _, raw := range []string{"250 ok\n", "250\r\n", "250-a\r\n250\r\n", "250-a\r\n250 b\r\n", "250 \r\n"} {
		for _, stage := range []string{"EHLO", "MAIL", "RCPT", relaytest.Dot} {
			mta := relaytest.New(t, relaytest.Script{Answer: relaytest.At(stage, relaytest.Answer{Raw: raw, Keep: true})})
			c := client(t, nil, mta)
			if r := c.Deliver(t.Context(), message("x@y.example")); !r.Done(1) {
				t.Errorf("%q to %s: %+v", raw, stage, r)
			}
		}
	}
}

// A reply that came before its command is no answer to it.
func TestS6_RepliesOutOfTurn(t *testing.T) {
	for _, stage := range []string{relaytest.Connect, "MAIL", "RCPT", "DATA", relaytest.Body} {
		raw := map[string]string{relaytest.Connect: "220 hi\r\n250 yes\r\n", "DATA": "354 go\r\n250 taken\r\n",
			relaytest.Body: "250 taken\r\n"}[stage]
		if raw == "" {
			raw = "250 yes\r\n250 yes\r\n"
		}
		mta := relaytest.New(t, relaytest.Script{Answer: relaytest.First(relaytest.At(stage, relaytest.Answer{Raw: raw}),
			relaytest.At(relaytest.Dot, relaytest.Answer{Reply: "550 no"}))})
		c := client(t, nil, mta)
		m := message("x@y.example")
		big := strings.Repeat("x\r\n", 100_000) // so that what was said before the dot has come
		m.Content = &content{text: big, size: int64(len(big))}
		if r := one(t, c.Deliver(t.Context(), m)); r.Outcome == mail.Delivered {
			t.Errorf("%s: %+v", stage, r)
		}
	}
}

// A refusal in the middle of a big message counts, and stops it.
func TestRefusedInMidBody(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Answer: relaytest.Once(relaytest.At(relaytest.Body, relaytest.Answer{
		After: 64 << 10, Reply: "552 5.3.4 too big", Hang: true}))})
	c := client(t, nil, mta)
	m := message("x@y.example")
	big := strings.Repeat("some text\r\n", 5_000_000)
	m.Content = &content{text: big, size: -1}
	r := one(t, c.Deliver(t.Context(), m))
	if r.Outcome != mail.Failed || r.Enhanced != "5.3.4" || r.After != mail.OpBody {
		t.Fatalf("%+v", r)
	}
	if !c.Deliver(t.Context(), message("x@y.example")).Done(1) || mta.Connections() != 2 {
		t.Fatal("a message whose end is missing was followed by another one")
	}
}

func TestS6_Login(t *testing.T) {
	for _, a := range []relaytest.Answer{{Raw: "334 \r\n"}, {Raw: "334\r\n"}, {Raw: "334 !!!\r\n"}, {Raw: "23\r\n"},
		{Raw: "334 " + strings.Repeat("A", 1<<20) + "\r\n"}, {Cut: true}, {Reply: "200 yes"}} {
		mta := relaytest.New(t, relaytest.Script{Users: map[string]string{"u": "p"}, Answer: relaytest.At("AUTH", a)})
		c := client(t, func(o *Options) {
			o.User, o.Password = "u", func(context.Context) (string, error) { return "p", nil }
		}, mta)
		if r := one(t, c.Deliver(t.Context(), message("x@y.example"))); r.Outcome != mail.Deferred || r.Scope != mail.OfLane {
			t.Errorf("%.20q: %+v", a.Raw, r)
		}
	}
}
