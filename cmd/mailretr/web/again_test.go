package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
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

// A change of the configuration signs out at once whom it concerns: of users those who are gone or have another password, or
// other things; of who else knows passwords, or is an admin, everybody; of anything else nobody.
func TestChangedUsers(t *testing.T) {
	w := newWorld(t)
	user := func(name, hash string, owns ...string) conf.WebUser {
		return conf.WebUser{Name: name, Hash: conf.SecretPlain(hash), Owns: owns}
	}
	w.change(func(c *conf.Config) { c.Web.Users = []conf.WebUser{user("jaco", "$one"), user("anna", "$two")} })
	for what, x := range map[string]struct {
		change     func(*conf.Web)
		jaco, anna bool // go on
	}{
		"subjects":       {func(w *conf.Web) { w.Subjects, w.Help, w.Collect = true, "https://x.example/", 0 }, true, true},
		"another user":   {func(w *conf.Web) { w.Users = append(w.Users[:2:2], user("new", "$three")) }, true, true},
		"turned round":   {func(w *conf.Web) { w.Users = []conf.WebUser{w.Users[1], w.Users[0]} }, true, true},
		"gone":           {func(w *conf.Web) { w.Users = w.Users[1:] }, false, true},
		"a new password": {func(w *conf.Web) { w.Users = []conf.WebUser{user("jaco", "$new"), w.Users[1]} }, false, true},
		"he owns more":   {func(w *conf.Web) { w.Users = []conf.WebUser{user("jaco", "$one", "x"), w.Users[1]} }, false, true},
		"no users":       {func(w *conf.Web) { w.Users = nil }, false, false},
		"other admins":   {func(w *conf.Web) { w.Admins = nil }, false, false},
		"another place":  {func(w *conf.Web) { w.SignIn = []conf.SignIn{{Kind: "sqlite", SQL: &conf.SignInSQL{}}} }, false, false},
		"session":        {func(w *conf.Web) { w.Session = time.Hour }, false, false},
		"a proxy":        {func(w *conf.Web) { w.Proxy.Networks = []string{"192.0.2.7"} }, false, false},
	} {
		before := w.config()
		jaco, anna := w.as("jaco"), w.as("anna")
		w.change(func(c *conf.Config) { x.change(&c.Web) })
		for name, b := range map[string]struct {
			*browser
			want bool
		}{"jaco": {jaco, x.jaco}, "anna": {anna, x.anna}} {
			if _, text := b.get("/"); strings.Contains(text, "sign-out") != b.want {
				t.Errorf("%s: %s goes on: %v", what, name, !b.want)
			}
		}
		w.change(func(c *conf.Config) { *c = *before })
		w.server.web()
	}
}
