package signin

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// patience is how long one back end may take: somebody is waiting before a page.
	patience = 10 * time.Second
	// slow is how long a refusal takes, or a whole number of these, so that nobody learns from the time what was wrong.
	slow = time.Second
	// atOnce bounds the questions that are under way: a crowd that guesses is no crowd at the back ends.
	atOnce = 8
	// longest bounds a name and a password, in octets.
	longest = 1024
)

// A Guard stands before the back ends: what could not be right does not reach them, and how long a refusal takes says
// nothing. Safe for concurrent use.
type Guard struct {
	next Checker
	room chan struct{}
}

// NewGuard returns the guard of some back ends, which are asked in their order.
func NewGuard(ends ...Checker) *Guard {
	return &Guard{next: Chain(ends), room: make(chan struct{}, atOnce)}
}

// Check is Checker.
func (g *Guard) Check(ctx context.Context, user, password string) (Who, error) {
	began := time.Now()
	who, err := g.ask(ctx, user, password)
	if err != nil {
		wait(ctx, slow-time.Since(began)%slow)
		return Who{}, err
	}
	return who, nil
}

// ask asks, where it makes sense, when there is room.
func (g *Guard) ask(ctx context.Context, user, password string) (Who, error) {
	if !Proper(user) || !Proper(password) {
		return Who{}, ErrRefused
	}
	select {
	case g.room <- struct{}{}:
		defer func() { <-g.room }()
	case <-ctx.Done():
		return Who{}, away(errors.New("too many want to sign in at once"))
	}
	return g.next.Check(ctx, user, password)
}

// Proper says whether s can be a name or a password. A control character could end a command, and a NUL a password; an
// empty password makes a bind of LDAP that proves nothing (RFC 4513, 5.1.2).
func Proper(s string) bool {
	return s != "" && len(s) <= longest && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// wait waits, unless nobody does so any more.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
