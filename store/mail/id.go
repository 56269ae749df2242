package mail

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"
)

// An ID names a message in the queue: eight octets of time (nanoseconds, big endian), then eight random ones. So the
// order of IDs is the order of queueing, and nobody can guess one.
type ID [16]byte

// encoding is base32 in capitals and digits that cannot be taken for each other (Crockford's alphabet).
var encoding = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// IDLen is the length of an ID as text, in characters.
const IDLen = 26

// NewID returns an ID for this time. random nil means crypto/rand.
func NewID(now time.Time, random io.Reader) ID {
	if random == nil {
		random = rand.Reader
	}
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixNano()))
	if _, err := io.ReadFull(random, id[8:]); err != nil {
		panic("mail: no randomness: " + err.Error()) // crypto/rand never fails; an injected source must not
	}
	return id
}

// Zero says whether the ID is none.
func (id ID) Zero() bool { return id == ID{} }

// Time is the instant that the ID was made, to the nanosecond.
func (id ID) Time() time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(id[:8]))) }

// String returns the 26 characters of the ID.
func (id ID) String() string { return encoding.EncodeToString(id[:]) }

// Compare orders IDs by time of queueing.
func (id ID) Compare(other ID) int { return strings.Compare(string(id[:]), string(other[:])) }

// ParseID reads the 26 characters of an ID, in either case.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != IDLen {
		return id, errors.New("a queue id has 26 letters and digits")
	}
	b, err := encoding.DecodeString(strings.ToUpper(s))
	if err != nil {
		return id, errors.New("a queue id has only digits and letters, without I, L, O and U")
	}
	copy(id[:], b)
	return id, nil
}
