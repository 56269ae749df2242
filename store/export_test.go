package store

import "time"

// NewMem returns the engine in memory, for tests from outside.
func NewMem(now func() time.Time) Engine { return newMem(now) }
