package mail

import (
	"context"
	"iter"
)

// A Deliverer takes responsibility for the recipients that it reports as Delivered, and for no others.
//
// Deliver makes one attempt for all recipients of the envelope and returns one Result per recipient, in order. It
// never returns before it is sure: what it does not know is Deferred. It reads the content at most once and closes
// it. A message without recipients is never given to a deliverer. The message belongs to the caller again when
// Deliver returns. One deliverer is one connection: not for concurrent use, unless an implementation says so.
type Deliverer interface {
	Deliver(context.Context, *Message) Report
}

// A Prober says what it would answer to the envelope, without seeing the content. The announced size may be used. An
// Outcome of Delivered means "would be accepted" and gives nobody any responsibility.
type Prober interface {
	Probe(context.Context, *Message) Report
}

// A Reporter makes what tells somebody of failed recipients: DSNs, or what stands in for one (the whole message to
// the postmaster). It is called while the queue builds its commit, does no I/O but reading m.Content.Header, and
// queues nothing itself. The reports are put into the same commit as the end of the failed recipients.
//
// No messages and a nil error mean that nobody may be told; the queue then holds the message rather than dropping
// it, unless a recipient asked for NOTIFY=NEVER. m.Envelope.Recipients are the failed ones only, r their results.
type Reporter interface {
	Report(ctx context.Context, m *Message, r Report) ([]*Message, error)
}

// A Batcher (optional on a Deliverer) can make many messages durable at the price of one.
type Batcher interface {
	Deliverer
	Batch() Batch
}

// A Batch gathers messages. Not for concurrent use.
type Batch interface {
	// Add reads the content of m and takes its octets, but no responsibility. After an error the message is not
	// part of the batch, and the others are whole: a cut body costs only itself. The message must stay valid
	// until Commit.
	Add(context.Context, *Message) error

	// Commit takes responsibility for all that was added since the last Commit and returns one Report per Add that
	// returned nil, in order. The batch is empty afterwards and may be used again. With nothing added it
	// returns at once.
	Commit(context.Context) []Report
}

// A Copier (optional on a Batch) takes a message whose body is here already under another name: a maildrop of many may
// hold the same mail once for each recipient.
type Copier interface {
	Batch

	// Copy adds m with its own header and the body of the message of, which was added to this batch, or committed by an
	// earlier one of the same queue (then its ID is set). Of m's content only header and size are asked for; they have
	// to agree with that body. to are those of m's recipients to whom it is sent; with none, nothing is queued, and m is
	// taken as one that was queued before. Commit returns a Report for all recipients of m, in the order of Add and Copy;
	// it is Delivered only if the message of is ours too. After an error m is not part of the batch.
	Copy(ctx context.Context, m, of *Message, to []Recipient) error
}

// A Retriever opens maildrops of one configuration. Safe for concurrent use only if the implementation says so.
type Retriever interface {
	// Open dials, secures the connection, logs in, and takes the snapshot. An error is a *Trouble; nothing is
	// left open then.
	Open(context.Context) (Maildrop, error)
}

// A Maildrop is one session: a snapshot of what waited when it was opened. Not for concurrent use. Errors are
// *Trouble where the server or the line is the cause.
type Maildrop interface {
	// List returns the UIDs of the snapshot. complete says that the server's own count agrees with the list; only
	// a complete list allows the conclusion that what it does not name is gone, from the folders of a [Coverer]
	// where it is one.
	List(ctx context.Context) (uids []UID, complete bool, err error)

	// Messages yields the wanted messages, sizes known, contents not yet fetched, in the server's order; nil
	// means all that is due. UIDs that are no longer there are not yielded. An error ends the sequence when it is
	// the session's end; an error beside a non-nil message concerns this message only, and the next ones follow.
	Messages(ctx context.Context, want []UID) iter.Seq2[*Message, error]

	// Settle says what became of a message. Only a report that is Done lets go of it, in the way that was
	// configured (delete, keep …). It may be gathered and counts only when Close returned nil.
	Settle(context.Context, *Message, Report) error

	// Close ends the session. An error means that it is unknown which settlements hold, never that messages are
	// gone: they will be listed again, and the marks tell. Close after an error, and twice, is allowed. It has
	// its own time limit.
	Close() error
}

// A Route says the lanes of one recipient of a message with this origin and envelope: several, and the message is
// delivered to each; none, and nobody knows where it goes. The queue asks it when a message comes in and when the
// configuration changes, never behind a lease. Safe for concurrent use.
type Route func(Origin, Envelope, Recipient) []Lane

