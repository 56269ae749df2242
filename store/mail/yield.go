package mail

import (
	"context"
	"errors"
)

// ErrYield is why an attempt was given up that was asked to give way.
var ErrYield = errors.New("the attempt was given up: somebody wants the message now")

type yieldKey struct{}

// WithYield returns a context in which an attempt is asked to give way when yield ends. It differs from ctx ending: it is
// obeyed only as long as nothing can have been delivered, and never cuts an answer off.
func WithYield(ctx, yield context.Context) context.Context {
	return context.WithValue(ctx, yieldKey{}, yield)
}

// Yielding returns the context for that part of an attempt: it ends with ctx, or with ErrYield as its cause when the
// attempt is asked to give way. The caller calls cancel in any case.
func Yielding(ctx context.Context) (early context.Context, cancel context.CancelFunc) {
	early, end := context.WithCancelCause(ctx)
	stop := func() bool { return true }
	if yield, ok := ctx.Value(yieldKey{}).(context.Context); ok {
		stop = context.AfterFunc(yield, func() { end(ErrYield) }) // no goroutine: one for each attempt would be dear
	}
	return early, func() { stop(); end(nil) }
}
