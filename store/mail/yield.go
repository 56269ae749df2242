package mail

import (
	"context"
	"errors"
)

// ErrYield is why an attempt was given up that was asked to give way.
var ErrYield = errors.New("the attempt was given up: somebody wants the message now")

type yieldKey struct{}

// WithYield returns a context in which an attempt is asked to give way when yield is closed. It differs from a context
// that ends: it is obeyed only as long as nothing can have been delivered, and never cuts an answer off.
func WithYield(ctx context.Context, yield <-chan struct{}) context.Context {
	return context.WithValue(ctx, yieldKey{}, yield)
}

// Yielding returns the context for that part of an attempt: it ends with ctx, or with ErrYield as its cause when the
// attempt is asked to give way. The caller calls cancel in any case.
func Yielding(ctx context.Context) (early context.Context, cancel context.CancelFunc) {
	early, end := context.WithCancelCause(ctx)
	if yield, ok := ctx.Value(yieldKey{}).(<-chan struct{}); ok {
		go func() {
			select {
			case <-yield:
				end(ErrYield)
			case <-early.Done():
			}
		}()
	}
	return early, func() { end(nil) }
}