// A Rewrite says who gets the mail of a recipient: he himself, somebody else, or several, never nobody. The queue asks
// it when a message comes in, before Route, and never again; who probes asks it too, so that the question is about
// those who would get the message. An error means that nobody knows at the moment, so that nothing may be taken.
// Safe for concurrent use.
type Rewrite func(context.Context, Origin, Recipient) ([]Recipient, error)

// A Part of a message.
type Part uint8

const (
	Header Part = iota // header section only
	Whole
)

// An Aheader (optional on a Maildrop) is told what will be read next, in this order, so that it can pipeline. It
// keeps its own window: nothing forces it to ask for everything at once. Contents of messages named with Whole are then
// opened in this order, each read to its end or closed before the next is opened. It replaces what was said before.
type Aheader interface {
	Ahead(context.Context, Part, []*Message) error
}

// A Releaser (optional on a Maildrop) lets go of what an earlier session took: UIDs of this session's listing for
// which a commit of ours is known to be durable. Counts when Close returned nil; gone lists what the server confirmed.
type Releaser interface {
	Release(context.Context, []UID) error
}

// A Confirmed (optional on a Maildrop) names, after Close, the UIDs that the server has let go of for certain (+OK
// to QUIT, or EXPUNGE confirmed). It is nil after a Close that failed.
type Confirmed interface {
	Gone() []UID
}

// A Coverer (optional on a Maildrop) says what its listings speak of, where a maildrop is made of folders.
type Coverer interface {
	// Covers returns the folders that List names, as they stand in UIDs; one that had to be left out is not among
	// them. labels says that one message may be in several of them, under different UIDs.
	Covers() (folders []string, labels bool)
}

// A Filterer (optional on a Maildrop) has a filter of its own.
type Filterer interface {
	// Filter returns those of the UIDs that the filter lets through, in any order. What it does not is left as it is,
	// listed as before, and may be let through another time.
	Filter(context.Context, []UID) ([]UID, error)
}

// A Glancer (optional on a Maildrop) says for next to nothing whether something was added since another session.
// Where it did not, a visit ends without a listing. Glance is called before List, Since, and Messages.
type Glancer interface {
	// Glance returns a text of printable ASCII, at most [MaxGlance] octets. It equals that of another session of the
	// same account only if nothing was added between, as far as the protocol knows: IMAP from UIDVALIDITY and
	// UIDNEXT of each folder, POP3 from count and octets of STAT. Deletions may change it or not. "" where
	// nothing can be said.
	Glance(context.Context) (string, error)

	// Since is List without what was there at the glance of an earlier session, and never complete. ok is false,
	// with a nil error, where the protocol cannot tell, or the glance is not understood: then List is to be asked.
	Since(ctx context.Context, glance string) (uids []UID, ok bool, err error)
}

// MaxGlance bounds what a Glancer says, in octets: it is kept with the state of the maildrop.
const MaxGlance = 32 << 10

// A Watcher (optional on a Retriever) keeps a session, or one per folder, in which the server says by itself that mail
// has come. It carries no mail.
type Watcher interface {
	// Watch logs in and waits. It calls news, which does not block, whenever something may have come: each time a
	// wait has begun too, since mail may have come before. It returns nil when ctx ends, else a *Trouble that says
	// why waiting ended; who called it waits before the next try. Nothing is left open then.
	Watch(ctx context.Context, news func()) error
}

// A FolderWatcher (optional on a Watcher) takes a connection for each folder, and can do with fewer.
type FolderWatcher interface {
	Watcher
	// WatchFolders is Watch with at most so many connections; 0: as many as can be had. Where the server allows no more
	// of them, one is given up, so that there is room for a session beside them. holds does not block; it is called
	// once, before the news that the waits have begun: in are the folders in which the server waits, out those for
	// which there was no connection, so that they have to be looked at. One that cannot be opened is in neither.
	WatchFolders(ctx context.Context, most int, news func(), holds func(in, out []string)) error
}

// An Observer is told of each step. Observe must not block, and is safe for concurrent use.
type Observer interface {
	Observe(Event)
}

// Observers passes each event on to several.
type Observers []Observer

// Observe calls each in turn.
func (o Observers) Observe(e Event) {
	for _, x := range o {
		if x != nil {
			x.Observe(e)
		}
	}
}

// An ObserverFunc is a function that observes.
type ObserverFunc func(Event)

// Observe calls f.
func (f ObserverFunc) Observe(e Event) { f(e) }
