package main

import (
	"bytes"
	"context"
	"testing"
)

// Whoever ends a verb is not told of contexts.
func TestInterrupted(t *testing.T) {
	var said bytes.Buffer
	newApp(nil, nil, &said).complain(context.Canceled)
	if got := said.String(); got != "mailretr: interrupted\n" {
		t.Errorf("%q", got)
	}
}
