package fetch

import (
	"context"
	"time"

	"mailretr/relay"
	"mailretr/store/mail"
)

// A Drop is one maildrop to be visited, as the configuration has it. It is a value; the poller keeps a
// copy, and a session that runs keeps the one it began with.
type Drop struct {
	Name    string       // unique; in logs, notes and status
	Account mail.Account // identity of its contents
	Server  string       // "mail.isp.example:995"; sessions with one server at once are limited

	// Settings returns a hash of all that decides whether a login can work, the resolved secret included.
	// When it differs from that of the last failure, the maildrop is tried at once. It is asked after a
	// failure and, as long as the login is refused, at each interval. nil: settings never change.
	Settings func(context.Context) string

	From    mail.Retriever
	Queue   relay.Refuser
	Resolve func(context.Context, *mail.Message) error // of Single or Multi

	// Ask is asked about envelopes before large bodies are fetched, and about Check. nil: nobody is asked.
	Ask   mail.Prober
	Above int64 // octets; from this size on the header comes first. 0: never

	// Check are the configured recipients, the one of `otherwise:` included. Once per visit, and only when
	// there is something to fetch, they are asked about. nil: `check: off`.
	Check []mail.Path
	// BounceFrom is the other reverse-path for which they are asked. "": they are not asked.
	BounceFrom mail.Path

	Every     time.Duration // between two visits; 0: 5 minutes
	LargeFrom int64         // octets; such bodies need a large slot. 0: 1 MiB
	First     First         // what to do with mail that is there at first contact

	// Meter returns the octets that crossed the line for this maildrop so far. nil: they are not counted.
	Meter func() (up, down int64)
	// Policy is what the Ledger wants to know of the maildrop (what happens to mail after it was
	// collected). It is not looked at here.
	Policy any
}

// First says what happens to mail that is there at first contact. The zero value collects it.
type First struct {
	New    bool          // nothing is collected
	Within time.Duration // only what came since; a message that tells no date is collected. 0: no limit
}

func (d *Drop) every() time.Duration {
	if d.Every > 0 {
		return d.Every
	}
	return 5 * time.Minute
}

func (d *Drop) largeFrom() int64 {
	if d.LargeFrom > 0 {
		return d.LargeFrom
	}
	return 1 << 20
}

func (d *Drop) settings(ctx context.Context) string {
	if d.Settings == nil {
		return ""
	}
	return d.Settings(ctx)
}

func (d *Drop) meter() (up, down int64) {
	if d.Meter == nil {
		return 0, 0
	}
	return d.Meter()
}

// A Ledger holds the marks: what of a maildrop is ours already. All is durable when a method returns
// nil. Safe for concurrent use. An error that is no *mail.Trouble is taken for a local one and ends the
// session.
type Ledger interface {
	// Choose sorts a listing into what to fetch and what to let go of. It leaves out what is marked, and what
	// Aside has named until its next try.
	Choose(ctx context.Context, d *Drop, listed []mail.UID, complete bool) (mail.Choice, error)

	// Met says whether the account has any mark: then this is not the first contact, whatever the notes say.
	Met(ctx context.Context, d *Drop) (bool, error)

	// Know marks messages that stay in the maildrop on purpose and are never collected. All or none.
	Know(ctx context.Context, d *Drop, uids []mail.UID) error

	// Confirm returns when a commit that began after the call is durable.
	Confirm(context.Context) error

	// Gone is told what the server has let go of for certain.
	Gone(ctx context.Context, d *Drop, uids []mail.UID) error

	// Aside notes that a message is left upstream because of trouble, until next; header is what is known
	// of it, perhaps nil. It returns how often the message was set aside, this time included, and when
	// first. The note ends when the message is taken or no longer listed.
	Aside(ctx context.Context, d *Drop, o mail.Origin, reason string, header []byte, next time.Time) (
		tries int, first time.Time, err error)
}

// Notes keep what the poller must not forget when the program ends, by name of the maildrop. Safe for
// concurrent use.
type Notes interface {
	// Load returns what was saved last; nil where nothing was.
	Load(ctx context.Context, name string) ([]byte, error)
	Save(ctx context.Context, name string, state []byte) error
}
