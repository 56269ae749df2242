package control

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

func TestListAndShow(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		a := put(t, h, "u1", "a@example.org", "jaco@kroon.co.za", "b@kroon.co.za")
		b := put(t, h, "", "", "c@example.net")
		list := all(t, c.List(t.Context(), ListRequest{Shorten: true}))
		if len(list) != 2 || list[0].ID != a.String() || list[1].Sender != "" {
			t.Fatalf("%+v", list)
		}
		m := list[0]
		if m.Name != "incoming" || m.State != Queued || m.Short != a.String()[18:] || m.Maildrop != "jaco" || m.UID != "u1" ||
			m.Line != 100 || m.Size != int64(len(text)) || len(m.Recipients) != 2 || m.Recipients[0].State != "waiting" ||
			m.Expires.Sub(m.Queued) != 5*24*time.Hour {
			t.Errorf("%+v", m)
		}
		short := all(t, c.List(t.Context(), ListRequest{Brief: true}))[0]
		if short.ID != m.ID || short.More != 1 || len(short.Recipients) != 1 || short.Recipients[0].Address != "jaco@kroon.co.za" ||
			short.Due != m.Due || short.SHA256 != "" || short.State != Queued {
			t.Errorf("%+v", short)
		}
		for name, x := range map[string]struct {
			s Select
			n int
		}{
			"maildrop":  {Select{Maildrop: "jaco"}, 1},
			"from":      {Select{From: "A@example.org"}, 1},
			"domain":    {Select{From: "@example.org"}, 1},
			"null":      {Select{From: "<>"}, 1},
			"to":        {Select{To: "b@kroon.co.za"}, 1},
			"nobody":    {Select{To: "@kroon.co"}, 0},
			"lane":      {Select{Lane: "default"}, 2},
			"no lane":   {Select{Lane: "other"}, 0},
			"held":      {Select{State: Held}, 0},
			"queued":    {Select{State: Queued}, 2},
			"older":     {Select{Older: time.Hour}, 0},
			"pattern":   {Select{From: "a@*.ORG", To: "*b@*co*"}, 1},
			"no such":   {Select{From: "a*b"}, 0},
			"larger":    {Select{Larger: int64(len(text))}, 0},
			"smaller":   {Select{Smaller: int64(len(text)) + 1, Younger: time.Hour}, 2},
			"before":    {Select{Before: a.Time().Add(-time.Hour)}, 0},
			"reason":    {Select{Reason: "*"}, 0},
			"id":        {Select{IDs: []string{b.String()[16:]}}, 1},
			"lowercase": {Select{IDs: []string{strings.ToLower(b.String())}}, 1},
		} {
			if got := all(t, c.List(t.Context(), ListRequest{Select: x.s})); len(got) != x.n {
				t.Errorf("%s: %d messages", name, len(got))
			}
		}
		one, err := c.Show(t.Context(), b.String()[18:])
		if err != nil || one.ID != b.String() || one.Short != b.String()[18:] {
			t.Errorf("%+v %v", one, err)
		}
		if got := read1(t, must(c.Cat(t.Context(), a.String(), false)), nil); got != text {
			t.Errorf("cat: %q", got)
		}
		if got := read1(t, must(c.Cat(t.Context(), a.String(), true)), nil); got != "Subject: hello\r\nFrom: a@example.org\r\n\r\n" {
			t.Errorf("header: %q", got)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestMistakesAreTold(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		id := put(t, h, "", "", "c@example.net")
		ctx := t.Context()
		unknown := mail.NewID(time.Now(), nil).String()
		for name, x := range map[string]struct {
			err  error
			want Code
		}{
			"unknown id":     {second(c.Show(ctx, unknown)), NotFound},
			"unknown ending": {second(c.Show(ctx, "ZZZZZZZZ")), NotFound},
			"short":          {second(c.Show(ctx, "Z")), Usage},
			"cat":            {second(c.Cat(ctx, unknown, false)), NotFound},
			"state":          {second(last(c.List(ctx, ListRequest{Select: Select{State: "odd"}}))), Usage},
			"both":           {second(last(c.List(ctx, ListRequest{Select: Select{State: Held, IDs: []string{id.String()}}}))), Usage},
			"nothing":        {second(last(c.Change(ctx, Hold, ChangeRequest{}))), Usage},
			"verb":           {second(last(c.Change(ctx, "eat", ChangeRequest{Select: Select{All: true}}))), NotFound},
			"gone":           {second(last(c.Change(ctx, Hold, ChangeRequest{Select: Select{IDs: []string{unknown}}}))), NotFound},
			"reload":         {c.Reload(ctx), Unavailable},
			"request":        {none(ctx, c, "/v1/odd", nil), NotFound},
			"unknown key":    {none(ctx, c, "/v1/queue/list", map[string]int{"odd": 1}), Usage},
			"large":          {none(ctx, c, "/v1/queue/list", ListRequest{Select: Select{From: strings.Repeat("x", maxBody)}}), Usage},
			"maildrop":       {c.Pause(ctx, "odd"), NotFound},
			"marks":          {second(last(c.Marks(ctx, SeenRequest{Maildrop: "odd"}))), NotFound},
		} {
			if got := codeOf(x.err); got != x.want {
				t.Errorf("%s: %s (%v), want %s", name, got, x.err, x.want)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestChange(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		ctx := t.Context()
		a, b := put(t, h, "u1", "a@example.org", "jaco@kroon.co.za"), put(t, h, "u2", "b@example.org", "jaco@kroon.co.za")
		do := func(v Verb, q ChangeRequest, want string) {
			t.Helper()
			list := all(t, c.Change(ctx, v, q))
			if list[0].Total != len(list)-1 {
				t.Errorf("%s: %d announced, %d told", v, list[0].Total, len(list)-1)
			}
			for _, x := range list[1:] {
				if x.State != want {
					t.Errorf("%s: %+v", v, x)
				}
			}
		}
		count := func(s Select) int { return len(all(t, c.List(ctx, ListRequest{Select: s}))) }
		ids := func(id mail.ID) Select { return Select{IDs: []string{id.String()}} }

		do(Hold, ChangeRequest{Select: Select{All: true}, DryRun: true}, Would)
		if count(Select{State: Held}) != 0 {
			t.Error("a dry run holds")
		}
		do(Hold, ChangeRequest{Select: Select{From: "@example.org"}, Why: "a look"}, Done)
		if m, err := c.Show(ctx, a.String()); err != nil || m.State != Held || m.Why != "a look" || m.Hold != "admin" || m.Name != "hold" {
			t.Errorf("%+v %v", m, err)
		}
		do(Release, ChangeRequest{Select: ids(a)}, Done)
		do(Retry, ChangeRequest{Select: ids(b), Now: true}, Done)
		if n := count(Select{State: Held}); n != 0 {
			t.Errorf("%d still held", n)
		}
		do(Bounce, ChangeRequest{Select: ids(a)}, Done)
		list := all(t, c.List(ctx, ListRequest{}))
		if len(list) != 2 || list[1].Parent != a.String() {
			t.Errorf("no report stands in for it: %+v", list)
		}
		do(Remove, ChangeRequest{Select: Select{All: true}}, Done)
		if n := count(Select{}); n != 0 {
			t.Errorf("%d left", n)
		}
	})
}

// What was counted is what is changed, or nothing is.
func TestChangeOfMoreThanWasMeant(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		put(t, h, "u1", "a@example.org", "jaco@kroon.co.za")
		var seen Change
		for x, err := range c.Change(t.Context(), Hold, ChangeRequest{Select: Select{All: true}, DryRun: true}) {
			if err != nil {
				t.Fatal(err)
			}
			seen = x
			break
		}
		put(t, h, "u2", "a@example.org", "jaco@kroon.co.za")
		if _, err := last(c.Change(t.Context(), Hold, ChangeRequest{Select: Select{All: true}, Most: seen.Total})); codeOf(err) != Busy {
			t.Errorf("two instead of one: %v", err)
		}
		q := ChangeRequest{Select: Select{All: true, Before: seen.At}, Most: seen.Total}
		if n, err := last(c.Change(t.Context(), Hold, q)); n != 2 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		if n := len(all(t, c.List(t.Context(), ListRequest{Select: Select{State: Held}}))); n != 1 {
			t.Errorf("%d are held", n)
		}
	})
}

func TestFits(t *testing.T) {
	for _, x := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"a*a", "a", false}, {"a*a", "aa", true}, {"*a*", "bab", true},
		{"A@B", "a@b", true}, {"*x*y*", "y x", false}, {"*x*y*", "xy", true}, {"a**b", "ab", true}, {"ab", "abc", false},
		{strings.Repeat("a*", 500) + "b", strings.Repeat("a", 1000), false},
	} {
		if got := fits(x.pattern, x.text); got != x.want {
			t.Errorf("%.20q %.20q: %v", x.pattern, x.text, got)
		}
	}
}

