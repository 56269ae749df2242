package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector of Go keeps what a busy minute has needed for quite a while. Most of a daemon's life is waiting, on a
// machine that is small, so what is not needed is given back as soon as it is calm.
const (
	tidyEvery = 10 * time.Second
	tidyFrom  = 4 << 20 // octets; less is not worth a collection
)

// tidy gives memory back until ctx ends.
func tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	m := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	var before uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(m)
		free, all := m[0].Value.Uint64(), m[1].Value.Uint64()
		if calm := all-before < tidyFrom; calm && free >= tidyFrom {
			debug.FreeOSMemory()
		}
		before = all
	}
}
