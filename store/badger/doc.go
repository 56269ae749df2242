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
//	inflight       IDs being attempted, not synced; survives the process, not the machine
//	opening        how often in a row the process died while the database was opened
//	ballast        space given back when the disk is full, so that Badger can be opened
//	seen.snapshot  the marks, for a rebuild
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
// Read first: Engine.Commit and commit.go (how a batch becomes durable), body.go (how octets do), start.go
// (what happens to what a crash left).
package badger
