package relay

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

// counted is a table that knows a, and may be away, or hang.
type counted struct {
	asked int
	err   error
	takes time.Duration
	hangs bool
}

func (c *counted) Lookup(ctx context.Context, p mail.Path) ([]mail.Path, bool, error) {
	c.asked++
	if c.hangs {
		<-ctx.Done()
		return nil, false, ctx.Err()
	}
	time.Sleep(c.takes)
	if c.err != nil || p.Local() != "a" {
		return nil, false, c.err
	}
	return []mail.Path{"b@x.example"}, true, nil
}

// An answer is kept for a while, that there is none for a shorter one, and a failure for moments.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{}
		k := &Kept{Table: c, Keep: 5 * time.Minute, Limit: 5 * time.Second}
		ask := func(p mail.Path, ok bool, err error, asked int) {
			t.Helper()
			c.asked = 0
			to, known, e := k.Lookup(t.Context(), p)
			if known != ok || !errors.Is(e, err) || c.asked != asked || ok != (len(to) == 1) {
				t.Errorf("%v: %v %v %v, asked %d times", p, to, known, e, c.asked)
			}
		}
		ask("a@x.example", true, nil, 1)
		ask("n@x.example", false, nil, 1)
		time.Sleep(59 * time.Second)
		ask("a@x.example", true, nil, 0)
		ask("n@x.example", false, nil, 0)
		time.Sleep(2 * time.Second)
		ask("a@x.example", true, nil, 0)
		ask("n@x.example", false, nil, 1)

		c.err = errAway
		ask("m@x.example", false, errAway, 1) // at once: that may be the fault of the address
		ask("o@x.example", false, errAway, 1)
		c.takes = time.Second
		ask("o@x.example", false, errAway, 1)
		ask("p@x.example", false, errAway, 0) // nobody waits for its time-out again
		ask("a@x.example", true, nil, 0)
		time.Sleep(5 * time.Second)
		ask("p@x.example", false, errAway, 1)
		time.Sleep(5 * time.Minute)
		ask("a@x.example", false, errAway, 1) // what is too old is no answer
		c.err, c.takes = nil, 0
		time.Sleep(5 * time.Second)
		ask("a@x.example", true, nil, 1)

		c.hangs = true
		began := time.Now()
		ask("q@x.example", false, context.DeadlineExceeded, 1)
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("it took %v", d)
		}
		c.hangs = false
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c.err = context.Canceled
		if _, _, err := k.Lookup(ctx, "r@x.example"); err == nil {
			t.Error("an answer to nobody")
		}
		c.err = nil
		ask("r@x.example", false, nil, 1) // that one of those who asked has gone says nothing of the table
	})
}

func TestKeptIsBounded(t *testing.T) {
	k := &Kept{Table: &counted{}, Keep: time.Hour, Limit: time.Second}
	for i := range mostKept + 10 {
		if _, _, err := k.Lookup(t.Context(), mail.Path(fmt.Sprintf("u%d@x.example", i))); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.list) > mostKept {
		t.Errorf("%d answers are kept", len(k.list))
	}
}

// A table that is away hides those after it, not those before.
func TestTables(t *testing.T) {
	first := NewAliases([]Alias{{From: "z@x.example", To: []string{"y@x.example"}}})
	for p, want := range map[mail.Path]string{"z@x.example": "[<y@x.example>] true <nil>", "a@x.example": "[] false the table is away"} {
		to, ok, err := Tables{first, away{}, &counted{}}.Lookup(t.Context(), p)
		if got := fmt.Sprint(to, ok, err); got != want {
			t.Errorf("%v: %s", p, got)
		}
	}
	if to, ok, err := (Tables{first, &counted{}}).Lookup(t.Context(), "a@x.example"); len(to) != 1 || !ok || err != nil {
		t.Error(to, ok, err)
	}
}
