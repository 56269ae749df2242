package web

import (
	"context"
	"net/http"
	"testing"

	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
)

// A guess is one although a place that might know the password is away; and what nobody has looked at, since the place was away
// or who guesses has gone, makes up for no wrong one.
func TestBruteForceWhileAway(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for i := range 5 {
		if code, _ := b.post("/sign-in", "user", "jaco", "password", "half"); code != http.StatusServiceUnavailable {
			t.Fatalf("%d: %d", i, code)
		}
	}
	if code, _ := b.post("/sign-in", "user", "jaco", "password", "half"); code != http.StatusTooManyRequests {
		t.Errorf("a sixth guess: %d", code)
	}
	for range 4 {
		b.post("/sign-in", "user", "anna", "password", "wrong")
	}
	b.post("/sign-in", "user", "anna", "password", "away")
	b.post("/sign-in", "user", "anna", "password", "wrong")
	if code, _ := b.post("/sign-in", "user", "anna", "password", "right"); code != http.StatusTooManyRequests {
		t.Errorf("after five wrong ones: %d", code)
	}
}

// A sign-in that was under way when the rules changed is one by the old rules, and lets nobody in.
func TestSignInByOldRules(t *testing.T) {
	w := newWorld(t)
	w.server.SignIn = func() signin.Checker {
		return during{w.people, func() { w.change(func(c *conf.Config) { c.Web.Admins = nil }) }}
	}
	b := w.browser()
	if code, _ := b.post("/sign-in", "user", "jaco", "password", "right"); code != http.StatusServiceUnavailable || len(b.cookies()) > 0 {
		t.Errorf("%d %v", code, b.cookies())
	}
	w.as("jaco")
}

// during is a place in which something happens while it is asked.
type during struct {
	people
	happens func()
}

func (d during) Check(ctx context.Context, user, password string) (signin.Who, error) {
	d.happens()
	return d.people.Check(ctx, user, password)
}
