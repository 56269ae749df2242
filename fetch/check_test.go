package fetch

import (
	"io"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

func recipients(say func(from, to mail.Path) mail.Result) (*asker, func(*Drop)) {
	a := &asker{say: say}
	return a, func(d *Drop) {
		d.Ask, d.BounceFrom = a, "mailer-daemon@kroon.co.za"
		d.Check = []mail.Path{"jaco@kroon.co.za", "postmaster@kroon.co.za"}
	}
}

// The table of the recipient check. Only a refusal whoever sends, with one code, stops collecting.
func TestRecipientCheck(t *testing.T) {
	result := func(o mail.Outcome, reply, enhanced string) mail.Result {
		return mail.Result{Outcome: o, Reply: reply, Enhanced: enhanced, RemoteMTA: "localhost:25"}
	}
	ok, no := result(mail.Delivered, "250 ok", ""), result(mail.Failed, "550 unknown", "5.1.1")
	away := mail.Result{Scope: mail.OfLane, Err: io.EOF}
	for _, c := range []struct {
		name        string
		null, daemo mail.Result
		refused     bool
	}{
		{"accepted", ok, ok, false},
		{"unknown", no, no, true},
		{"for the null sender only", no, ok, false},
		{"with another code", no, result(mail.Failed, "554 unknown", "5.1.1"), false},
		{"with another enhanced code", no, result(mail.Failed, "550 unknown", "5.7.1"), false},
		{"later deferred", no, result(mail.Deferred, "450 later", ""), false},
		{"deferred", result(mail.Deferred, "450 later", ""), no, false},
		{"no answer", away, away, false},
		{"refuses us", mail.Result{Outcome: mail.Failed, Scope: mail.OfLane, Reply: "554 go away"},
			mail.Result{Outcome: mail.Failed, Scope: mail.OfLane, Reply: "554 go away"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				b := w.drop("jaco", "isp")
				a, change := recipients(func(from, to mail.Path) mail.Result {
					if to == "jaco@kroon.co.za" {
						return ok
					}
					if from == "" {
						return c.null
					}
					return c.daemo
				})
				b.change = change
				if v := w.visit("jaco"); v.Err != nil || len(a.asked) != 0 {
					t.Errorf("nothing to fetch, and %d were asked about: %+v", len(a.asked), v)
				}
				b.put("1", 100)
				b.put("L", 2<<20)
				v := w.visit("jaco")
				if (kindOf(v.Err) == mail.NoRecipient) != c.refused {
					t.Errorf("%+v", v)
				}
				if c.refused && (len(b.bodies()) != 0 || len(b.uids()) != 2 ||
					!strings.Contains(v.Err.(*mail.Trouble).Hint, "postmaster@kroon.co.za")) {
					t.Errorf("asked for %v, left %v", b.bodies(), b.uids())
				}
				if !c.refused && (w.queue.count() != 2 || len(a.asked) > 4) {
					t.Errorf("collected %d, asked about %d", w.queue.count(), len(a.asked))
				}
			})
		})
	}
}

func TestRecipientCheckOff(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		a, change := recipients(func(mail.Path, mail.Path) mail.Result {
			return mail.Result{Outcome: mail.Failed, Reply: "550 no"}
		})
		b.change = func(d *Drop) { change(d); d.Check = nil }
		b.put("1", 100)
		if v := w.visit("jaco"); v.Err != nil || len(a.asked) != 0 || w.queue.count() != 1 {
			t.Errorf("%+v", v)
		}
	})
}

// A recipient who was refused is asked about here at each visit, and the maildrop is dialled once a day alone, until the MTA
// takes mail for him.
func TestRefusedRecipientCostsNoLine(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		say := mail.Result{Outcome: mail.Failed, Reply: "550 unknown", Enhanced: "5.1.1", RemoteMTA: "localhost:25"}
		a, change := recipients(func(_, _ mail.Path) mail.Result { return say })
		b.change = change
		b.put("1", 100)
		visit := func(logins int, kind mail.Kind) {
			t.Helper()
			asked := len(a.asked)
			if v := w.visit("jaco"); kindOf(v.Err) != kind || b.logins() != logins || len(a.asked) == asked && kind == mail.NoRecipient {
				t.Errorf("%v; %d logins, want %d; %d questions", v.Err, b.logins(), logins, len(a.asked)-asked)
			}
		}
		visit(1, mail.NoRecipient)
		for range 3 {
			time.Sleep(5 * time.Minute)
			visit(1, mail.NoRecipient)
		}
		time.Sleep(daily)
		visit(2, mail.NoRecipient)
		visit(2, mail.NoRecipient)
		say.Outcome, say.Reply, say.Enhanced = mail.Delivered, "250 ok", ""
		if v := w.visit("jaco"); v.Err != nil || w.queue.count() != 1 {
			t.Errorf("after it was mended: %+v, %d collected", v, w.queue.count())
		}
	})
}
