package control

import (
	"encoding/hex"
	"time"

	"mailretr/store"
)

// A Message is one record of the queue, as lists show it. Names that Postfix's postqueue -j has mean the
// same here, so that what reads those reads these. Texts of servers are as they came.
type Message struct {
	Name    string `json:"queue_name"` // active, hold, deferred, incoming
	ID      string `json:"queue_id"`
	Short   string `json:"short_id,omitempty"` // its shortest unique ending, where it was asked for
	Arrived int64  `json:"arrival_time"`       // seconds since 1970
	Size    int64  `json:"message_size"`
	Sender  string `json:"sender"` // "" is the null reverse-path

	State    State     `json:"state"`
	Hold     string    `json:"hold,omitempty"`   // which kind of hold
	Why      string    `json:"reason,omitempty"` // of the hold, for people
	Queued   time.Time `json:"queued"`
	Due      time.Time `json:"due,omitzero"`
	Last     time.Time `json:"last_attempt,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Attempts int       `json:"attempts"`
	Lane     string    `json:"lane"`
	Home     string    `json:"fallen_back_from,omitempty"` // the lane of its route, where it has waited too long
	Moved    time.Time `json:"fallen_back,omitzero"`

	Maildrop string `json:"maildrop,omitempty"`
	UID      string `json:"uid,omitempty"`
	Line     int64  `json:"line_octets,omitempty"`  // what it cost on the line
	Saved    int64  `json:"saved_octets,omitempty"` // what attempts did not cost a second time
	Parent   string `json:"parent,omitempty"`       // of a DSN: what it reports on
	SHA256   string `json:"sha256,omitempty"`

	Recipients []Recipient `json:"recipients"`
	More       int         `json:"more_recipients,omitempty"` // that a brief list leaves out
}

// brief leaves out what a line about the message does not need: who lists a hundred thousand waits for each octet.
func (m *Message) brief() {
	m.Hold, m.Why, m.Last, m.Expires, m.SHA256 = "", "", time.Time{}, time.Time{}, ""
	m.Maildrop, m.UID, m.Line, m.Saved, m.Parent = "", "", 0, 0, ""
	if n := len(m.Recipients); n > 0 {
		m.Recipients, m.More = []Recipient{{Address: m.Recipients[0].Address, State: m.Recipients[0].State}}, n-1
	}
}

// A Recipient of a Message.
type Recipient struct {
	Address string    `json:"address"`
	Reason  string    `json:"delay_reason,omitempty"` // what was said last
	State   string    `json:"state"`                  // waiting, deferred, failed
	Status  string    `json:"dsn,omitempty"`          // RFC 3463
	Relay   string    `json:"relay,omitempty"`        // who said it
	At      time.Time `json:"at,omitzero"`            // when it was said last
	Since   time.Time `json:"since,omitzero"`         // when it was said first
	Times   int       `json:"times,omitempty"`        // how often
	Copy    bool      `json:"copy,omitempty"`         // it has several destinations, and the sender does not hear of this one
}

// A State of a message, in a word.
type State string

const (
	Queued    State = "queued"    // not attempted yet
	Deferred  State = "deferred"  // attempted, and will be again
	Active    State = "active"    // being attempted
	Held      State = "held"      // not attempted until somebody says so
	Reporting State = "reporting" // nobody left to deliver to, the report is owed
)

// States are all of them.
func States() []State { return []State{Queued, Deferred, Active, Held, Reporting} }

// postfix is the queue it would be in there.
func (s State) postfix() string {
	switch s {
	case Active:
		return "active"
	case Held:
		return "hold"
	case Queued:
		return "incoming"
	}
	return "deferred"
}

// stateOf says in a word what becomes of a record.
func stateOf(l *store.Listed) State {
	r := &l.Record
	switch {
	case l.Leased:
		return Active
	case r.Held():
		return Held
	case len(r.Envelope().Recipients) == 0:
		return Reporting
	case r.Tries > 0:
		return Deferred
	}
	return Queued
}

// holds names the kinds of hold; the words are part of the API.
var holds = map[store.Hold]string{
	store.HoldAdmin: "admin",
	store.HoldLost:  "damaged",
	store.HoldCrash: "crash",
	store.HoldAlike: "suspect",
	store.HoldMute:  "mute",
	store.HoldRcpt:  "misconfigured",

	store.HoldRestored: "restored",
	store.HoldKept:     "kept",
	store.HoldFlood:    "flood",
	store.HoldRule:     "rule",
}

// messageOf makes a Message of a record. expire is how long its lane tries.
func messageOf(l *store.Listed, expire time.Duration) Message {
	r := &l.Record
	state := stateOf(l)
	m := Message{
		Name: state.postfix(), ID: r.ID.String(), Arrived: r.Queued.Unix(), Size: r.Size, Sender: string(r.Reverse),
		State: state, Hold: holds[r.Hold], Why: r.HoldWhy,
		Queued: r.Queued, Due: r.Due, Last: r.Last, Attempts: r.Attempts, Lane: string(r.Lane),
		Maildrop: r.Origin.Maildrop, UID: string(r.Origin.UID), Line: r.Line,
		SHA256: hex.EncodeToString(r.SHA256[:]),
	}
	if expire > 0 {
		m.Expires = r.Queued.Add(expire + min(r.Sick, expire))
	}
	if r.Origin.UID != "" { // a connection that was refused would have cost nothing: it is no attempt
		m.Saved = int64(r.Attempts) * r.Size
	}
	if r.Home != "" {
		m.Home, m.Moved = string(r.Home), r.Moved
	}
	if !r.Parent.Zero() {
		m.Parent = r.Parent.String()
	}
	for i := range r.Recipients {
		m.Recipients = append(m.Recipients, recipientOf(&r.Recipients[i]))
	}
	return m
}

func recipientOf(x *store.Recipient) Recipient {
	y := Recipient{
		Address: string(x.Forward), State: "waiting", Status: x.Last.Enhanced, Relay: x.Last.RemoteMTA,
		Reason: x.Last.Reply, At: x.Last.At, Since: x.Since, Times: x.Times, Copy: x.Copy,
	}
	if y.Reason == "" {
		y.Reason = x.Last.Err
	}
	switch {
	case x.State == store.Owed:
		y.State = "failed"
	case x.State == store.Resting:
		y.State = "kept"
	case !x.Last.At.IsZero():
		y.State = "deferred"
	}
	return y
}
