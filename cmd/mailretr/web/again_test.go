package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"mailretr/cmd/mailretr/signin"
)

// asked are people of whom it can be asked whether they would still come in.
type asked struct {
	people
	times int
	err   error
}

func (a *asked) Recheck(_ context.Context, who signin.Who) (signin.Who, error) {
	a.times++
	now, ok := a.people[who.Name]
	switch {
	case a.err != nil:
		return now, a.err
	case !ok:
		return now, signin.ErrRefused
	}
	return now, nil
}

// Who would not come in any more is signed out within a few minutes in which he does anything; a place that is away, or
// cannot be asked, ends nothing; and what somebody may see is what is said of him now.
func TestAskedAgain(t *testing.T) {
	w := newWorld(t)
	a := &asked{people: w.people}
	w.server.SignIn = func() signin.Checker { return a }
	b, other := w.as("jaco"), w.as("anna")
	in := func(b *browser) (in, admin bool) {
		t.Helper()
		b.get("/maildrop?name=jaco") // it is asked behind this one
		w.server.asks.wait()
		_, text := b.get("/maildrop?name=jaco")
		return strings.Contains(text, "sign-out"), strings.Contains(text, "/admin/queue")
	}
	if yes, _ := in(b); !yes || a.times != 0 {
		t.Errorf("asked %d times just after he has signed in", a.times)
	}
	for i, err := range []error{nil, signin.ErrAway, signin.ErrUnasked} {
		w.pass(askAgain)
		if a.err = err; a.err == nil {
			w.people["jaco"] = signin.Who{Name: "jaco", Owners: []string{"jaco@kroon.co.za"}, Admin: true}
		}
		if yes, admin := in(b); !yes || !admin || a.times != i+1 {
			t.Errorf("%v: in %v, admin %v, asked %d times", err, yes, admin, a.times)
		}
	}
	delete(w.people, "jaco")
	a.err = nil
	w.pass(askAgain - time.Second)
	if yes, _ := in(b); !yes || a.times != 3 {
		t.Errorf("asked %d times, too early", a.times)
	}
	w.pass(time.Second)
	if yes, _ := in(b); yes {
		t.Error("he is gone, and goes on")
	}
	if yes, _ := in(other); !yes {
		t.Error("another one was signed out")
	}

	// Too many questions at once: the next use of the session asks.
	w.pass(askAgain)
	w.server.asks.busy = asking
	n := a.times
	if in(other); a.times != n {
		t.Error("it was asked although others are")
	}
	w.server.asks.busy = 0
	if in(other); a.times != n+1 {
		t.Error("it was never asked")
	}
}
