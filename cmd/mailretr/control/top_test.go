package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

func TestAlike(t *testing.T) {
	for said, want := range map[string]string{
		"": "",
		"450 4.2.0 <a@b.example>: Greylisted for 299 seconds":        "450 4.2.0 <…> Greylisted for # seconds",
		"450 4.2.0 <c@d.example>: Greylisted for  17 seconds":        "450 4.2.0 <…> Greylisted for # seconds",
		"550 1.2.3.4.5 is no code, id=1rXyZ-0001AB-3x (in reply)":    "550 # is no code, id=# (in reply)",
		"connecting to 127.0.0.1:25: connection refused":             "connecting to #:#: connection refused",
		"554 5.7.1 [2001:db8::1]:25 http://x.example/?q=3f2a see it": "554 5.7.1 [#:#::#]:# http://x.example/?q=# see it",
		"4513 too many digits":                                       "# too many digits",
		"\x00 \xff\u202e 5":                                          "\x00 \xff\u202e #",
	} {
		if got := alike(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
		if again := alike(alike(said)); again != alike(said) && !strings.Contains(said, "@") {
			t.Errorf("%q: not the same when done twice: %q", said, again)
		}
	}
	if n := len(alike(strings.Repeat("7@\xff ", 1<<20))); n > maxReason {
		t.Errorf("a reason of %d octets", n)
	}
}

func listed(i int, replies ...string) *store.Listed {
	r := store.Record{ID: mail.ID{byte(i >> 8), byte(i)}, Lane: "mx", Size: 10, Tries: 1, Queued: time.Unix(int64(1000+i), 0)}
	for _, x := range replies {
		r.Recipients = append(r.Recipients, store.Recipient{Last: store.Said{At: time.Unix(1, 0), Reply: x}})
	}
	return &store.Listed{Record: r}
}

// Five thousand equal failures are one line, and a server that says something else each time cannot make more lines than
// are bounded.
func TestTopGroups(t *testing.T) {
	c := count{}
	for i := range 5000 {
		c.add(listed(i, fmt.Sprintf("451 4.3.0 <u%d@x.example> later, id %d", i, i), fmt.Sprintf("451 4.3.0 <v%d@x.example> later, id %d", i, i)))
	}
	if g := c.sorted(); len(g) != 1 || g[0].Messages != 5000 || g[0].Octets != 50_000 || g[0].Oldest != time.Unix(1000, 0) ||
		g[0].Reason != "451 4.3.0 <…> later, id #" || g[0].Full != "451 4.3.0 <u0@x.example> later, id 0" {
		t.Errorf("%d groups, the first %+v", len(g), g[0])
	}
	c = count{}
	for i := range 3 * mostGroups {
		c.add(listed(i, "450 "+strings.Repeat("x", i)[:i/100]+strings.Repeat("y", i%100)))
	}
	c.add(listed(1, "450 a", "450 b"))
	g := c.sorted()
	if len(g) > mostGroups+1 {
		t.Errorf("%d groups", len(g))
	}
	c = count{}
	c.add(listed(1, "450 a", "450 b"))
	held := listed(2)
	held.Record.Hold, held.Record.HoldWhy = store.HoldAdmin, "until 9:00"
	c.add(held)
	if g := c.sorted(); len(g) != 3 || g[2].State != Held || g[2].Reason != "admin: until 9:00" || !g[2].Next.IsZero() {
		t.Errorf("%d groups, the last %+v", len(g), g[len(g)-1])
	}
}

func TestFlush(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		a, b := put(t, h, "u1", "a@example.org", "jaco@kroon.co.za"), put(t, h, "u2", "a@example.org", "jaco@kroon.co.za")
		later := time.Now().Add(time.Hour)
		leased, _, err := h.Engine.LeaseMessages(t.Context(), store.Filter{IDs: []mail.ID{a, b}}, 2, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		batch := &store.Batch{}
		for i, l := range leased {
			if l.Record.Due = later; i == 1 {
				l.Record.Hold = store.HoldAdmin
			}
			batch.Put, batch.Fence = append(batch.Put, l.Record), append(batch.Fence, l.Lease)
		}
		if err := h.Engine.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Flush(t.Context(), FlushRequest{Lanes: []string{"default", "odd"}}); codeOf(err) != NotFound {
			t.Error(err)
		}
		for i, want := range []int{1, 0} {
			if n, err := c.Flush(t.Context(), FlushRequest{Lanes: []string{"default"}}); n != want || err != nil {
				t.Errorf("%d: %d %v", i, n, err)
			}
		}
		for _, m := range all(t, c.List(t.Context(), ListRequest{})) {
			if held := m.State == Held; held != (m.Due.After(time.Now())) {
				t.Errorf("%+v", m)
			}
		}
		if g := all(t, c.Top(t.Context(), TopRequest{})); len(g) != 2 || g[0].Messages != 1 || len(g[0].Short) != 8 {
			t.Errorf("%+v", g)
		}
	})
}
