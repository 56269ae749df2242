package badger

import (
	"fmt"
	"sync"

	"mailretr/store"
)

// Bodies that are under way at once have to fit together: each looks at the free space before its first octet, and all of
// them would find the same. So what was announced and is not on the disk yet is promised to whoever began first.

const (
	// most bounds what one body is reckoned with: sums of what a server claims must not overflow.
	most = 1 << 60
	// little is what fits beside all that is promised. What a server claims may never come, or take a day, and mail of
	// other servers must not wait for that; the reserve is for what little mail adds up to meanwhile.
	little = 1 << 20
)

// promises are the octets of all bodies that are still to come.
type promises struct {
	mu  sync.Mutex
	all int64
}

// promise takes n octets of the free space, and returns how many it took; or ErrFull where the reserve, or what others
// were promised, would be touched. A little body has to fit by itself only.
func (e *Engine) promise(n int64) (int64, error) {
	n = min(n, most)
	p := &e.promised
	p.mu.Lock()
	defer p.mu.Unlock()
	others := p.all
	if n <= little {
		others = 0
	}
	err := e.room(others + n)
	if err == nil {
		p.all += n
		return n, nil
	}
	if others > 0 {
		if alone := e.room(n); alone == nil {
			return 0, fmt.Errorf("%w: the message has %d MiB, and %d MiB of others are still to come", store.ErrFull, max(n>>20, 1),
				p.all>>20)
		}
	}
	return 0, err
}

// kept is told of octets that came to be on the disk, or will not come any more.
func (p *promises) kept(n int64) {
	p.mu.Lock()
	p.all -= n
	p.mu.Unlock()
}

// arrived takes what reached the disk off the body's promise.
func (b *body) arrived(n int) {
	k := min(int64(n), b.promised)
	b.promised -= k
	b.e.promised.kept(k)
}

// settle ends the body's promise.
func (b *body) settle() {
	b.e.promised.kept(b.promised)
	b.promised = 0
}
