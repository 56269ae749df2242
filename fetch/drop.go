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
	// Group names those maildrops of which no more than Together sessions run at once, of one owner for instance.
	// "": there is no such limit.
	Group    string
	Together int

	// Settings returns a hash of all that decides whether a login can work, the resolved secret
	// included. When it differs from that of the last failure, the maildrop is tried at once. It is
	// asked after a failure and, as long as the login is refused, at each interval. nil: settings never
	// change.
	Settings func(context.Context) string
	// Fickle: the secret changes by itself, so that another one is no sign that somebody has mended something.
	Fickle bool

	From    mail.Retriever
	Queue   relay.Refuser
	Resolve func(context.Context, *mail.Message) error // of Single or Multi
	// Identity tells copies of one mail, whose body is fetched once, by header and announced size: of Multi.
	// nil: each message is another mail.
	Identity func(header []byte, size int64) (id Identity, ok bool)

	// Ask is asked about envelopes before large bodies are fetched, and about Check. nil: nobody is
	// asked.
	Ask   mail.Prober
	Above int64 // octets; from this size on the header comes first. 0: never

	// Ready says why nothing that is fetched could be queued now, e.g. since nobody knows who is to get it. Once per
	// visit, and only when there is something to fetch, it is asked. nil: it always could.
	Ready func(context.Context) error

	// Check are the configured recipients, the one of `otherwise:` included. Once per visit, and only
	// when there is something to fetch, they are asked about. nil: `check: off`.
	Check []mail.Path
	// AskCheck is asked about Check, where that is another one than Ask: it asks only those whose refusal the sender
	// would hear of. nil: Ask.
	AskCheck mail.Prober
	// BounceFrom is the other reverse-path for which they are asked. "": they are not asked.
	BounceFrom mail.Path

	Watch     bool          // From is a mail.Watcher, and is to be one: the server says when mail has come
	Watches   int           // connections that wait so at once; 0: as many as the server allows
	Every     time.Duration // between two visits; 0: 5 minutes
	LargeFrom int64         // octets; such bodies need a large slot, and leave the reserve alone. 0: 1 MiB
	Waits     int64         // octets; such messages wait for the off-peak hours of the budget. 0: none does
	Most      int64         // octets; larger messages stay where they are. 0: no limit
	Batch     int           // messages that become durable at once; 0: as relay.Transfer has it
	BatchSize int64         // the same, in octets
	Oversize  Oversize      // what is too large for its owner
	First     First         // what to do with mail that is there at first contact

	// Lists is a hash of the settings that decide which mail is listed, and what is done with it. Where it is
	// another one, the next visit lists everything.
	Lists string

	// Now says whether a message is let go of in the session that takes it, where the kind lets go at all; the
	// Ledger says later when it is. nil: each is.
	Now func(*mail.Message) bool

	// Spared returns the octets that compression has kept off the line so far. nil: nobody knows.
	Spared func() int64

	// Meter returns the octets that crossed the line for this maildrop so far. nil: they are not
	// counted.
	Meter func() (up, down int64)
	// Unread returns the octets, of those that came, that nobody has read, since the connection was cut: they are wasted.
	// nil: nobody knows.
	Unread func() int64
	// Bound has ask called when so many octets have crossed the line as it said last, at first with the next ones; an
	// error of it ends the connection. nil: it is not called any more. The field may be nil where Meter is.
	Bound func(ask func() (octets int64, err error))
	// Policy is what the Ledger wants to know of the maildrop (what happens to mail after it was
	// collected). It is not looked at here.
	Policy any
}

// Oversize says which messages are too large for the owner of a maildrop, and what happens to them. The zero
// value: none is.
type Oversize struct {
	Above int64 // octets
	Then  Then
}

// A Then is what happens to a message that is too large. Its body is not fetched in any case. Where a server
// gives no header without the body it is left, since nobody can be told of it.
type Then uint8

const (
	ThenLeave  Then = iota // it is left, with a note
	ThenNotice             // it is left, and its recipients are told once: Ledger.Notice
	ThenBounce             // it is refused, and its sender is told
)

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

