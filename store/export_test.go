package store

import (
	"testing"
	"time"
)

// NewMem returns the engine in memory, for tests from outside.
func NewMem(now func() time.Time) Engine { return newMem(now) }

// Reopening returns what opens one engine in memory again and again.
func Reopening() func(testing.TB, func() time.Time) Engine {
	var last *mem
	return func(_ testing.TB, now func() time.Time) Engine {
		if last == nil {
			last = newMem(now)
		} else {
			last = last.reopen()
			last.now = now
		}
		return last
	}
}
