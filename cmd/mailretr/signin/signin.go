package signin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// A Checker knows users and their passwords.
type Checker interface {
	// Check says who the user is. An error is ErrRefused or ErrAway, or wraps one of them, or both where several were
	// asked; its text is for the log, and not for who wants to come in. Safe for concurrent use.
	Check(ctx context.Context, user, password string) (Who, error)
}

// Who is somebody who has signed in.
type Who struct {
	Name   string   // as the back end has it, for people and logs
	Owners []string // whose maildrops are shown: values of their owner:
	Admin  bool     // sees all maildrops and the queue, and may change them

	by    int               // which of a Chain has let him in, from 1
	asked string            // the name as he wrote it, where that is asked for again
	mark  [sha256.Size]byte // of what was kept of his password; see markOf
}

var (
	// ErrRefused says that there is no such user, or that the password is another: which of them, nobody is told.
	ErrRefused = errors.New("user or password are wrong")
	// ErrAway says that nobody could tell whether they are right; the cause is in the text.
	ErrAway = errors.New("passwords cannot be checked now")
)

// away is an ErrAway with its cause. The caller sees to it that the cause has no secret.
func away(cause error) error { return fmt.Errorf("%w: %w", ErrAway, cause) }

// A Chain asks one after the other; the first that knows user and password says who it is. It asks on after a refusal,
// since the same name may be known elsewhere, with another password. Where nobody knows them, but somebody was away, it is
// ErrAway; and ErrRefused too where one of the others has refused them.
type Chain []Checker

// Check is Checker.
func (c Chain) Check(ctx context.Context, user, password string) (Who, error) {
	var gone []error
	refused := false
	for i, one := range c {
		who, err := one.Check(ctx, user, password)
		switch {
		case err == nil:
			who.by = i + 1
			return who, nil
		case errors.Is(err, ErrRefused):
			refused = true
		default:
			gone = append(gone, err)
		}
	}
	if refused || len(gone) == 0 {
		gone = append(gone, ErrRefused)
	}
	return Who{}, errors.Join(gone...)
}

// Named puts the name of a back end before what it says to the log, and gives it an end in time.
func Named(name string, c Checker) Checker { return named{name, c} }

type named struct {
	name string
	Checker
}

// Check is Checker.
func (n named) Check(ctx context.Context, user, password string) (Who, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	who, err := n.Checker.Check(ctx, user, password)
	return n.named(who, err)
}

// named is what a back end says, with its name where that is an error.
func (n named) named(who Who, err error) (Who, error) {
	switch {
	case err == nil && who.Name == "":
		return Who{}, fmt.Errorf("%s: %w", n.name, away(errors.New("the answer has no name")))
	case err == nil:
		return who, nil
	case errors.Is(err, ErrRefused) || errors.Is(err, ErrAway) || errors.Is(err, ErrUnasked):
		return Who{}, fmt.Errorf("%s: %w", n.name, err)
	}
	return Who{}, fmt.Errorf("%s: %w", n.name, away(err))
}
