package mail

import (
	"fmt"
	"time"
)

// An Outcome is what became of one recipient in one attempt.
type Outcome uint8

// Deferred is the zero value on purpose: where nothing definite was said, the message is kept and tried again.
const (
	Deferred  Outcome = iota
	Delivered         // somebody else is responsible now
	Failed            // a definite refusal
)

// String returns the word used in logs: deferred, delivered or failed.
func (o Outcome) String() string {
	switch o {
	case Delivered:
		return "delivered"
	case Failed:
		return "failed"
	}
	return "deferred"
}

// A Scope says of whom a result speaks.
type Scope uint8

const (
	OfRecipient Scope = iota
	OfMessage         // the same for each recipient of this message
	OfLane            // the next hop refuses us or is away: no attempt counts, the lane is sick
	OfSession         // this recipient was not asked (452 too many): next transaction, no attempt counts
	OfTurn            // its mailbox was not asked, since other mail is just going there: no attempt counts, Again says when
)

// A Result is what one attempt said about one recipient. The zero value is a deferral about which nothing is known.
type Result struct {
	Outcome   Outcome
	Scope     Scope
	Enhanced  string  // RFC 3463, "5.1.1"; "" where nobody gave one
	Reply     string  // the reply as it came, lines joined by a blank, e.g. "550 no such user"; not yet escaped
	RemoteMTA string  // who said it: "localhost:25"
	Err       error   // for us, never shown to a remote party: the I/O error, the local cause
	After     Op      // the step that was under way; OpDot: a cut after the final dot, may have delivered
	Custody   Custody // of Delivered: who reports it to a sender who asked for that
	At        time.Time
	Again     time.Time // of OfTurn: when it is its turn
}

// String says the result in one line, for people.
func (r Result) String() string {
	switch {
	case r.Reply != "" && r.RemoteMTA != "":
		return fmt.Sprintf("%s said: %s", r.RemoteMTA, Printable(r.Reply, 512))
	case r.Reply != "":
		return Printable(r.Reply, 512)
	case r.Err != nil:
		return Printable(r.Err.Error(), 512)
	}
	return r.Outcome.String()
}

// A Report holds one Result per recipient of the envelope, in its order. A report that is shorter than the envelope
// defers those it does not mention.
type Report []Result

// Done says whether all n recipients were delivered: n > 0, exactly n results, each Delivered. It is the only thing
// that lets go of a message upstream.
func (r Report) Done(n int) bool { return n > 0 && len(r) == n && r.All(Delivered) }

// All says whether there are results and each has this outcome.
func (r Report) All(o Outcome) bool {
	for _, x := range r {
		if x.Outcome != o {
			return false
		}
	}
	return len(r) > 0
}

// Sick returns the result that speaks of the whole lane, or nil.
func (r Report) Sick() *Result {
	for i := range r {
		if r[i].Scope == OfLane {
			return &r[i]
		}
	}
	return nil
}

// Of returns the result of recipient i, Deferred where the report is short.
func (r Report) Of(i int) Result {
	if i < len(r) {
		return r[i]
	}
	return Result{}
}

// Same returns a report of n equal results.
func Same(n int, x Result) Report {
	r := make(Report, n)
	for i := range r {
		r[i] = x
	}
	return r
}
