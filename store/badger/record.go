package badger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"mailretr/store"
	"mailretr/store/mail"
)

const (
	recordVersion = 1
	// maxRecord bounds an encoded record. Badger moves values of 512 KiB and more to its value log, whose
	// sync errors it swallows.
	maxRecord = 256 << 10
)

// codec encodes times to the nanosecond with their zone, and takes strings with any octets: an envelope is
// written by a stranger, and what cannot be read back is lost.
type codec struct {
	enc cbor.UserBufferEncMode
	dec cbor.DecMode
}

func newCodec() (codec, error) {
	enc, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.UserBufferEncMode()
	if err != nil {
		return codec{}, err
	}
	dec, err := cbor.DecOptions{
		UTF8:             cbor.UTF8DecodeInvalid,
		MaxArrayElements: 1 << 20,
	}.DecMode()
	return codec{enc, dec}, err
}

// A stub is the fixed part of a stored record: what the engine itself needs to know of it without decoding
// it.
type stub struct {
	held, body bool
	due        uint64
	size       int64
	lane       mail.Lane
}

const (
	flagHeld = 1 << iota
	flagBody
)

func stubOf(r *store.Record) stub {
	return stub{held: r.Held(), body: r.Body != "", due: stamp(r.Due), size: r.Size, lane: r.Lane}
}

func (s stub) append(b []byte) []byte {
	var flags byte
	if s.held {
		flags |= flagHeld
	}
	if s.body {
		flags |= flagBody
	}
	b = append(b, recordVersion, flags)
	b = binary.BigEndian.AppendUint64(b, s.due)
	b = binary.BigEndian.AppendUint64(b, uint64(s.size))
	return appendPart(b, string(s.lane))
}

var errRecord = errors.New("store: a record cannot be read")

// parseStub takes the fixed part from a stored record and returns the rest, which is CBOR.
func parseStub(v []byte) (stub, []byte, error) {
	const fixed = 1 + 1 + 8 + 8 + 2
	if len(v) < fixed {
		return stub{}, nil, errRecord
	}
	if v[0] != recordVersion {
		return stub{}, nil, fmt.Errorf("%w: its version is %d, this program knows %d",
			errRecord, v[0], recordVersion)
	}
	n := int(binary.BigEndian.Uint16(v[fixed-2:]))
	if len(v) < fixed+n {
		return stub{}, nil, errRecord
	}
	return stub{
		held: v[1]&flagHeld != 0, body: v[1]&flagBody != 0,
		due:  binary.BigEndian.Uint64(v[2:]),
		size: int64(binary.BigEndian.Uint64(v[10:])),
		lane: mail.Lane(v[fixed : fixed+n]),
	}, v[fixed+n:], nil
}

// key returns the record's key in the schedule, or nil for one that is held.
func (s stub) key(id mail.ID) []byte {
	if s.held {
		return nil
	}
	return dueKey(s.lane, s.due, id)
}

func (c *codec) record(r *store.Record) ([]byte, error) {
	if len(r.Lane) > maxKeyPart {
		return nil, errKeyPart
	}
	b := bytes.NewBuffer(make([]byte, 0, 768))
	b.Write(stubOf(r).append(b.AvailableBuffer()))
	if err := c.enc.MarshalToBuffer(r, b); err != nil {
		return nil, fmt.Errorf("encoding the record of %s: %w", r.ID, err)
	}
	if b.Len() > maxRecord {
		return nil, fmt.Errorf("the record of %s would be %d octets, more than %d: it has too many recipients (%d)",
			r.ID, b.Len(), maxRecord, len(r.Recipients))
	}
	return b.Bytes(), nil
}

// text returns a text as it stands in a record, in one piece.
func (c *codec) text(s string) ([]byte, error) {
	var b bytes.Buffer
	err := c.enc.MarshalToBuffer(s, &b)
	return b.Bytes(), err
}

func (c *codec) parseRecord(v []byte) (r store.Record, s stub, err error) {
	s, rest, err := parseStub(v)
	if err != nil {
		return r, s, err
	}
	if err := c.dec.Unmarshal(rest, &r); err != nil {
		return r, s, fmt.Errorf("%w: %w", errRecord, err)
	}
	return r, s, nil
}

// A head is what stands before the octets in a spool file: enough to make a record of it without a database.
type head struct {
	ID           mail.ID          `cbor:"1,keyasint"`
	Parent       mail.ID          `cbor:"2,keyasint"`
	ParentOrigin mail.Origin      `cbor:"3,keyasint,omitzero"`
	Queued       time.Time        `cbor:"4,keyasint"`
	Origin       mail.Origin      `cbor:"5,keyasint"`
	Reverse      mail.Path        `cbor:"6,keyasint"`
	EnvID        string           `cbor:"7,keyasint,omitempty"`
	Ret          string           `cbor:"8,keyasint,omitempty"`
	Recipients   []mail.Recipient `cbor:"9,keyasint"`
	Announced    int64            `cbor:"10,keyasint,omitempty"`

	// Lane is where the message was to go when the file was made; "" in a file of an earlier version. Shared has as
	// many entries as there are recipients, or none.
	Lane   mail.Lane       `cbor:"11,keyasint,omitempty"`
	Shared []store.Sharing `cbor:"12,keyasint,omitempty"`
}

func headOf(r *store.Record) *head {
	h := &head{
		ID: r.ID, Parent: r.Parent, ParentOrigin: r.ParentOrigin, Queued: r.Queued,
		Origin: r.Origin, Reverse: r.Reverse, EnvID: r.EnvID, Ret: r.Ret, Announced: r.Announced,
		Recipients: make([]mail.Recipient, len(r.Recipients)), Lane: r.Lane,
	}
	for i := range r.Recipients {
		x := &r.Recipients[i]
		if h.Recipients[i] = x.Recipient; len(x.Beside) > 0 && h.Shared == nil {
			h.Shared = make([]store.Sharing, len(r.Recipients))
		}
		if h.Shared != nil {
			h.Shared[i] = x.Sharing
		}
	}
	return h
}

// record makes a record of a head; what only the octets know is added by who has read them.
func (h *head) record() *store.Record {
	r := &store.Record{
		ID: h.ID, Parent: h.Parent, ParentOrigin: h.ParentOrigin, Queued: h.Queued, Due: h.Queued,
		Origin: h.Origin, Reverse: h.Reverse, EnvID: h.EnvID, Ret: h.Ret, Announced: h.Announced,
		Recipients: make([]store.Recipient, len(h.Recipients)), Lane: h.Lane,
	}
	for i, x := range h.Recipients {
		if r.Recipients[i].Recipient = x; len(h.Shared) == len(h.Recipients) {
			r.Recipients[i].Sharing = h.Shared[i]
		}
	}
	return r
}
