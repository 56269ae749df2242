package signin

import (
	"context"
	"fmt"

	"mailretr/relay/passwd"
	"mailretr/store/mail"
)

// A User stands in the configuration.
type User struct {
	Name   string
	Hash   func(context.Context) (string, error) // of the password, as passwd.ParseStored reads it; asked at each sign-in
	Owners []string                              // nil: the name
	Admin  bool
}

// Local are the users of the configuration.
type Local struct {
	users map[string]User
	bench bench
}

// bench is where hashes are computed, a few at a time: each takes memory.
type bench chan struct{}

const hashing = 2 // at once

func newBench() bench { return make(bench, hashing) }

// check computes when there is room.
func (b bench) check(ctx context.Context, h passwd.Hash, password string) (bool, error) {
	select {
	case b <- struct{}{}:
		defer func() { <-b }()
		return h.Check(password), nil
	case <-ctx.Done():
		return false, away(ctx.Err())
	}
}

// NewLocal returns the users. The last of two of one name counts.
func NewLocal(users []User) *Local {
	l := &Local{users: make(map[string]User, len(users)), bench: newBench()}
	for _, u := range users {
		if u.Owners == nil {
			u.Owners = []string{u.Name}
		}
		l.users[u.Name] = u
	}
	return l
}

// Check is Checker. For a user that is not there it is as busy as for another.
func (l *Local) Check(ctx context.Context, name, password string) (Who, error) {
	u, known := l.users[name]
	if !known {
		if _, err := l.bench.check(ctx, passwd.Nobody(), password); err != nil {
			return Who{}, err
		}
		return Who{}, ErrRefused
	}
	text, err := u.Hash(ctx)
	if err != nil {
		return Who{}, away(err)
	}
	h, err := passwd.ParseStored(text, "")
	if err != nil {
		return Who{}, away(fmt.Errorf("user %s: %w", mail.Printable(u.Name, 100), err))
	}
	right, err := l.bench.check(ctx, h, password)
	switch {
	case err != nil:
		return Who{}, err
	case !right:
		return Who{}, ErrRefused
	}
	return u.who(text), nil
}

// who is a user with what is kept of his password now.
func (u *User) who(hash string) Who {
	return Who{Name: u.Name, Owners: u.Owners, Admin: u.Admin, mark: markOf(hash)}
}

// Recheck is Rechecker.
func (l *Local) Recheck(ctx context.Context, then Who) (Who, error) {
	u, known := l.users[then.Name]
	if !known {
		return Who{}, ErrRefused
	}
	text, err := u.Hash(ctx)
	if err != nil {
		return Who{}, away(err)
	}
	now := u.who(text)
	return now, now.same(then)
}
