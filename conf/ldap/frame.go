package ldap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	// maxEntry bounds a message that is an entry, in octets; maxMessage any other, and maxControls what controls any of
	// them has.
	maxEntry, maxMessage, maxControls = 16 << 20, 1 << 20, 64 << 10
	// maxElements bounds the parts of a message: the library makes some 200 octets of each, of two on the wire.
	maxElements = 100_000
	maxDepth    = 16
	// maxAnswer bounds what one question may bring.
	maxAnswer = 256 << 20

	// maxName bounds the DN of an entry that is larger than that.
	maxName = 64 << 10

	tagEntry    = 0x64 // SearchResultEntry (RFC 4511, 4.5.2)
	tagControls = 0xa0
)

// spared is the attribute of an entry of which nothing else is known, because it is too large.
const spared = "mailretr;too-large"

// errParts says that the library would need too much memory for a message.
var errParts = errors.New("a message has too many parts")

// framed hands out messages that are whole and within bounds: the library takes whatever length a message announces. It
// reads no octet behind the message that it hands out, so that nothing is left over when TLS begins.
type framed struct {
	Line
	rest []byte // of the message that is being handed out
	left int    // octets that the answer may still have
	bounds
}

// bounds are what is done about entries that are too large.
type bounds struct {
	largest int // octets of a message that is an entry; 0: maxEntry
	// spare makes an entry that is too large one that has its name and the attribute spared, instead of an error: who looks at
	// many entries need not do without the others. Not changed once it is read from.
	spare bool
}

// Read hands out the message, or reads the next one.
func (f *framed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		m, err := f.message()
		if err != nil {
			return 0, err
		}
		f.rest = m
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// message reads one.
func (f *framed) message() ([]byte, error) {
	head, length, err := heading(f.Line)
	if err != nil {
		return nil, err
	}
	if f.left -= len(head) + length; f.left < 0 {
		return nil, fmt.Errorf("the answer is larger than %d octets", maxAnswer)
	}
	most := f.largest
	if most == 0 {
		most = maxEntry
	}
	if length > most && f.spare {
		return bare(f.Line, length)
	}
	if length > most {
		return nil, errors.New("a message is too large")
	}
	m, err := io.ReadAll(io.LimitReader(f.Line, int64(length))) // which grows as it comes, whatever was announced
	if err == nil && len(m) < length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, unexpected(err)
	}
	if err = sound(m); errors.Is(err, errParts) && f.spare {
		if less, bad := bare(bytes.NewReader(m), length); bad == nil {
			return less, nil
		}
	}
	return append(head, m...), err
}

// heading reads the head of a message.
func heading(r io.Reader) (head []byte, length int, err error) {
	head = make([]byte, 2, 6)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, 0, err
	}
	if head[0] != 0x30 {
		return nil, 0, errors.New("what it says is no LDAP")
	}
	return lengthOf(r, head)
}

// lengthOf reads the length that may follow the first two octets of a head.
func lengthOf(r io.Reader, head []byte) ([]byte, int, error) {
	if n := int(head[1] & 0x7f); head[1] >= 0x80 {
		if n == 0 || n > 4 {
			return nil, 0, errors.New("a message has no length that can be")
		}
		head = append(head, make([]byte, n)...)
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return nil, 0, unexpected(err)
		}
	}
	_, length, _, err := element(head, math.MaxInt32)
	return head, length, err
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// sound checks the parts of a message: number, operation and controls.
func sound(m []byte) error {
	count := 0
	for i := 0; len(m) > 0; i++ {
		tag, length, head, err := element(m, len(m))
		switch {
		case err != nil:
			return err
		case i == 1 && tag != tagEntry && length > maxMessage, tag == tagControls && length > maxControls:
			return errors.New("a message is too large")
		}
		if err := walk(m[:head+length], &count, 0); err != nil {
			return err
		}
		m = m[head+length:]
	}
	return nil
}

// walk counts the elements of b.
func walk(b []byte, count *int, depth int) error {
	for len(b) > 0 {
		tag, length, head, err := element(b, len(b))
		if err != nil {
			return err
		}
		if *count++; *count > maxElements || depth > maxDepth {
			return errParts
		}
		if tag&0x20 != 0 {
			if err := walk(b[head:head+length], count, depth+1); err != nil {
				return err
			}
		}
		b = b[head+length:]
	}
	return nil
}

// element reads the head of an element. LDAP has definite lengths and tags of one octet only (RFC 4511, 5.1).
func element(b []byte, most int) (tag byte, length, head int, err error) {
	bad := errors.New("a message is no BER")
	if len(b) < 2 || b[0]&0x1f == 0x1f || b[1] == 0x80 {
		return 0, 0, 0, bad
	}
	tag, length, head = b[0], int(b[1]), 2
	if n := length & 0x7f; length >= 0x80 {
		if n > 4 || len(b) < 2+n {
			return 0, 0, 0, bad
		}
		length, head = 0, 2+n
		for _, x := range b[2:head] {
			length = length<<8 | int(x)
		}
	}
	if length < 0 || length > most || most == len(b) && head+length > len(b) {
		return 0, 0, 0, bad
	}
	return tag, length, head, nil
}
