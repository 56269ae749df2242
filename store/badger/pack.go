package badger

import (
	"encoding/binary"
	"fmt"

	"mailretr/store"
)

// Packed marks: one value holds the marks of an account between two spots, in order, those with equal mark
// and day and consecutive UIDs as one run. A hundred thousand kept UIDs of an IMAP folder are a few octets,
// of POP3 eighteen octets each, or thirty-eight with size and content key.

const (
	chunkVersion = 1
	// maxChunk is where a chunk is split. Small, because each look-up reads a whole one.
	maxChunk = 8 << 10
)

// lastSpot is the key of the last chunk of an account, which takes all that is above the others.
var lastSpot = spot{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}

// A run is n marks that are equal, of consecutive spots.
type run struct {
	first spot
	n     uint32
	mark  mark
}

func (r *run) last() spot { return r.first.plus(r.n - 1) }

// has says whether s lies in the run.
func (r *run) has(s spot) bool { return s.compare(r.first) >= 0 && s.compare(r.last()) <= 0 }

// takes extends the run by one mark if that is possible.
func (r *run) takes(s spot, m mark) bool {
	if r.n == 0 || r.mark != m || !m.plain() || !s.numbered() || r.n == 1<<32-1 {
		return false
	}
	end := r.last()
	if end.plus(1) != s || end.plus(1).compare(end) < 0 {
		return false
	}
	r.n++
	return true
}

// A packer writes runs into chunks.
type packer struct {
	buf  []byte
	prev spot
	day  int32
	open run
	// done is called with each full chunk and its last spot; it keeps the slice.
	done func(last spot, chunk []byte)
}

func (p *packer) add(s spot, m mark) {
	if p.open.takes(s, m) {
		return
	}
	p.flush()
	p.open = run{s, 1, m}
}

// addRun adds n equal marks, as they came out of a chunk.
func (p *packer) addRun(r run) {
	if r.n == 0 {
		return
	}
	p.add(r.first, r.mark)
	p.open.n += r.n - 1
}

func (p *packer) flush() {
	r := &p.open
	if r.n == 0 {
		return
	}
	if len(p.buf) == 0 {
		p.buf, p.prev, p.day = append(make([]byte, 0, maxChunk+64), chunkVersion), spot{}, 0
	}
	flags := r.mark.flags()
	if r.n > 1 {
		flags |= markRun
	}
	if r.mark.day == p.day {
		flags |= markDay
	}
	shared := 0
	for shared < 15 && r.first[shared] == p.prev[shared] {
		shared++
	}
	p.buf = append(append(p.buf, flags, byte(shared)), r.first[shared:]...)
	if r.mark.day != p.day {
		p.buf = binary.AppendVarint(p.buf, int64(r.mark.day))
	}
	if r.n > 1 {
		p.buf = binary.AppendUvarint(p.buf, uint64(r.n))
	}
	p.buf = r.mark.appendDear(p.buf)
	p.prev, p.day = r.last(), r.mark.day
	r.n = 0
	if len(p.buf) >= maxChunk {
		p.done(p.prev, p.buf)
		p.buf = nil
	}
}

// close writes what is left. The last chunk is keyed by the bound that was given instead of its last spot.
func (p *packer) close(bound spot) {
	p.flush()
	if len(p.buf) > 0 {
		p.done(bound, p.buf)
		p.buf = nil
	}
}

// eachRun calls f for each run of a chunk until it returns false.
func eachRun(chunk []byte, f func(run) bool) error {
	r := reader{b: chunk}
	if v := r.octet(); v != chunkVersion {
		return fmt.Errorf("%w: chunk version %d", errMark, v)
	}
	var prev spot
	var day int32
	for len(r.b) > 0 {
		flags, shared := r.octet(), int(r.octet())
		if shared > 15 {
			return errMark
		}
		x := run{first: prev, n: 1, mark: mark{mark: store.Mark(flags & markBits)}}
		copy(x.first[shared:], r.take(16-shared))
		if flags&markDay == 0 {
			day = int32(r.varint())
		}
		x.mark.day = day
		if flags&markRun != 0 {
			x.n = uint32(r.uvarint())
		}
		r.dear(flags, &x.mark)
		if r.bad || x.n == 0 {
			return errMark
		}
		prev = x.last()
		if !f(x) {
			return nil
		}
	}
	return nil
}

// A change is one fresh mark on its way into a chunk; Unseen takes it out.
type change struct {
	spot spot
	mark mark
}

// mergeInto writes the runs of a chunk with the changes, both in order, into p.
func mergeInto(p *packer, chunk []byte, changes []change) error {
	put := func(c change) {
		if c.mark.mark != store.Unseen {
			p.add(c.spot, c.mark)
		}
	}
	if len(chunk) > 0 {
		err := eachRun(chunk, func(r run) bool {
			for len(changes) > 0 && changes[0].spot.compare(r.last()) <= 0 {
				c := changes[0]
				changes = changes[1:]
				if c.spot.compare(r.first) >= 0 {
					before := c.spot.distance(r.first)
					p.addRun(run{r.first, before, r.mark})
					r.first, r.n = r.first.plus(before+1), r.n-before-1
				}
				put(c)
				if r.n == 0 {
					return true
				}
			}
			p.addRun(r)
			return true
		})
		if err != nil {
			return err
		}
	}
	for _, c := range changes {
		put(c)
	}
	return nil
}
