package fetch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/store/mail"
)

// mostInADay returns the most logins that fell into any 24 hours.
func mostInADay(boxes ...*box) (most int) {
	var all []time.Time
	for _, b := range boxes {
		b.mu.Lock()
		all = append(all, b.opens...)
		b.mu.Unlock()
	}
	for _, from := range all {
		n := 0
		for _, at := range all {
			if d := at.Sub(from); d >= 0 && d < 24*time.Hour {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// TestR23_OneAccount: however many maildrops an account has, it has four refused logins a day; a maildrop whose password
// is right goes on all the same, also after a restart, and a person is not kept from trying.
func TestR23_OneAccount(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var wrong []*box
		all := names(6)
		for _, name := range all {
			b := w.drop(name, "isp")
			b.refuse = refusedLogin
			b.change = func(d *Drop) { d.Account = "the same" }
			wrong = append(wrong, b)
		}
		right := w.drop("right", "isp")
		right.change = func(d *Drop) { d.Account = "the same" }
		w.p.Set(t.Context(), w.drops("right"))
		stop := w.run()
		after(time.Second)
		w.p.Set(t.Context(), w.drops(append(all, "right")...))
		after(60 * time.Hour)
		stop()
		before := right.logins()
		w.p = w.poller()
		w.p.Set(t.Context(), w.drops(append(all, "right")...))
		stop = w.run()
		after(36 * time.Hour)
		if n := mostInADay(wrong...); n > 4 || n == 0 {
			t.Errorf("%d logins were refused in a day", n)
		}
		if before < 700 || right.logins()-before < 400 {
			t.Errorf("the one with the right password was visited %d and %d times", before, right.logins()-before)
		}
		for _, v := range w.p.Poll(t.Context(), all[5]) {
			if v.Sessions != 1 {
				t.Errorf("somebody who names it: %+v", v)
			}
		}
		stop()
	})
}

// TestR23_FickleSecret: a secret that changes by itself is no reason to try again and again, and one that was too old
// waits for no breaker.
func TestR23_FickleSecret(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.refuse = refusedLogin
		var n atomic.Int64
		b.change = func(d *Drop) {
			d.Fickle = true
			d.Settings = func(context.Context) string { return fmt.Sprint(n.Add(1)) }
		}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(6 * time.Minute)
		if n := b.logins(); n != 2 {
			t.Errorf("%d logins with two tokens", n)
		}
		after(80 * time.Hour)
		if n := mostInADay(b); n != 4 {
			t.Errorf("%d logins in a day", n)
		}
		stop()
	})
}

// passing is a refused login that is taken for something else.
type passing struct{ error }

func (passing) Refused() bool { return true }

// TestR23_DoubtedToken: a login that was refused because of an old token counts like the others.
func TestR23_DoubtedToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.refuse = func(n int) error {
			if n == 1 {
				return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Busy, Err: passing{errors.New("too old")}}
			}
			return refusedLogin(n)
		}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(72 * time.Hour)
		if n := mostInADay(b); n != 4 {
			t.Errorf("%d logins in a day", n)
		}
		stop()
	})
}

// TestR23_ClockSetBack: a clock that is set back while the program is not running gives an account no login more.
func TestR23_ClockSetBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.refuse = refusedLogin
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(8 * time.Hour) // the third login was an hour ago
		stop()
		w.p = w.poller()
		w.p.Now = func() time.Time { return time.Now().Add(-3 * time.Hour) }
		w.p.Set(t.Context(), w.drops("jaco"))
		stop = w.run()
		after(15 * time.Hour)
		stop()
		if n := mostInADay(b); n != 4 {
			t.Errorf("%d logins were refused in 24 hours", n)
		}
	})
}
