package bounce

import (
	"context"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// made returns the only report of a kind on a message.
func made(t *testing.T, r *Reporter, k Kind, m *mail.Message, rep mail.Report) string {
	t.Helper()
	list, err := tried(t.Context(), r, k, m, rep)
	if err != nil || len(list) != 1 {
		t.Fatalf("%s: %d reports, %v", k, len(list), err)
	}
	return octets(t, list[0])
}

func tried(ctx context.Context, r *Reporter, k Kind, m *mail.Message, rep mail.Report) ([]*mail.Message, error) {
	switch k {
	case Delayed:
		return r.Delayed(ctx, m, rep, noon.Add(4*24*time.Hour))
	case Succeeded:
		return r.Succeeded(ctx, m, rep)
	case Redirected:
		return r.Redirect(ctx, m, rep, "rescue@kroon.co.za")
	}
	return r.Report(ctx, m, rep)
}

var (
	busy     = mail.Result{Reply: "451 4.3.0 Zip module failure", Enhanced: "4.3.0", RemoteMTA: "mx.kroon.co.za:25", At: noon}
	passed   = mail.Result{Outcome: mail.Delivered, Reply: "250 2.1.5 ok", Enhanced: "2.1.5", RemoteMTA: "mx.kroon.co.za:25"}
	inBox    = mail.Result{Outcome: mail.Delivered, Custody: mail.Final, RemoteMTA: "localhost:24"}
	reported = mail.Result{Outcome: mail.Delivered, Custody: mail.Reports, RemoteMTA: "mx.kroon.co.za:25"}
)

// wanted is a message whose sender asks for every report.
func wanted(octets string, to ...mail.Path) *mail.Message {
	m := message(octets, to...)
	m.Envelope.EnvID, m.Envelope.Ret = "QQ+2B314159", "FULL"
	for i := range m.Envelope.Recipients {
		m.Envelope.Recipients[i].Notify = "success,failure,delay"
		m.Envelope.Recipients[i].Original = "rfc822;old+2B" + string(to[i])
	}
	return m
}

// TestGoldenKinds has a golden file for each kind of report in each language.
func TestGoldenKinds(t *testing.T) {
	utf8 := wanted("From: Änne <änne@example.org>\r\nSubject: Grüße\r\n\r\nx\r\n", "jürgen@kroon.co.za")
	utf8.Envelope.Reverse = "änne@example.org"
	for _, language := range Languages() {
		for name, x := range map[string]struct {
			k   Kind
			m   *mail.Message
			rep mail.Report
		}{
			"failed": {Failed, old(message(letter, "a@kroon.co.za", "b@kroon.co.za", "c@kroon.co.za", "d@kroon.co.za")),
				mail.Report{refused("550 5.1.1 User unknown", "5.1.1"), busy, {},
					{Outcome: mail.Failed, Enhanced: "5.0.0", Err: givenUp("send it in parts")}}},
			"delayed":         {Delayed, wanted(letter, "jaco@kroon.co.za"), mail.Report{busy}},
			"delayed-utf8":    {Delayed, utf8, mail.Report{{}}},
			"succeeded":       {Succeeded, wanted(letter, "a@kroon.co.za", "b@kroon.co.za"), mail.Report{passed, inBox}},
			"succeeded-final": {Succeeded, wanted(letter, "jaco@kroon.co.za"), mail.Report{inBox}},
			"succeeded-utf8":  {Succeeded, utf8, mail.Report{passed}},
			"whole":           {Failed, wanted(letter, "jaco@kroon.co.za"), mail.Report{refused("550 5.1.1 no", "5.1.1")}},
			"redirected":      {Redirected, message(letter, "jaco@kroon.co.za"), mail.Report{refused("552 5.2.2 full", "5.2.2")}},
			"unreturned": {Failed, func() *mail.Message {
				m := message(letter, "jaco@kroon.co.za")
				m.Envelope.Reverse = ""
				return m
			}(), mail.Report{refused("550 5.1.1 no", "5.1.1")}},
		} {
			t.Run(language+"-"+name, func(t *testing.T) {
				r := reporter()
				r.Full = 1 << 10
				r.Text = func(string) *Text {
					x, err := NewText(language, "")
					if err != nil {
						t.Fatal(err)
					}
					return x
				}
				s := made(t, r, x.k, x.m, x.rep)
				golden(t, language+"-"+name, s)
				wellFormed(t, s)
				whole := x.k == Redirected || name == "whole" || name == "unreturned"
				if whole != strings.Contains(s, "secret body") {
					t.Error("the body is in it, or is not, against the rule")
				}
			})
		}
	}
}

// TestWhoIsInformed is the table of who hears of delays and successes (RFC 3461, 4.1 and 5.2).
func TestWhoIsInformed(t *testing.T) {
	for _, x := range []struct {
		name    string
		k       Kind
		notify  string
		reverse mail.Path
		header  string
		result  mail.Result
		want    int
	}{
		{"a delay without NOTIFY", Delayed, "", "ann@example.org", "", busy, 1},
		{"a delay that is wanted", Delayed, "FAILURE, delay", "ann@example.org", "", busy, 1},
		{"a delay that is not", Delayed, "FAILURE", "ann@example.org", "", busy, 0},
		{"a delay, never", Delayed, "NEVER", "ann@example.org", "", busy, 0},
		{"a delay of nobody's mail", Delayed, "", "", "", busy, 0},
		{"a delay of bulk mail", Delayed, "", "ann@example.org", "Precedence: bulk\r\n", busy, 0},
		{"a delay of a program's mail", Delayed, "DELAY", "ann@example.org", "Auto-Submitted: auto-replied\r\n", busy, 0},
		{"a delay of what has failed", Delayed, "DELAY", "ann@example.org", "", refused("550 no", ""), 0},
		{"a success without NOTIFY", Succeeded, "", "ann@example.org", "", passed, 0},
		{"a success that is wanted", Succeeded, "SUCCESS", "ann@example.org", "", passed, 1},
		{"a success that is not", Succeeded, "FAILURE,DELAY", "ann@example.org", "", passed, 0},
		{"a success that the next hop tells", Succeeded, "SUCCESS", "ann@example.org", "", reported, 0},
		{"a success in a mailbox", Succeeded, "SUCCESS", "ann@example.org", "", inBox, 1},
		{"a success of nobody's mail", Succeeded, "SUCCESS", "", "", passed, 0},
		{"a success of what is deferred", Succeeded, "SUCCESS", "ann@example.org", "", busy, 0},
	} {
		m := message(x.header+letter, "jaco@kroon.co.za")
		m.Envelope.Reverse, m.Envelope.Recipients[0].Notify = x.reverse, x.notify
		if list, err := tried(t.Context(), reporter(), x.k, m, mail.Report{x.result}); len(list) != x.want || err != nil {
			t.Errorf("%s: %d reports, %v", x.name, len(list), err)
		}
	}
}

// TestFullIsBounded: a message goes back whole only to who asks for it, and below the limit.
func TestFullIsBounded(t *testing.T) {
	size := int64(len(letter))
	for _, x := range []struct {
		ret  string
		full int64
		id   bool
		want bool
	}{
		{"FULL", size, true, true}, {"full", size, true, true}, {"FULL", size - 1, true, false}, {"FULL", 0, true, false},
		{"HDRS", size, true, false}, {"", size, true, false},
		{"FULL", size, false, false}, // after a probe there is no body
	} {
		m, r := message(letter, "jaco@kroon.co.za"), reporter()
		m.Envelope.Ret, r.Full = x.ret, x.full
		if !x.id {
			m.ID = mail.ID{}
		}
		s := made(t, r, Failed, m, mail.Report{refused("550 no", "")})
		if got := strings.Contains(s, "secret body"); got != x.want {
			t.Errorf("%+v: whole is %v", x, got)
		}
	}
}

// TestRedirectHasLimits: there is nobody to bring a message to who has just failed, and nothing to bring after a probe.
func TestRedirectHasLimits(t *testing.T) {
	rep := mail.Report{refused("550 no", "")}
	probed := message(letter, "jaco@kroon.co.za")
	probed.ID = mail.ID{}
	nobody := reporter()
	nobody.Postmaster = ""
	for name, x := range map[string]struct {
		r  *Reporter
		m  *mail.Message
		to mail.Path
	}{
		"who failed":    {reporter(), message(letter, "Rescue@kroon.co.za"), "rescue@kroon.co.za"},
		"after a probe": {reporter(), probed, "rescue@kroon.co.za"},
		"no postmaster": {nobody, message(letter, "jaco@kroon.co.za"), ""},
	} {
		if list, err := x.r.Redirect(t.Context(), x.m, rep, x.to); len(list) != 0 || err != nil {
			t.Errorf("%s: %d messages, %v", name, len(list), err)
		}
	}
	list, err := reporter().Redirect(t.Context(), message(letter, "jaco@kroon.co.za"), rep, "")
	if err != nil || len(list) != 1 || list[0].Envelope.Recipients[0].Forward != "postmaster@kroon.co.za" {
		t.Errorf("to the postmaster: %v, %v", list, err)
	}
}
