package wire

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// Compression (RFC 4978 for IMAP, RFC 1951) lies between TLS and all that is gated: limits of lines and
// literals count inflated octets, a Meter and the pace of the line count those that crossed it. What we write
// goes in stored blocks, since it is little and a compressor holds 0.8 MB.

const (
	// idleDeflate is how many octets more than they inflate to may cross the line: blocks without content can
	// be sent for ever. An honest compressor adds a few octets to each reply.
	idleDeflate = 64 << 10
	// maxStored is the most that a stored block holds (RFC 1951, 3.2.4).
	maxStored = 65535
)

// Stepwise makes each Read hand out one line at most, so that nothing behind a line that changes what follows
// is taken for more of the same.
func (c *Conn) Stepwise(on bool) { c.steps.Store(on) }

// Inflate says that all octets from the next one on are compressed, in both directions. It is called by the
// reading goroutine between two reads, while nobody writes and nothing is gathered.
func (c *Conn) Inflate() {
	rest, _ := c.br.Peek(c.br.Buffered())
	rest = bytes.Clone(rest)
	c.br.Discard(len(rest))
	c.fmu.Lock()
	defer c.fmu.Unlock()
	d := &deflated{Conn: c.top, meter: c.opts.Meter, early: rest}
	d.in = flate.NewReader(bufio.NewReaderSize(below{d}, MaxLine))
	c.top = d
}

// A deflated is a connection on which both directions are compressed.
type deflated struct {
	net.Conn
	meter *Meter
	early []byte // came together with the last octets that were not compressed
	in    io.Reader

	raw, out atomic.Int64 // octets that came, and that they inflated to
	told     int64        // of the difference, told to the meter
}

// Share is how many octets came for each one that was read, on the average since Inflate; 1 where nothing is
// compressed. TLS is not counted. Safe from any goroutine that does not call Inflate at the time.
func (c *Conn) Share() float64 {
	d, ok := c.top.(*deflated)
	if !ok || d.out.Load() == 0 {
		return 1
	}
	return float64(d.raw.Load()) / float64(d.out.Load())
}

// below reads what is to be inflated.
type below struct{ d *deflated }

// Read counts, and ends a stream that only costs.
func (b below) Read(p []byte) (n int, err error) {
	d := b.d
	if raw, out := d.raw.Load(), d.out.Load(); raw > 2*out+idleDeflate {
		return 0, foreign("compressed data of %d octets holds %d", raw, out)
	}
	if len(d.early) > 0 {
		n = copy(p, d.early)
		d.early = d.early[n:]
	} else {
		n, err = d.Conn.Read(p)
	}
	d.raw.Add(int64(n))
	return n, err
}

// Read inflates. It returns what there is, without waiting for more, where the sender has ended a block.
func (d *deflated) Read(p []byte) (int, error) {
	n, err := d.in.Read(p)
	d.out.Add(int64(n))
	if d.meter != nil {
		if spared := max(d.out.Load()-d.raw.Load(), 0); spared != d.told {
			d.meter.Spared.Add(spared - d.told)
			d.told = spared
		}
	}
	var corrupt flate.CorruptInputError
	var internal flate.InternalError
	if errors.As(err, &corrupt) || errors.As(err, &internal) {
		err = &Error{Doing: "reading", Foreign: true, Err: err}
	}
	return n, err
}

// Write sends stored blocks, all of p in one write. The last one is empty, as after a flush of zlib: some
// readers hand out nothing before they have seen one.
func (d *deflated) Write(p []byte) (int, error) {
	b := make([]byte, 0, len(p)+5*(len(p)/maxStored+2))
	for rest, k := p, -1; k != 0; rest = rest[k:] {
		k = min(len(rest), maxStored)
		b = append(b, 0) // not the last block, stored; the rest of the octet is padding
		b = binary.LittleEndian.AppendUint16(b, uint16(k))
		b = binary.LittleEndian.AppendUint16(b, ^uint16(k))
		b = append(b, rest[:k]...)
	}
	if _, err := d.Conn.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}
