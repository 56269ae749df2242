package local

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

// turnOf is when a mailbox may be asked again; zero: it was had, and given back.
func turnOf(t *testing.T, end func(), err error) time.Time {
	t.Helper()
	var r *refusal
	switch {
	case err == nil:
		end()
		return time.Time{}
	case errors.As(err, &r) && r.x.Scope == mail.OfTurn && r.x.Reply == "":
		return r.x.Again
	}
	t.Fatal(err)
	return time.Time{}
}

// A mailbox takes one at a time: who comes soon waits, who comes later is put off, each to a time of his own, and another
// mailbox is not concerned.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		begin := func(key string) (func(), error) { return turns.begin(t.Context(), key, time.Now) }
		start := time.Now()
		end, err := begin("a")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(patience / 2)
			end()
		}()
		soon, err := begin("a") // waits for the end
		if err != nil || time.Since(start) != patience/2 {
			t.Fatal(err, time.Since(start))
		}
		other, err := begin("b")
		if turnOf(t, other, err) != (time.Time{}) {
			t.Error("another mailbox is put off")
		}
		for i := range 3 { // the first of them is found out by waiting
			end, err := begin("a")
			if got, want := turnOf(t, end, err), start.Add(patience/2+patience+time.Duration(i+1)*shortestTurn); !got.Equal(want) {
				t.Errorf("put off %d: %v, want %v", i, got.Sub(start), want.Sub(start))
			}
		}
		soon()
		end, err = begin("a")
		if turnOf(t, end, err) != (time.Time{}) {
			t.Error("it is free, and not given")
		}
	})
}

// Where each message takes a little less than is waited for one, nobody waits for many of them either: the worker is wanted
// for the mail of others.
func TestNobodyWaitsForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		var off atomic.Int32
		for range 20 {
			go func() {
				came := time.Now()
				end, err := turns.begin(t.Context(), "a", time.Now)
				if waited := time.Since(came); waited > patience {
					t.Errorf("somebody waited for %v", waited)
				}
				if err != nil {
					off.Add(1)
					return
				}
				time.Sleep(patience * 9 / 10)
				end()
			}()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := off.Load(); n != 18 {
			t.Errorf("%d were put off", n)
		}
	})
}

// What takes as long as it likes is asked for now and then only, and never put off for longer than a quarter of an hour.
func TestTurnsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		slow, err := turns.begin(t.Context(), "a", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		slow()
		slow, _ = turns.begin(t.Context(), "a", time.Now)
		time.Sleep(patience)
		for range 100 {
			end, err := turns.begin(t.Context(), "a", time.Now)
			if again := turnOf(t, end, err); time.Until(again) > mostAhead || !again.After(time.Now()) {
				t.Fatal(time.Until(again))
			}
		}
		slow()
		for i := range 3 * manyTurns {
			end, err := turns.begin(t.Context(), fmt.Sprint(i), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			end()
		}
		if n := len(turns.box); n > manyTurns {
			t.Errorf("%d are remembered", n)
		}
		// A context that ends while somebody waits is nobody's fault.
		end, _ := turns.begin(t.Context(), "a", time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), patience/4)
		defer cancel()
		_, err = turns.begin(ctx, "a", time.Now)
		var s *source
		if !errors.As(err, &s) {
			t.Error(err)
		}
		end()
	})
}

// A program runs once at a time for each user, or recipient, whatever number of workers there are.
func TestOneProgramForEach(t *testing.T) {
	turns := &Turns{}
	dir := t.TempDir()
	// A second one of the same name would find the directory there.
	c := shell(t, `mkdir `+dir+`/"$1" || exit 70; sleep 0.1; rmdir `+dir+`/"$1"`, func(o *Command) { o.Turns = turns })
	var bad atomic.Int32
	done := make(chan struct{})
	for i := range 9 {
		go func() {
			to := mail.Path(fmt.Sprintf("u%d@x.example", i%3))
			if r := c.Deliver(context.WithoutCancel(t.Context()), message(letter, to)); !r.Done(1) {
				t.Log(r)
				bad.Add(1)
			}
			done <- struct{}{}
		}()
	}
	for range 9 {
		<-done
	}
	if n := bad.Load(); n > 0 {
		t.Errorf("%d ran together", n)
	}
}
