package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"mailretr/store/mail"
)

// An Engine makes batches durable. It knows records, marks, notes and bodies, and nothing of mail policy. Safe for
// concurrent use. store/badger is the embedded one; storetest is the contract.
type Engine interface {
	// Commit is the only write: when it returns nil all of the batch is durable, with any other error but
	// ErrUnknown nothing happened. ErrUnknown (and a context that ended while waiting) means: ask again with
	// the same batch, whose ID makes the answer the same. Batches of many callers are merged into one sync.
	Commit(context.Context, *Batch) error

	// Marks returns one Seen per UID, in order; Mark is Unseen where there is none.
	Marks(context.Context, mail.Account, []mail.UID) ([]Seen, error)

	// AllMarks yields every mark of an account, in no order. Where the engine keeps only a hash of the UID, Seen.UID
	// is empty. For forgetting and for `seen list`.
	AllMarks(context.Context, mail.Account) iter.Seq2[Seen, error]

	// Same returns one Seen per content key, in order; Mark is Unseen where there is none.
	Same(context.Context, mail.Account, [][16]byte) ([]Seen, error)

	// Stage begins a body that no commit has named yet. The record's ID, Parent, Origin, Envelope and Queued go into
	// the head of the file, so that it can be adopted without a database. ErrFull when the reserve of disk space
	// would be touched.
	Stage(context.Context, *Record) (Body, error)

	// OpenBody opens the octets of a sealed body, without head and trailer. It fails with ErrLost where the file is
	// missing or its length differs (state S6), with another error where it is only out of reach now. The caller
	// closes it.
	OpenBody(context.Context, BodyRef) (io.ReadSeekCloser, error)

	// OpenPartial opens the first size octets of a body that was left before it was whole (Body.Leave), or that a
	// crash has left; ErrNotFound where they are not there. The caller closes it.
	OpenPartial(ctx context.Context, id mail.ID, size int64) (io.ReadCloser, error)

	// DropPartial removes the file of such a body, after no note names it any more. A file that is not there, or
	// that belongs to a record by now, is no error and stays as it is.
	DropPartial(context.Context, mail.ID) error

	// VerifyBody reads a body whole and compares its length and SHA-256 with the trailer; ErrLost where they differ.
	VerifyBody(context.Context, BodyRef) error

	// LeaseMessages leases up to n records that are due (Due <= f.Due), not held and not leased, in due order, and says
	// when the next one of this filter will be due (zero: none is waiting). With f.IDs it leases those, due
	// or not, held or not; those that are leased already are left out. A lease runs out after ttl; embedded, it
	// also ends with the process. The due time is not touched. One that is leased already counts for next with the
	// end of its lease. After a crash, a record that was being attempted then may come alone, whatever n says.
	LeaseMessages(ctx context.Context, f Filter, n int, ttl time.Duration) (l []Leased, next time.Time, err error)

	// LeaseSlots says which slots of maildrops are ours to poll; embedded: all.
	LeaseSlots(ctx context.Context, ttl time.Duration) ([]Lease, error)

	// Renew prolongs leases and returns those that still hold.
	Renew(ctx context.Context, ttl time.Duration, l ...Lease) ([]Lease, error)

	// Release gives leases back without a commit; the records are due as before.
	Release(l ...Lease)

	// Get returns a record, or ErrNotFound.
	Get(context.Context, mail.ID) (Record, error)

	// Find returns the IDs whose text begins or ends with s (capitals or not), at most max of them; "" is in all.
	Find(ctx context.Context, s string, max int) ([]mail.ID, error)

	// List yields records in order of queueing without holding a lock; it is stable while leases move. Leased
	// says of each whether it is being attempted.
	List(context.Context, Filter) iter.Seq2[Listed, error]

	// Note returns the value of one note, nil where there is none.
	Note(ctx context.Context, space, owner, key string) ([]byte, error)

	// Notes yields the notes of a space and owner; owner "" means all of the space.
	Notes(ctx context.Context, space, owner string) iter.Seq2[Note, error]

	// Lanes returns the earliest due time of each lane that has a record which is not held; a leased one counts with
	// the end of its lease.
	Lanes(context.Context) (map[mail.Lane]time.Time, error)

	// Totals counts what is queued, without reading it.
	Totals(context.Context) (Totals, error)

	// Wake carries a hint whenever something became due earlier than known. One receiver.
	Wake() <-chan struct{}

	// Close waits for commits under way and closes the store. Bodies and leases are void afterwards.
	Close() error
}

