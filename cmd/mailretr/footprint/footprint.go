// Package footprint keeps small what a daemon that mostly waits holds of the machine's memory.
//
// It promises that what work needed, of the heap and of the program itself, is given back within [Every] after the work is
// done, and that nothing but a little time is lost by it. How much memory work needs is left to whoever does the work. It
// knows nothing of mail.
//
// Read first: [GiveBack].
package footprint

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Every is how often a daemon looks at what it holds: a collection of a heap of 50 MB takes some 50 ms, which once in that
// time is nothing.
const Every = 15 * time.Second

// GiveBack returns memory to the system, at each tick until ctx ends, that was used for work and is not needed any more.
// The runtime collects when its heap has doubled, or after two minutes: a daemon that has just opened a thousand
// connections, or passed a large message on, would hold twice what it needs while it waits. What starting needed of the
// program itself goes at the first tick, and what such work needed of it with the work's memory.
func GiveBack(ctx context.Context, tick <-chan time.Time) {
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		live, more := held()
		much := more > 2<<20 && more > live/8
		if much {
			debug.FreeOSMemory()
		}
		if first || much {
			forgetProgram()
		}
	}
}

// A crowd is so many maildrops that what is known of them and their connections is most of the memory. Each of them is
// seldom busy, so there is time to collect the garbage of a handshake before the next: 10 % above what lives rather than
// as much again, and what lives is scattered less. A poll of 1,000 maildrops makes 7 MB of garbage: five collections more.
const (
	crowd        = 200
	crowdGarbage = 10 // percent
)

// Expect makes the collector fit for so many maildrops, unless the environment has said, with GOGC, how it shall be.
func Expect(drops int) {
	if drops >= crowd && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(crowdGarbage)
	}
}

// held returns what the last collection has left, and what is held beside it, in octets.
func held() (live, more uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	live = s[0].Value.Uint64()
	objects, free := s[1].Value.Uint64(), s[2].Value.Uint64()
	return live, max(objects, live) - live + free
}
