package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// fates is a policy by the first word of the reply's text.
func fates(_ *Record, x mail.Result) Fate {
	var e interface{ Expired() bool }
	switch {
	case errors.As(x.Err, &e) && e.Expired():
		return Fate{Redirect, "rescue@b.example"}
	case strings.Contains(x.Reply, "keep"):
		return Fate{Act: Keep}
	case strings.Contains(x.Reply, "postmaster"):
		return Fate{Act: Redirect}
	case strings.Contains(x.Reply, "nobody"):
		return Fate{Redirect, "nobody@b.example"}
	case strings.Contains(x.Reply, "discard"):
		return Fate{Act: Discard}
	}
	return Fate{}
}

func refusal(word string) mail.Result {
	return mail.Result{Outcome: mail.Failed, Reply: "550 5.7.1 " + word, Enhanced: "5.7.1", RemoteMTA: "mta:25"}
}

// Each recipient has the fate that its failure has, in one commit.
func TestFates(t *testing.T) {
	w, r := informed(t)
	w.Fate = fates
	id := w.put(message("1", "a@b.example", "bounce@a.example", "keep@a.example", "postmaster@a.example",
		"discard@a.example", "nobody@a.example", "yes@a.example"))
	w.pass("main", func(*mail.Message) mail.Report {
		return mail.Report{refusal("bounce"), refusal("keep"), refusal("postmaster"), refusal("discard"), refusal("nobody"), yes}
	})
	if !slices.Equal(r.told, []mail.Path{"bounce@a.example"}) ||
		!slices.Equal(r.redirect, []string{"postmaster@a.example postmaster@b.example"}) {
		t.Errorf("told %v, redirected %v", r.told, r.redirect)
	}
	all := w.records()
	var whole int
	for _, x := range all {
		switch {
		case x.ID == id && (letters(&x) != "keep@a.exampleNOBODY@A.EXAMPLE" || x.Hold != HoldMute):
			t.Errorf("%+v", x)
		case x.Whole:
			whole++
		}
	}
	if len(all) != 3 {
		t.Errorf("%d records", len(all))
	}
	if whole != 1 {
		t.Errorf("%d of the reports have the message whole", whole)
	}
	discarded := slices.ContainsFunc(w.events.of(mail.OpDiscard), func(e mail.Event) bool {
		return e.To == "discard@a.example" && e.Messages == 1 && strings.Contains(e.Text, "discarded")
	})
	if !discarded {
		t.Error("what was discarded is not told")
	}
}

// What is kept is held once nothing else is left, is attempted again when it is let go, and kept again.
func TestFateKeep(t *testing.T) {
	w, _ := informed(t)
	w.Fate = fates
	id := w.put(message("1", "a@b.example", "k@a.example", "l@a.example"))
	w.pass("main", func(*mail.Message) mail.Report { return mail.Report{refusal("keep"), later} })
	if r := w.records(); len(r) != 1 || r[0].Held() {
		t.Fatalf("held while somebody waits: %+v", r)
	}
	w.clock.add(time.Hour)
	w.pass("main", func(m *mail.Message) mail.Report {
		if len(m.Envelope.Recipients) != 1 || m.Envelope.Recipients[0].Forward != "l@a.example" {
			t.Errorf("attempted for %v", m.Envelope.Recipients)
		}
		return mail.Report{yes}
	})
	for range 2 {
		r := w.records()
		if len(r) != 1 || r[0].Hold != HoldKept || !strings.Contains(r[0].HoldWhy, "5.7.1 keep") {
			t.Fatalf("%+v", r)
		}
		if err := w.Release(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
		w.pass("main", always(refusal("keep")))
	}
	if e := w.events.of(mail.OpHold); len(e) == 0 || !e[0].Alarm {
		t.Errorf("%+v", e)
	}
	if err := w.Bounce(t.Context(), id, "enough", nil); err != nil {
		t.Fatal(err)
	}
	if r := w.records(); len(r) != 1 || r[0].Parent != id {
		t.Errorf("what is kept cannot be given up: %+v", r)
	}
}

// What could not be delivered in time goes where the admin wants it.
func TestFateExpired(t *testing.T) {
	w, r := informed(t)
	w.Fate = fates
	w.put(message("1", "a@b.example", "x@a.example"))
	w.clock.add(6 * 24 * time.Hour)
	w.pass("main", always(later))
	if !slices.Equal(r.redirect, []string{"x@a.example rescue@b.example"}) || len(r.told) != 0 {
		t.Errorf("%v, %v", r.redirect, r.told)
	}
	// A report that fails has its own rule.
	rescued := w.records()[0]
	w.pass("b.example", always(refusal("discard")))
	if all := w.records(); len(all) != 1 || all[0].ID != rescued.ID || all[0].Hold != HoldMute {
		t.Errorf("%+v", all)
	}
}

// A message is held by a rule when it is queued, and not again when it was let go.
func TestHoldByRule(t *testing.T) {
	w, _ := informed(t)
	w.Rule = func(r *Record) string {
		if r.Reverse == "big@b.example" && r.Size > 10 {
			return "above 10"
		}
		return ""
	}
	id := w.put(message("1", "big@b.example", "x@a.example"))
	w.put(message("2", "a@b.example", "x@a.example"))
	if n := w.pass("main", always(yes)); n != 1 {
		t.Errorf("%d attempted", n)
	}
	r := w.records()
	if e := w.events.of(mail.OpHold); len(r) != 1 || r[0].ID != id || r[0].Hold != HoldRule || r[0].HoldWhy != "above 10" ||
		len(e) != 1 {
		t.Fatalf("%+v, %+v", r, e)
	}
	if err := w.Release(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if n := w.pass("main", always(yes)); n != 1 || len(w.records()) != 0 {
		t.Errorf("%d attempted", n)
	}
}

// What a probe refused has its fate too.
func TestRefuseFates(t *testing.T) {
	for word, want := range map[string]string{"keep": "kept", "postmaster": "fetch", "discard": "", "bounce": ""} {
		w, r := informed(t)
		w.Fate = fates
		m := message("1", "a@b.example", "x@a.example", "y@a.example")
		err := w.Refuse(t.Context(), m, mail.Same(2, refusal(word)))
		var u *Untold
		got := ""
		if errors.As(err, &u) {
			got = map[bool]string{u.Kept(): "kept", u.Fetch(): "fetch"}[true]
		}
		if got != want || (err != nil) != (want != "") {
			t.Errorf("%s: %v", word, err)
		}
		marks, _ := w.Engine.Marks(t.Context(), "acc", []mail.UID{"1"})
		if taken := marks[0].Mark == Taken; taken != (want == "") {
			t.Errorf("%s: mark %v", word, marks[0].Mark)
		}
		if told := len(r.told) == 2; told != (word == "bounce") {
			t.Errorf("%s: told %v", word, r.told)
		}
	}
}
