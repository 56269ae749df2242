package relay

import (
	"context"
	"maps"
	"sync"
	"time"

	"mailretr/store/mail"
)

// Tables are asked in their order, until one knows the address. While one of them cannot be asked, those after it are not
// asked either: it might know the address.
type Tables []Table

// Lookup returns what the first that knows the address says.
func (all Tables) Lookup(ctx context.Context, p mail.Path) (to []mail.Path, ok bool, err error) {
	for _, t := range all {
		if to, ok, err = t.Lookup(ctx, p); ok || err != nil {
			return to, ok, err
		}
	}
	return nil, false, nil
}

const (
	// mostKept bounds the answers that are kept.
	mostKept = 10_000
	// noneKept is how long it is known at most that nothing is said of an address: somebody may be waiting for it to be.
	noneKept = time.Minute
	// afterFailure is how long a table is not asked again of which a question took slow or longer and failed: a hundred
	// messages would each wait for its time-out. One that fails at once costs nothing, and may be the fault of that one
	// address, of which somebody has written nonsense; all others are still answered.
	afterFailure, slow = 5 * time.Second, time.Second
)

// A Kept table keeps answers, so that a message for those of the last minutes asks nobody. That it cannot be asked is kept for
// moments only, and an answer that has become too old is never given instead. The fields are not changed once it is used.
type Kept struct {
	Table Table
	Keep  time.Duration    // how long an answer is good; 0: each question is asked
	Limit time.Duration    // of one question
	Now   func() time.Time // nil: time.Now

	turn sync.Mutex // one question at a time
	mu   sync.Mutex
	list map[mail.Path]answer
	err  error     // of the last question, if it took long
	last time.Time // when it failed
}

// An answer is what the table has said.
type answer struct {
	to   []mail.Path
	ok   bool
	till time.Time
}

// Lookup returns the answer that is kept, or asks.
func (k *Kept) Lookup(ctx context.Context, p mail.Path) (to []mail.Path, ok bool, err error) {
	if a, known, err := k.known(p); known {
		return a.to, a.ok, err
	}
	k.turn.Lock()
	defer k.turn.Unlock()
	if a, known, err := k.known(p); known { // meanwhile
		return a.to, a.ok, err
	}
	began := k.now()
	limited, cancel := context.WithTimeout(ctx, k.Limit)
	defer cancel()
	to, ok, err = k.Table.Lookup(limited, p)
	if ctx.Err() == nil { // else who asked has gone, and nothing is known of the table
		k.learn(p, answer{to: to, ok: ok}, err, began)
	}
	return to, ok, err
}

func (k *Kept) now() time.Time {
	if k.Now == nil {
		return time.Now()
	}
	return k.Now()
}

// known says whether nobody need be asked.
func (k *Kept) known(p mail.Path) (a answer, known bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if a, ok := k.list[p]; ok && now.Before(a.till) {
		return a, true, nil
	}
	return answer{}, k.err != nil && now.Sub(k.last) < afterFailure, k.err
}

func (k *Kept) learn(p mail.Path, a answer, err error, began time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.err, k.last = nil, now
	if now.Sub(began) >= slow {
		k.err = err
	}
	if err != nil || k.Keep == 0 {
		return
	}
	a.till = now.Add(k.Keep)
	if !a.ok {
		a.till = now.Add(min(k.Keep, noneKept))
	}
	if k.list == nil {
		k.list = map[mail.Path]answer{}
	}
	if len(k.list) >= mostKept {
		maps.DeleteFunc(k.list, func(_ mail.Path, x answer) bool { return !now.Before(x.till) })
	}
	if len(k.list) >= mostKept {
		clear(k.list) // all are asked for again
	}
	k.list[p] = a
}
