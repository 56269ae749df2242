//go:build interop

package test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"

	"mailretr/test/real"
)

// A ledger is the history at both ends: what the maildrops were given, and what the MTA has taken. It is judged from that
// alone, never from the program's own log.
type ledger struct {
	t *testing.T

	mu      sync.Mutex
	given   map[string][32]byte // by the number in the Subject; hash of the normal form
	taken   map[string]int
	ids     map[string]string // of the queue, under which each was taken first
	size    int64             // of all that was given
	again   []string          // was taken under another id too
	wrong   []string
	reports int
	doubles map[int64]int // duplicates by connection
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, given: map[string][32]byte{}, taken: map[string]int{}, ids: map[string]string{}, doubles: map[int64]int{}}
}

// fillMore puts n more messages of mixed size into a user's maildrop.
func (l *ledger) fillMore(d *real.Dovecot, user string, n int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	for range n {
		l.mu.Lock()
		i := len(l.given)
		l.mu.Unlock()
		size := 500 + r.IntN(12<<10)
		switch {
		case i%400 == 399:
			size = 2<<20 + r.IntN(1<<20)
		case i%40 == 39:
			size = 40<<10 + r.IntN(200<<10)
		}
		l.put(d, user, size, seed)
	}
}

// put puts one message of about size octets into a user's maildrop.
func (l *ledger) put(d *real.Dovecot, user string, size int, seed uint64) {
	l.mu.Lock()
	i := len(l.given)
	number := fmt.Sprintf("no-%s-%d", user, i)
	octets := text(seed*1e6+uint64(i), number, size)
	l.given[number] = sha256.Sum256([]byte(body(normal(octets))))
	l.size += int64(len(octets))
	l.mu.Unlock()
	d.Put(user, []byte(octets))
}

var (
	numberField = regexp.MustCompile(`(?m)^Subject: (no-\S+)\r$`)
	queueID     = regexp.MustCompile(`\r\n\tid ([0-9A-Z]+)[\r; ]`)
)

// body is a message from its From field on: what stands before are trace fields.
func body(octets string) string {
	if i := strings.Index(octets, "From: Sender"); i >= 0 {
		return octets[i:]
	}
	return octets
}

// take is a recording MTA's callback.
func (l *ledger) take(m real.Taken) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.From == "" {
		l.reports++
		return ""
	}
	octets := string(m.Octets)
	found := numberField.FindStringSubmatch(octets)
	if found == nil {
		l.wrong = append(l.wrong, "a message without a number")
		return ""
	}
	number := found[1]
	if l.given[number] != sha256.Sum256([]byte(body(octets))) {
		l.wrong = append(l.wrong, number+" has other octets than it was given with")
	}
	if l.taken[number]++; l.taken[number] > 1 {
		l.doubles[m.Conn]++
	}
	id := "none"
	if found := queueID.FindStringSubmatch(octets); found != nil {
		id = found[1]
	}
	if first, ok := l.ids[number]; !ok {
		l.ids[number] = id
	} else if first != id || id == "none" {
		l.again = append(l.again, fmt.Sprintf("%s as %s and %s", number, first, id))
	}
	return ""
}

// missing returns how many were given and not taken yet.
func (l *ledger) missing() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for number := range l.given {
		if l.taken[number] == 0 {
			n++
		}
	}
	return n
}

// octets returns the size of all that was given.
func (l *ledger) octets() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// once checks that each message came into the queue once: those that arrived twice had one id there.
func (l *ledger) once() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.again {
		l.t.Errorf("collected twice: %s", a)
	}
}

// judge checks the whole history: each message arrived, with its octets, and at most this many twice.
func (l *ledger) judge(duplicates int) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	twice := 0
	for number := range l.given {
		switch n := l.taken[number]; {
		case n == 0:
			l.t.Errorf("%s is lost", number)
		case n > 1:
			twice += n - 1
		}
	}
	for _, w := range l.wrong {
		l.t.Error(w)
	}
	if l.reports > 0 {
		l.t.Errorf("%d reports went out though everything was delivered", l.reports)
	}
	if twice > duplicates {
		l.t.Errorf("%d duplicates, %d are allowed", twice, duplicates)
	}
	l.t.Logf("%d messages, each arrived; %d duplicates (%d allowed)", len(l.given), twice, duplicates)
}