// The errors of an Engine. Compare with errors.Is.
var (
	ErrUnknown  = errors.New("store: it is unknown whether the commit was made")
	ErrFenced   = errors.New("store: the lease is no longer ours")
	ErrNotFound = errors.New("store: no such message")
	ErrFull     = errors.New("store: the reserve of disk space is reached")
	ErrClosed   = errors.New("store: closed")
	ErrLost     = errors.New("store: the spool file of the message is missing or damaged") // state S6
)

// An ErrSeen refuses a batch of which some UIDs have a mark already. Nothing of the batch happened.
type ErrSeen struct{ UIDs []mail.UID }

// Error names the first one.
func (e *ErrSeen) Error() string {
	return "store: already taken: UID " + mail.Printable(string(e.UIDs[0]), 100)
}

// A Body is one message being staged: octets in normal form, in order. Not for concurrent use, except that Seal of
// one body runs beside writes of another.
type Body interface {
	io.Writer

	// Size is the number of octets written so far, without head and trailer.
	Size() int64

	// Seal writes the trailer (length, SHA-256), syncs file and directory side by side, closes, and returns the
	// reference for the record, with the SHA-256. After an error the body is gone.
	Seal(context.Context) (BodyRef, [32]byte, error)

	// Sync makes durable what was written, without an end. Only then may a note of [SpacePartial] name the body:
	// the engine keeps an unsealed file while such a note does, also after a crash, and removes it otherwise.
	Sync(context.Context) error

	// Leave closes a body that was not sealed and keeps its file, for [Engine.OpenPartial].
	Leave() error

	// Discard removes what was staged. Allowed after Seal as long as no commit has named the body. Idempotent.
	Discard() error
}

// A BodyRef names a sealed body, relative to the engine.
type BodyRef string

// A Batch is one commit. It is a value and cannot read, so nothing depends on isolation levels.
type Batch struct {
	// ID of a commit that was made is remembered for an hour, by the embedded engine until the process ends and at
	// least for the last 65,536 commits: the same ID again gets nil, and nothing is made twice. A refusal is not
	// remembered: the same batch is judged anew. Zero: the engine sets it.
	ID [16]byte
	// Fence: each lease must still be ours, else ErrFenced. They end with this commit.
	Fence []Lease
	// Put writes records, new or replaced, with their due times.
	Put []Record
	// Remove ends records: record and due go, a removal mark comes, in this commit; the files go afterwards.
	Remove []mail.ID
	// Seen sets marks. Where New is set the UID must be unmarked (or LetGo), else ErrSeen.
	Seen []Seen
	// Forget removes marks.
	Forget []Seen
	// Notes are written; one with a nil Value is removed.
	Notes []Note
}

// A Lease is the right to settle one record, or to poll one slot.
type Lease struct {
	Key   string
	Epoch uint64
	Until time.Time
}

// A Leased record.
type Leased struct {
	Record Record
	Lease  Lease
}

// Listed is a record in a listing.
type Listed struct {
	Record Record
	Leased bool
}

// A Filter selects records; zero fields select everything.
type Filter struct {
	IDs      []mail.ID
	Lane     mail.Lane
	Due      time.Time
	Maildrop string
	Held     *bool
}

// A Note is a small durable fact of somebody else's: status, breaker, aside, traffic. Keys are any octets.
type Note struct {
	Space, Owner, Key string
	Value             []byte // at most 256 KiB; nil removes
}

// Totals count the queue.
type Totals struct {
	Messages, Held int
	Octets         int64
	Oldest         time.Time // zero when empty
	Free, Reserve  int64     // octets of the file system
}
