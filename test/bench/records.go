package main

import (
	"encoding/binary"
	"sync"
)

// records sees one connection that is TLS from its first octet, and counts what TLS itself takes of what the server sends
// once it sends application data (RFC 8446, 5.2): a header of 5 octets, a type and a tag of 16 for each record.
type records struct {
	mu   sync.Mutex
	head []byte
	left int // octets of the record that is under way
	n    int // records of application data, which have most of the handshake in them too
}

const recordCost = 5 + 1 + 16

func (r *records) see(up bool, octets []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if up {
		return
	}
	for len(octets) > 0 {
		if r.left > 0 {
			k := min(r.left, len(octets))
			r.left, octets = r.left-k, octets[k:]
			continue
		}
		r.head, octets = append(r.head, octets[0]), octets[1:]
		if len(r.head) < 5 {
			continue
		}
		r.left = int(binary.BigEndian.Uint16(r.head[3:]))
		if r.head[0] == 23 {
			r.n++
		}
		r.head = r.head[:0]
	}
}

// cost is what TLS took of it.
func (r *records) cost() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n * recordCost
}
