package status

import (
	"slices"
	"time"

	"mailretr/store/mail"
)

// A State of a maildrop, in one word; or of a lane: OK, Sick, Never.
type State string

// The states. The names are in JSON and in tables of others: they are never renamed.
const (
	OK        State = "ok"
	Late      State = "late"      // something went wrong that mends itself, or nobody was there when it was due
	Login     State = "login"     // the login is refused
	TLS       State = "tls"       // the connection cannot be secured
	Connect   State = "connect"   // the server cannot be reached
	Busy      State = "busy"      // the server asks to wait, again and again
	Protocol  State = "protocol"  // the server speaks nonsense, or messages cannot be had
	Envelope  State = "envelope"  // there is mail of which nobody knows who it is for
	Recipient State = "recipient" // the MTA refuses the configured recipient
	Local     State = "local"     // something is wrong here
	Budget    State = "budget"    // a budget of the line is spent
	Pause     State = "paused"    // somebody said so
	Never     State = "never"     // it was not visited yet
	Sick      State = "sick"      // of a lane: the next hop takes nothing
)

// worst is the order in which people want to see them.
var worst = []State{
	Recipient, Login, TLS, Local, Sick, Envelope, Protocol, Connect, Busy, Budget, Late, Pause, Never, OK,
}

// Compare orders states, those that somebody has to look at first.
func (s State) Compare(other State) int { return slices.Index(worst, s) - slices.Index(worst, other) }

// Well says whether nobody has to do anything.
func (s State) Well() bool { return s == OK || s == Never || s == Pause }

// Status is how one maildrop is. All text is escaped and bounded. Octets are those of the line where the
// name says so, of messages otherwise.
type Status struct {
	Maildrop string    `json:"maildrop"`
	State    State     `json:"state"`
	Words    string    `json:"words,omitempty"`           // State as a sentence, also where nothing is wrong; At says it
	Since    time.Time `json:"since,omitzero"`            // when State began
	Class    string    `json:"class,omitempty"`           // of the trouble of the last session, as mail.Kind is written
	Wrong    string    `json:"wrong,omitempty"`           // what is wrong, a sentence
	Advice   string    `json:"advice,omitempty"`          // what to do about it, a sentence or two
	Said     string    `json:"said,omitempty"`            // the server's own words
	Cause    string    `json:"cause,omitempty"`           // for an admin: the step, the place, the error
	Failures int       `json:"failures,omitempty"`        // in a row, of any kind
	Times    int       `json:"times,omitempty"`           // the last ones of them, of which Wrong speaks
	First    time.Time `json:"first,omitzero"`            // when the first of Times was
	ByOwner  bool      `json:"paused_by_owner,omitempty"` // where it is paused: its owner has done so, and may end it

	LastAttempt time.Time `json:"last_attempt,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastMail    time.Time `json:"last_mail,omitzero"`
	Next        time.Time `json:"next,omitzero"`

	Today Counts `json:"today"`
	Total Counts `json:"total"`
	Day   string `json:"day,omitempty"` // which day Today speaks of: 2026-01-31, local time

	Waiting       int     `json:"waiting"`        // messages upstream that are to be collected
	WaitingOctets int64   `json:"waiting_octets"` // of these
	Asides        []Aside `json:"asides,omitempty"`
	MoreAsides    bool    `json:"more_asides,omitempty"` // there are some that are not named

	Recent []Recent `json:"recent,omitempty"` // the last messages, the newest last

	Remarks []Remark `json:"remarks,omitempty"` // what somebody may want to know although nothing is wrong

	fold folding
}

// Counts are what came, and what it cost.
type Counts struct {
	Messages int   `json:"messages"`
	Octets   int64 `json:"octets"`
	Up       int64 `json:"line_up"`   // octets sent
	Down     int64 `json:"line_down"` // octets received
	Saved    int64 `json:"saved"`     // octets that did not have to cross the line again, or at all
	Wasted   int64 `json:"wasted"`    // octets that crossed it for nothing
}

// An Aside is a message that is left upstream because of trouble.
type Aside struct {
	UID   string    `json:"uid"`
	Why   string    `json:"why"`
	State State     `json:"state,omitempty"` // what it makes of the maildrop, if anything
	Since time.Time `json:"since"`
	Next  time.Time `json:"next,omitzero"` // tried again
	Tries int       `json:"tries,omitempty"`
}

// A Remark is something that stands until it is said otherwise: a folder that is left out, mail that waits for
// somebody's word.
type Remark struct {
	Topic string    `json:"topic"`
	Text  string    `json:"text"` // a sentence
	Since time.Time `json:"since"`
}

// folding is what Fold remembers for itself.
type folding struct {
	Trouble State     `json:"trouble,omitempty"` // of the last session; "": it went well
	Wrong   string    `json:"wrong,omitempty"`
	Advice  string    `json:"advice,omitempty"`
	Times   int       `json:"times,omitempty"` // sessions in a row of which Wrong speaks
	First   time.Time `json:"first,omitzero"`  // when the first of them ended
	Paused  bool      `json:"paused,omitempty"`
	Active  time.Time `json:"active,omitzero"` // the last sign of life
	ID      mail.ID   `json:"id,omitzero"`     // of the attempt that was counted last
	Attempt int       `json:"attempt,omitempty"`

	version uint64 // see Folder.Version
}

// A Lane is how one next hop is.
type Lane struct {
	Lane  string    `json:"lane"`
	State State     `json:"state"`
	Since time.Time `json:"since,omitzero"` // when State began
	Wrong string    `json:"wrong,omitempty"`
	Said  string    `json:"said,omitempty"` // its own words
	Relay string    `json:"relay,omitempty"`

	LastAttempt  time.Time `json:"last_attempt,omitzero"`
	LastDelivery time.Time `json:"last_delivery,omitzero"`
	Next         time.Time `json:"next,omitzero"` // tried again, where it is sick

	Delivered int `json:"delivered"` // recipients, since it is known
	Deferred  int `json:"deferred"`  // attempts
	Failed    int `json:"failed"`    // recipients
}

// most bounds text that came from elsewhere, in octets; mostAsides the messages that are named; mostRemarks
// the remarks.
const (
	most       = 512
	mostAsides = 50

	mostRemarks = 10
)

func printable(s string) string { return mail.Printable(s, most) }
