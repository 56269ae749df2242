package metrics

import (
	"context"

	"golang.org/x/sync/singleflight"

	"mailretr/store"
)

// asked asks the store for its totals, once for all who want to know at that moment, and does not wait for longer than
// the context: a store that hangs may do so while it is asked, and whoever asks is to hear that.
type asked struct {
	totals func(context.Context) (store.Totals, error)
	once   singleflight.Group
}

func (a *asked) ask(ctx context.Context) (store.Totals, error) {
	answer := a.once.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrapeTime)
		defer cancel()
		return a.totals(ctx)
	})
	select {
	case x := <-answer:
		if x.Err != nil {
			return store.Totals{}, x.Err
		}
		return x.Val.(store.Totals), nil
	case <-ctx.Done():
		return store.Totals{}, ctx.Err()
	}
}
