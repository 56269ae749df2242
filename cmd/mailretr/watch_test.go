package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A file that is saved in pieces is not refused for its first half: what is whole is read after a second of rest, and what is
// not after five.
func TestConfigurationIsJudgedAtRest(t *testing.T) {
	type step struct {
		after time.Duration
		whole bool
	}
	for name, x := range map[string]struct {
		steps []step
		want  []string // when it was judged, and as what
	}{
		"at once":          {[]step{{0, true}}, []string{"1s true"}},
		"quick pieces":     {[]step{{0, false}, {900 * time.Millisecond, false}, {900 * time.Millisecond, true}}, []string{"2.8s true"}},
		"slow pieces":      {[]step{{0, false}, {3 * time.Second, false}, {3 * time.Second, true}}, []string{"7s true"}},
		"a mistake":        {[]step{{0, false}}, []string{"5s false"}},
		"mended":           {[]step{{0, false}, {10 * time.Second, true}}, []string{"5s false", "11s true"}},
		"one mistake more": {[]step{{0, true}, {10 * time.Second, false}}, []string{"1s true", "15s false"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				changed, began := make(chan struct{}, 1), time.Now()
				var now atomic.Bool
				var got []string
				done := make(chan struct{})
				go func() {
					defer close(done)
					atRest(ctx, changed, func() bool { return now.Load() }, func() {
						got = append(got, fmt.Sprint(time.Since(began), " ", now.Load()))
					})
				}()
				for _, s := range x.steps {
					time.Sleep(s.after)
					now.Store(s.whole)
					changed <- struct{}{}
				}
				time.Sleep(time.Minute)
				stop()
				<-done
				if !slices.Equal(got, x.want) {
					t.Errorf("%q, want %q", got, x.want)
				}
			})
		})
	}
}
