package fetchtest

import (
	"mailretr/store/mail"
)

// A Harness is one maildrop, empty at first, and the retriever that is to be tried on it.
type Harness struct {
	Can Can

	// Put adds one message for each argument, in this order.
	Put func(octets ...[]byte)

	// Clear removes what waits. Needed where there is a line.
	Clear func()

	// Retriever returns a retriever that reaches the maildrop over this line: it dials through
	// [Line.Dialer]. Where there is no line (the queue) it is not used. Called several times in a test.
	Retriever func(*Line) mail.Retriever

	// Left returns the messages that still wait, in their order: asked at the maildrop itself, not
	// through a retriever.
	Left func() [][]byte

	// Lie makes the maildrop announce this size for each message, from now on. nil: it cannot lie.
	Lie func(size int64)
}

// Can says what an implementation is able to do; the suite asks no more of it.
type Can struct {
	Line    bool // there is a network in between
	List    bool // List says what waits
	Again   bool // what was not let go of is there again in the next session
	Deletes bool // what is Done is removed (not: kept, or moved)
	Raw     bool // octets pass as they are, bare CR and bare LF too; else the normal form only
	Ahead   bool // sessions are mail.Aheader
	Release bool // sessions are mail.Releaser
	Gone    bool // sessions are mail.Confirmed
	Glance  bool // sessions are mail.Glancer
	Resume  bool // contents are mail.Resumer
}
