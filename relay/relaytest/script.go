package relaytest

import (
	"crypto/tls"
	"sync"
	"time"

	"mailretr/store/mail"
)

// A Script says what an MTA is. The zero value is one that takes everything.
type Script struct {
	LMTP     bool
	Greeting string            // "220 mta.test ESMTP" where it is empty
	Offers   []string          // keywords of EHLO, with their parameters; nil: DefaultOffers
	TLS      *tls.Config       // offers STARTTLS, or with Implicit shakes hands at once
	Implicit bool              // see TLS
	Users    map[string]string // with passwords: offers AUTH PLAIN LOGIN, and takes no mail without it
	Ends     byte              // '\n' or '\r': a sloppy receiver, for which this alone ends a line of data
	Proxy    bool              // wants a header of the PROXY protocol, version 1 or 2, before anything else
	XClient  bool              // offers XCLIENT NAME ADDR
	NoBodies bool              // count the octets of messages, do not keep them

	// Answer is asked at each step; the zero Answer does what is right. Calls are serialised; it must not
	// call the MTA.
	Answer func(Step) Answer
}

// DefaultOffers is what an MTA offers that was not told otherwise.
var DefaultOffers = []string{"PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN",
	"SMTPUTF8"}

// The steps that are no verbs: a client has connected, octets after 354 come, the final dot was read.
const (
	Connect = "CONNECT"
	Body    = "BODY"
	Dot     = "DOT"
)

// A Step is where a dialogue stands.
type Step struct {
	Conn    int    // 1 for the first connection
	Message int    // how many MAIL commands were accepted or are being asked on this connection
	Verb    string // "EHLO", "MAIL", …, in capitals; or Connect, Body, Dot
	Line    string // the command as it came
	Rcpt    int    // RCPT, and Dot with LMTP: which, 0 for the first; of the accepted ones with Dot
	Path    mail.Path
}

// An Answer is what is done instead of the right thing. Reply, Cut and Hang happen in this order.
type Answer struct {
	Delay time.Duration // before anything else
	After int           // Body: when this many octets have come
	Reply string        // "451 4.3.0 later", lines joined by "\n"; "" alone: what is right
	Raw   string        // octets as they are, instead of Reply
	Cut   bool          // close the connection
	Reset bool          // close it so that the client gets a reset
	Hang  bool          // say nothing until the client has gone
	Keep  bool          // Dot: take the message whatever is said about it
}

func (a Answer) zero() bool { return a == Answer{} }

// At answers so at this verb, always.
func At(verb string, a Answer) func(Step) Answer {
	return func(s Step) Answer {
		if s.Verb == verb {
			return a
		}
		return Answer{}
	}
}

// Once answers so the first time that the other would answer anything.
func Once(answer func(Step) Answer) func(Step) Answer {
	var mu sync.Mutex
	done := false
	return func(s Step) Answer {
		mu.Lock()
		defer mu.Unlock()
		a := answer(s)
		if done || a.zero() {
			return Answer{}
		}
		done = true
		return a
	}
}

// For answers so where a recipient has this path.
func For(path mail.Path, verb string, a Answer) func(Step) Answer {
	return func(s Step) Answer {
		if s.Verb == verb && s.Path == path {
			return a
		}
		return Answer{}
	}
}

// First is the first of several that answers anything.
func First(answers ...func(Step) Answer) func(Step) Answer {
	return func(s Step) Answer {
		for _, f := range answers {
			if a := f(s); !a.zero() {
				return a
			}
		}
		return Answer{}
	}
}