// While an attempt is under way a verb waits for its end, and says so first.
func TestChangeWaitsForAnAttempt(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		id := put(t, h, "", "a@example.org", "jaco@kroon.co.za")
		leased, _, err := h.Engine.LeaseMessages(t.Context(), store.Filter{}, 1, time.Hour)
		if err != nil || len(leased) != 1 {
			t.Fatal(leased, err)
		}
		if m, err := c.Show(t.Context(), id.String()); err != nil || m.State != Active || m.Name != "active" {
			t.Errorf("%+v %v", m, err)
		}
		var states []string
		for x, err := range c.Change(t.Context(), Hold, ChangeRequest{Select: Select{All: true}}) {
			if err != nil {
				t.Fatal(err)
			}
			if x.State == Waiting {
				h.Engine.Release(leased[0].Lease)
			}
			states = append(states, x.State)
		}
		if got := strings.Join(states, " "); got != " waiting done" {
			t.Errorf("%q", got)
		}
	})
}

// Who leaves while waiting changes nothing.
func TestChangeEndsWithItsClient(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		put(t, h, "", "a@example.org", "jaco@kroon.co.za")
		leased, _, err := h.Engine.LeaseMessages(t.Context(), store.Filter{}, 1, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for x, err := range c.Change(ctx, Remove, ChangeRequest{Select: Select{All: true}}) {
			if err != nil {
				if codeOf(err) != Tempfail {
					t.Error(err)
				}
				break
			}
			if x.State == Waiting {
				cancel()
			}
		}
		h.Engine.Release(leased[0].Lease)
		if n := len(all(t, c.List(t.Context(), ListRequest{}))); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

// many100k is an engine with a long queue that is never in memory; gate is closed by who has seen the first
// message.
type many100k struct {
	store.Engine
	n    int
	gate chan struct{}
}

func (e *many100k) List(ctx context.Context, _ store.Filter) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		for i := range e.n {
			if i == e.n/2 {
				<-e.gate
			}
			r := store.Record{ID: mail.ID{0, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, Reverse: mail.Path(fmt.Sprint(i)),
				Recipients: []store.Recipient{{Recipient: mail.Recipient{Forward: "jaco@kroon.co.za"}}}}
			if !yield(store.Listed{Record: r}, nil) {
				return
			}
		}
	}
}

func (e *many100k) Find(context.Context, string, int) (ids []mail.ID, err error) {
	for i := range e.n {
		ids = append(ids, mail.ID{0, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	return ids, nil
}

// A long list comes as it is read: the first ones are there before the last ones were looked at.
func TestListStreams(t *testing.T) {
	e := &many100k{n: 10_000, gate: make(chan struct{})}
	h := House{Engine: e}
	for name, c := range map[string]*Client{"local": Local(h), "socket": serve(t, h)} {
		e.gate = make(chan struct{})
		n := 0
		for m, err := range c.List(t.Context(), ListRequest{}) {
			if err != nil {
				t.Fatal(name, err)
			}
			if m.Sender != fmt.Sprint(n) {
				t.Fatalf("%s: message %d is %s", name, n, m.Sender)
			}
			if n++; n == 1 {
				close(e.gate)
			}
		}
		if n != e.n {
			t.Errorf("%s: %d", name, n)
		}
	}
}

func TestShorten(t *testing.T) {
	id := func(text string) mail.ID { return must(mail.ParseID(text)) }
	a := id("0000000000000AAAAAAAABCDEC")
	b := id("1111111111111ZAAAAAAABCDEC")
	c := id("22222222222222222222222224")
	s := shorten([]mail.ID{c, a, b})
	if got := []string{s.of(a), s.of(b), s.of(c)}; got[0] != "AAAAAAAABCDEC" || got[1] != "ZAAAAAAABCDEC" || got[2] != "22222224" {
		t.Errorf("%q", got)
	}
	if got := shorts(nil).of(a); got != a.String() {
		t.Errorf("too many to compare: %s", got)
	}
	s = shorten([]mail.ID{a, b, id("3333333333333YZAAAAAABCDEC")})
	for _, x := range []mail.ID{a, b} {
		if !strings.HasSuffix(x.String(), s.of(x)) || len(s.of(x)) < 13 {
			t.Errorf("%s", s.of(x))
		}
	}
}

// BenchmarkList100k is a list of a hundred thousand messages as a terminal gets it, with short
// ids.
func BenchmarkList100k(b *testing.B) {
	e := &many100k{n: 100_000, gate: make(chan struct{})}
	close(e.gate)
	c := Local(House{Engine: e})
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range c.List(b.Context(), ListRequest{Shorten: true}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != e.n {
			b.Fatal(n)
		}
	}
}
