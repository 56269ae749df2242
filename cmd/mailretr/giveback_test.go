package main

import (
	"context"
	"testing"
	"time"
)

var ballast []byte

// What was used and is not needed any more is given back at the next tick.
func TestGiveBack(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tick, done := make(chan time.Time), make(chan struct{})
	go func() { giveBack(ctx, tick); close(done) }()
	tick <- time.Time{}
	ballast = make([]byte, 64<<20)
	ballast = nil
	_, before := held()
	tick <- time.Time{}
	cancel()
	<-done
	if _, after := held(); before < 64<<20 || after > before/2 {
		t.Errorf("%d octets were held beside what lives, %d are", before, after)
	}
}
