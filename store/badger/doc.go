// Package badger is the embedded engine of the queue: Badger says what exists, one spool file per message
// holds its octets.
//
// It promises what store.Engine says, on a file system that keeps what fsync was called for (ext4, xfs,
// btrfs): when Commit returns nil, records, marks and notes of the batch are durable, and so is every body
// that was sealed before. Bodies are never in Badger: they would not give back their space (and their sync
// errors would be swallowed). A spool file describes itself, so a damaged database loses no mail: Open moves
// it aside and builds a new one from the files.
//
// One process owns a state at a time, held by a lock file. What becomes of a recipient, when it is tried
// again and who is told is left to the queue.
//
// # The state directory
//
//	lock           flock of the owner, with its process id
//	format         version of this layout, and the key of the hashes
//	db/            Badger
//	db.damaged-*   what a rebuild has moved aside; the newest is kept
//	spool/<hh>/    one file per body, named by its ID; hh comes from the ID's time
//	journal        one commit that is too large for one transaction, while it is made
//	endings        the last 256 records that have ended; Badger is told of them later, many at once
//	inflight       IDs being attempted, not synced; survives the process, not the machine
//	opening        how often in a row the process died while the database was opened
//	ballast        space given back when the disk is full, so that Badger can be opened
//	seen.snapshot  the marks, for a rebuild
//	restoring      there as long as a backup is being restored here
//
// # The keys
//
//	m/<id16>                       record: a fixed part (see stub), then CBOR
//	s/<len2><lane><due8><id16>     schedule: records that are not held
//	x/<id16>                       finished, file not yet removed
//	u/<account16><spot16>          one mark, fresh
//	v/<account16><spot16>          marks up to and including this spot, packed; the last has ff…ff
//	c/<account16><key16><spot16>   content key of a mark
//	f/<account16><folder12>        folder and UIDVALIDITY, as text, of spots that hold an IMAP UID
//	n/<len2><space><len2><owner>…  note
//	k/…                            what the engine keeps about itself
//
// Numbers are big endian. Accounts, UIDs and folders come from strangers and occur in keys only as keyed
// hashes of fixed length; everything else of variable length has its length before it, so no two can be taken
// for each other.
//
// # Why endings have a file of their own
//
// Each result is durable before the next message of its connection is sent, so that a crash delivers one
// message twice and not many. For a single connection that is a commit for each message, with nobody to share
// it. In Badger it costs two syncs (its value log is synced at each commit, empty or not) and four goroutines
// that wake one another; in the file of endings it is 32 octets and one sync of one page, and Badger gets up
// to 256 at once. What was considered instead:
//
//   - Committing a result while the next message is being sent, so that only its final dot has to wait, hides
//     the cost behind the next hop, but it stays.
//   - A write-ahead file of ours for everything, and Badger without syncing: each record would be written
//     three times, and Badger can then sync only its newest memory table, so that file could never be cut for
//     certain.
//   - Deferrals in the file too: readers would have to be shown their records from memory, and a message that
//     is deferred has cost much more than its commit.
//
// The file has fixed places that are written in turn: nothing is appended or cut off, so a full disk does not
// stop it, and the file system has no length to make durable. What Badger was not told of stays in the
// transaction that will tell it, which is kept open: each batch is judged against it, and any commit that has
// more in it takes all of it along. Readers are kept from such records by a set in memory; the spool file
// stays until Badger knows, so database and spool always agree. Where the file is damaged or lost, messages
// are delivered again, and that is told.
//
// Read first: Engine.Commit and commit.go (how a batch becomes durable), endings.go (the shorter way), body.go
// (how octets do), start.go (what happens to what a crash left).
package badger
