package store

import (
	"time"

	"mailretr/store/mail"
)

// A Record is what the queue knows of one message: everything but the octets. It has one lane; a message
// for several lanes becomes several records when it is queued.
type Record struct {
	ID     mail.ID   `cbor:"1,keyasint"`
	Parent mail.ID   `cbor:"2,keyasint"` // of a DSN: the message it reports on
	Lane   mail.Lane `cbor:"3,keyasint"`
	Queued time.Time `cbor:"4,keyasint"`
	Due    time.Time `cbor:"5,keyasint"`

	Hold    Hold   `cbor:"6,keyasint"`
	HoldWhy string `cbor:"7,keyasint,omitempty"` // a sentence for people

	Size   int64    `cbor:"8,keyasint"` // octets, in normal form
	Header int64    `cbor:"9,keyasint"` // octets of the header section with its empty line
	SHA256 [32]byte `cbor:"10,keyasint"`
	Body   BodyRef  `cbor:"11,keyasint"`
	Line   int64    `cbor:"12,keyasint,omitempty"` // octets it cost on the dear line

	Origin     mail.Origin `cbor:"13,keyasint"`
	Reverse    mail.Path   `cbor:"14,keyasint"`
	EnvID      string      `cbor:"15,keyasint,omitempty"`
	Ret        string      `cbor:"16,keyasint,omitempty"`
	Recipients []Recipient `cbor:"17,keyasint"`

	Attempts int           `cbor:"18,keyasint"`
	Last     time.Time     `cbor:"19,keyasint"`           // of the last attempt, or when it was not its turn
	Sick     time.Duration `cbor:"20,keyasint,omitempty"` // waited for a sick lane; not counted towards expiry
	Tries    int           `cbor:"21,keyasint,omitempty"` // transactions, also those that do not count

	// ParentOrigin, of a DSN: where the message that it reports on came from. It goes into the head of the
	// file, so that a rebuild marks that UID taken. Zero: an engine takes it from the parent's record, if
	// there is one.
	ParentOrigin mail.Origin `cbor:"22,keyasint,omitzero"`

	// Whole, of a report: it goes to somebody else than the sender and has the message whole, which is
	// nowhere else. Where it fails it is held; other reports that fail, and nobody can be told of, end.
	Whole bool `cbor:"23,keyasint,omitempty"`

	// Announced is the size that the maildrop gave: what the mark has to agree with when a file is adopted. It
	// differs from Size where the line ends were mended. 0 or less: none was given.
	Announced int64 `cbor:"24,keyasint,omitempty"`

	// Home is the lane that its route has named, where it waits in another one since Moved because that was away too
	// long. "": it is in the lane of its route.
	Home  mail.Lane `cbor:"30,keyasint,omitempty"`
	Moved time.Time `cbor:"31,keyasint,omitzero"`

	// Released is when it was let go that had been held because its sender had had too many reports: its day of waiting
	// for room begins anew.
	Released time.Time `cbor:"32,keyasint,omitzero"`
}

// A Recipient of a record. Delivered ones are no longer there; failed ones whose report was queued neither.
type Recipient struct {
	mail.Recipient
	State State     `cbor:"10,keyasint"`
	Since time.Time `cbor:"11,keyasint"` // when Last was said first without a change
	Times int       `cbor:"12,keyasint"` // how often it was said
	Last  Said      `cbor:"13,keyasint"`
	Sharing

	// Warned: the sender was told that it waits, or does not want to be.
	Warned bool `cbor:"16,keyasint,omitempty"`
}

// A State of a recipient.
type State uint8

const (
	Waiting State = iota // to be attempted
	Owed                 // failed, report owed: never attempted again, only reported
	Resting              // failed, and kept as the admin wants it: neither attempted nor reported
)

// Said is the last result of a recipient, as it is kept.
type Said struct {
	At        time.Time `cbor:"1,keyasint"`
	Enhanced  string    `cbor:"2,keyasint,omitempty"`
	Reply     string    `cbor:"3,keyasint,omitempty"`
	RemoteMTA string    `cbor:"4,keyasint,omitempty"`
	Err       string    `cbor:"5,keyasint,omitempty"`
	Expired   bool      `cbor:"6,keyasint,omitempty"` // failed because its time was up
	GivenUp   bool      `cbor:"7,keyasint,omitempty"` // failed because somebody said so; Err is their reason, or ""
	After     mail.Op   `cbor:"-"`                    // the step that was under way, while the attempt is judged
}

// A Hold says why a record is not attempted.
type Hold uint8

const (
	NotHeld      Hold = iota
	HoldAdmin         // somebody said so
	HoldLost          // S6: its file is missing or damaged
	HoldCrash         // in flight at several ends of the process in the same boot
	HoldAlike         // ten messages failed alike: the next hop is suspect
	HoldMute          // failed, and nobody may be told
	HoldRcpt          // the configured recipient of its maildrop is refused
	HoldKept          // failed in a way for which the admin wants it kept
	HoldFlood         // failed, and its sender has had too many reports
	HoldRule          // held when it was queued, by a rule of the admin
	HoldRestored      // it comes from a backup: it may have been delivered since
)

// Held says whether the record is not attempted.
func (r *Record) Held() bool { return r.Hold != NotHeld }

// Envelope returns the envelope of the recipients that wait.
func (r *Record) Envelope() mail.Envelope {
	e := mail.Envelope{Reverse: r.Reverse, EnvID: r.EnvID, Ret: r.Ret}
	for _, x := range r.Recipients {
		if x.State == Waiting {
			e.Recipients = append(e.Recipients, x.Recipient)
		}
	}
	return e
}
