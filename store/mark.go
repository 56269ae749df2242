package store

import "mailretr/store/mail"

// A Mark is what we remember of one UID.
type Mark uint8

const (
	Unseen Mark = iota
	Known       // imported, or kept upstream on purpose without having been collected (first: new)
	Kept        // collected, and stays upstream: keep, seen, or below the size
	Taken       // a commit of ours took responsibility; what the policy says may be done upstream
	LetGo       // the server said it is gone
)

// String returns the word that `seen list` shows.
func (m Mark) String() string {
	return [...]string{"unseen", "known", "kept", "taken", "let go"}[m]
}

// A Seen is a mark with what proves it.
type Seen struct {
	Account mail.Account
	UID     mail.UID
	Mark    Mark
	Day     int32    // days since 1970 of the collection
	Size    int64    // as announced when it was taken; a deletion needs it to be equal
	Key     [16]byte // content key: keyed hash of header section and size; zero where there is none
	New     bool     // in a batch: the UID must not be marked yet
	// Spot is the engine's own name of the UID, filled in whatever an engine returns and equal for equal UIDs of one
	// account. Where the UID is empty, Forget goes by the spot. So a listing is compared with AllMarks by spot.
	Spot [16]byte
}
