package badger

import (
	"encoding/binary"
	"errors"
	"time"

	"mailretr/store/mail"
)

// maxKeyPart bounds what is written into a key as it is: lanes, spaces, owners. Badger takes keys up to
// 65,000.
const maxKeyPart = 4096

var errKeyPart = errors.New("store: a lane, space or owner is longer than 4096 octets")

func idKey(table byte, id mail.ID) []byte {
	k := make([]byte, 0, 18)
	k = append(k, table, '/')
	return append(k, id[:]...)
}

// idOf returns the ID that ends a key.
func idOf(key []byte) (id mail.ID) {
	if len(key) >= len(id) {
		copy(id[:], key[len(key)-len(id):])
	}
	return id
}

func appendPart(k []byte, s string) []byte {
	k = binary.BigEndian.AppendUint16(k, uint16(len(s)))
	return append(k, s...)
}

// lanePrefix begins the keys of the schedule of one lane.
func lanePrefix(lane mail.Lane) []byte {
	k := make([]byte, 0, 2+2+len(lane)+8+16)
	return appendPart(append(k, 's', '/'), string(lane))
}

func dueKey(lane mail.Lane, due uint64, id mail.ID) []byte {
	k := binary.BigEndian.AppendUint64(lanePrefix(lane), due)
	return append(k, id[:]...)
}

// parseDueKey takes a key of the schedule apart.
func parseDueKey(k []byte) (lane mail.Lane, due uint64, id mail.ID, ok bool) {
	if len(k) < 4 {
		return
	}
	n := int(binary.BigEndian.Uint16(k[2:]))
	if len(k) != 4+n+8+16 {
		return
	}
	return mail.Lane(k[4 : 4+n]), binary.BigEndian.Uint64(k[4+n:]), idOf(k), true
}

// stamp encodes a time in eight octets that sort like it: nanoseconds since 1970. What is earlier, the zero
// time included, becomes 0, and what is later than 2262 the greatest.
func stamp(t time.Time) uint64 {
	switch s := t.Unix(); {
	case s < 0:
		return 0
	case s >= (1<<63-1)/1_000_000_000:
		return 1<<63 - 1
	}
	return uint64(t.UnixNano())
}

// unstamp decodes what stamp has encoded; 0 gives the zero time.
func unstamp(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n))
}
