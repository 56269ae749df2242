package badger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"mailretr/store"
	"mailretr/store/mail"
)

// A spot is the name of a UID in keys: a keyed hash of fixed length, so that no stranger chooses a key, and
// no two UIDs share one. The key is random for each state. A UID of IMAP keeps its number: its spot is the
// hash of folder and UIDVALIDITY (12 octets, first bit set) and the UID (4 octets), so that neighbours can be
// packed into runs.
type spot [16]byte

// hasher makes spots; its value is the key.
type hasher [16]byte

func (h hasher) sum(kind byte, s string) (out [32]byte) {
	var small [128]byte
	b := append(small[:0], h[:]...)
	b = append(b, kind)
	return sha256.Sum256(append(b, s...))
}

func (h hasher) account(a mail.Account) (out [16]byte) {
	sum := h.sum('a', string(a))
	copy(out[:], sum[:])
	return out
}

// spot returns the spot of a UID, and the folder with its UIDVALIDITY where it is one of IMAP.
func (h hasher) spot(u mail.UID) (s spot, folder string) {
	folder, n, ok := splitUID(string(u))
	if !ok {
		sum := h.sum('u', string(u))
		copy(s[:], sum[:])
		s[0] &= 0x7f
		return s, ""
	}
	sum := h.sum('f', folder)
	copy(s[:12], sum[:])
	s[0] |= 0x80
	binary.BigEndian.PutUint32(s[12:], n)
	return s, folder
}

// splitUID takes folder/UIDVALIDITY/UID apart. Only what can be put together again to the same octets is
// taken for one of these; a folder that is too long to be kept beside is hashed like any other UID.
func splitUID(u string) (folder string, n uint32, ok bool) {
	i := strings.LastIndexByte(u, '/')
	if i < 0 || i > maxKeyPart {
		return "", 0, false
	}
	j := strings.LastIndexByte(u[:i], '/')
	if j < 0 {
		return "", 0, false
	}
	if _, ok := number(u[j+1 : i]); !ok {
		return "", 0, false
	}
	n, ok = number(u[i+1:])
	return u[:i], n, ok
}

// number reads a number of 32 bits in its one proper spelling.
func number(s string) (uint32, bool) {
	if s == "" || len(s) > 10 || s[0] == '0' || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// joinUID makes the UID of a spot again, where its folder is known.
func joinUID(folder string, s spot) mail.UID {
	return mail.UID(folder + "/" + strconv.FormatUint(uint64(binary.BigEndian.Uint32(s[12:])), 10))
}

// numbered says whether the spot ends with an IMAP UID.
func (s spot) numbered() bool { return s[0]&0x80 != 0 }

// plus returns the spot that is n UIDs further in a run.
func (s spot) plus(n uint32) spot {
	binary.BigEndian.PutUint32(s[12:], binary.BigEndian.Uint32(s[12:])+n)
	return s
}

// distance says how many UIDs s lies behind first, in one run.
func (s spot) distance(first spot) uint32 {
	return binary.BigEndian.Uint32(s[12:]) - binary.BigEndian.Uint32(first[12:])
}

func (s spot) compare(t spot) int { return bytes.Compare(s[:], t[:]) }

// A mark is what is kept of one UID.
type mark struct {
	mark store.Mark
	day  int32
	size int64
	key  [16]byte
}

func markOf(s *store.Seen) mark { return mark{s.Mark, s.Day, s.Size, s.Key} }

func (m mark) seen(a mail.Account, s spot) store.Seen {
	return store.Seen{Account: a, Mark: m.mark, Day: m.day, Size: m.size, Key: m.key, Spot: s}
}

// plain says whether mark and day are all there is, so that it can be part of a run.
func (m mark) plain() bool { return m.size == 0 && m.key == [16]byte{} }

const (
	markBits = 0x07
	markRun  = 0x08
	markSize = 0x10
	markKey  = 0x20
	markDay  = 0x40 // the same day as the one before
)

func (m mark) flags() byte {
	f := byte(m.mark) & markBits
	if m.size != 0 {
		f |= markSize
	}
	if m.key != ([16]byte{}) {
		f |= markKey
	}
	return f
}

// append encodes a mark on its own: flags, day, size, key.
func (m mark) append(b []byte) []byte {
	b = binary.AppendVarint(append(b, m.flags()), int64(m.day))
	return m.appendDear(b)
}

func (m mark) appendDear(b []byte) []byte {
	if m.size != 0 {
		b = binary.AppendVarint(b, m.size)
	}
	if m.key != ([16]byte{}) {
		b = append(b, m.key[:]...)
	}
	return b
}

var errMark = errors.New("store: a mark cannot be read")

func parseMark(v []byte) (mark, error) {
	r := reader{b: v}
	f := r.octet()
	m := mark{mark: store.Mark(f & markBits), day: int32(r.varint())}
	r.dear(f, &m)
	if r.bad || len(r.b) > 0 {
		return mark{}, errMark
	}
	return m, nil
}

// A reader takes an encoded value apart; bad is set once it was too short.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) octet() byte {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, n = true, len(r.b)
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, n = true, len(r.b)
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) dear(flags byte, m *mark) {
	if flags&markSize != 0 {
		m.size = r.varint()
	}
	if flags&markKey != 0 {
		copy(m.key[:], r.take(len(m.key)))
	}
}

func markKeyOf(table byte, account [16]byte, s spot) []byte {
	k := make([]byte, 0, 2+16+16)
	k = append(k, table, '/')
	k = append(k, account[:]...)
	return append(k, s[:]...)
}

func accountPrefix(table byte, account [16]byte) []byte {
	k := make([]byte, 0, 2+16+16+16)
	return append(append(k, table, '/'), account[:]...)
}

func contentKey(account, key [16]byte, s spot) []byte {
	k := append(accountPrefix('c', account), key[:]...)
	return append(k, s[:]...)
}

func folderKey(account [16]byte, s spot) []byte {
	return append(accountPrefix('f', account), s[:12]...)
}