func (d *Drop) spared() int64 {
	if d.Spared == nil {
		return 0
	}
	return d.Spared()
}

func (d *Drop) unread() int64 {
	if d.Unread == nil {
		return 0
	}
	return d.Unread()
}

func (d *Drop) meter() (up, down int64) {
	if d.Meter == nil {
		return 0, 0
	}
	return d.Meter()
}

// A Ledger holds the marks: what of a maildrop is ours already. All is durable when a method returns
// nil. Safe for concurrent use. An error that is no *mail.Trouble is taken for a local one; it ends the
// session.
type Ledger interface {
	// Choose sorts a listing into what to fetch and what to let go of. It leaves out what is marked,
	// and what Aside has named until its next try. The first time an account is listed it marks those
	// that Old names as known, which are then never collected; it alone remembers that it did.
	Choose(context.Context, *Drop, Listing) (mail.Choice, error)

	// Known is told messages of Choice.Check whose headers are here. It returns those that were here before, and
	// has marked them; and which of them are to be let go of.
	Known(context.Context, *Drop, []*mail.Message) (known, release []mail.UID, err error)

	// Confirm returns when a commit that began after the call is durable.
	Confirm(context.Context) error

	// Gone is told what the server has let go of for certain.
	Gone(context.Context, *Drop, []mail.UID) error

	// Aside notes that a message is left upstream because of trouble, and tells it (OpAside, with
	// Aside.Trouble as the event's Err). It returns how often that was so, this time included, and
	// since when; it counts anew where Kind or the settings differ. The note ends when the message is
	// taken, or no longer listed.
	Aside(context.Context, *Drop, Aside) (tries int, since time.Time, err error)

	// Notice tells the recipients of a message that it is left upstream because it is too large, by a small
	// message that is queued, and marks it so that it is neither collected nor told of again; all of it is one
	// commit. Its header is here. The note is of kind AsideNotice.
	Notice(context.Context, *Drop, *mail.Message, Aside) error
}

// A Listing is what a session has found.
type Listing struct {
	UIDs     []mail.UID
	Complete bool // the server's own count agrees
	// Folders are those that the listing names, Copies says that one message may be in several of them: see
	// mail.Coverer. nil: there are none.
	Folders []string
	Copies  bool
	// Size is the size of a message as it is announced now; negative where nobody asked. What is let go
	// of must have the size that it had when it was taken. nil: a first question, nobody asked yet.
	Size func(mail.UID) int64
	// Old says what is left alone at first contact. nil: nothing.
	Old func(mail.UID) bool
	// Over says that what waits for a budget (AsideBudget) is wanted now.
	Over bool
	// Mended says that what waits because the line broke in other bodies (AsideCut) may be asked for.
	Mended bool
}

// An Aside is a message that is left upstream, and why.
type Aside struct {
	Origin  mail.Origin
	Kind    string        // AsideDeferred and so on
	Why     string        // a sentence for people
	Trouble *mail.Trouble // nil: there is no more to say
	Header  []byte        // what is known of it; perhaps nil
	Size    int64         // as announced; 0: not known
	Next    time.Time     // not tried before
}

// The kinds of an Aside.
const (
	AsideDeferred = "deferred" // the MTA asks to wait
	AsideMute     = "mute"     // refused, and nobody may be told
	AsideSender   = "sender"   // refused for what looks like a judgement on us
	AsideEnvelope = "envelope" // multi-drop: nobody knows who it is for
	AsideBroken   = "broken"   // it cannot be fetched
	AsideCut      = "cut"      // its body was cut, and cannot be gone on with
	AsideRefused  = "refused"  // it is not wanted here: too big
	AsideNotice   = "notice"   // it is too large, and its recipients were told
	AsideBudget   = "budget"   // it waits for its hours, or for room in a budget
)

// Notes keep what the poller must not forget when the program ends, by name of the maildrop. Safe for
// concurrent use.
type Notes interface {
	// Load returns what was saved last; nil where nothing was.
	Load(ctx context.Context, name string) ([]byte, error)
	Save(ctx context.Context, name string, state []byte) error
}
