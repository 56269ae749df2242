package footprint

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

var ballast []byte

// What was used and is not needed any more is given back at the next tick.
func TestGiveBack(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // else the runtime gives back by itself, if it is given the time
	ctx, cancel := context.WithCancel(t.Context())
	tick, done := make(chan time.Time), make(chan struct{})
	ballast = make([]byte, 64<<20)
	ballast = nil
	runtime.GC() // one that was under way may have taken it for alive
	_, before := held()
	go func() { GiveBack(ctx, tick); close(done) }()
	tick <- time.Time{}
	cancel()
	<-done
	if _, after := held(); before < 48<<20 || after > before/2 {
		t.Errorf("%d octets were held beside what lives, %d are", before, after)
	}
}
