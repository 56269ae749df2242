package signin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync"
)

// A Rechecker can say later, without a password, whether somebody would still come in.
type Rechecker interface {
	Checker
	// Recheck says who it is by now whom Check has let in: what is his may have changed meanwhile. ErrRefused says that he
	// would not come in any more, or has another password than then; ErrAway that nobody could tell; ErrUnasked that it
	// cannot be asked there at all. Safe for concurrent use.
	Recheck(context.Context, Who) (Who, error)
}

// ErrUnasked says that a back end knows nobody without his password.
var ErrUnasked = errors.New("without a password nobody can tell")

// markKey makes marks worth nothing elsewhere: they are of what is kept of passwords.
var markKey = sync.OnceValue(func() []byte {
	b := make([]byte, sha256.Size)
	_, _ = rand.Read(b) // never fails
	return b
})

// markOf is a mark of some texts, which changes where one of them does.
func markOf(texts ...string) (m [sha256.Size]byte) {
	h := hmac.New(sha256.New, markKey())
	for _, t := range texts {
		sum := sha256.Sum256([]byte(t))
		h.Write(sum[:])
	}
	h.Sum(m[:0])
	return m
}

// Recheck is Rechecker. Nobody waits before a page for it, and nothing can be guessed by it.
func (g *Guard) Recheck(ctx context.Context, who Who) (Who, error) {
	if r, ok := g.next.(Rechecker); ok {
		return r.Recheck(ctx, who)
	}
	return Who{}, ErrUnasked
}

// Recheck is Rechecker: it asks who has let him in.
func (c Chain) Recheck(ctx context.Context, who Who) (Who, error) {
	if who.by < 1 || who.by > len(c) {
		return Who{}, ErrUnasked
	}
	r, ok := c[who.by-1].(Rechecker)
	if !ok {
		return Who{}, ErrUnasked
	}
	now, err := r.Recheck(ctx, who)
	now.by = who.by
	return now, err
}

// Recheck is Rechecker.
func (n named) Recheck(ctx context.Context, who Who) (Who, error) {
	r, ok := n.Checker.(Rechecker)
	if !ok {
		return Who{}, ErrUnasked
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now, err := r.Recheck(ctx, who)
	return n.named(now, err)
}

// same says whether somebody is who came in then, with the password of then.
func (w Who) same(then Who) error {
	if w.Name != then.Name || w.mark != then.mark {
		return ErrRefused
	}
	return nil
}
