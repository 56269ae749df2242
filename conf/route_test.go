package conf

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// routed is a configuration with three destinations and two maildrops.
func routed(routes ...Route) *Config {
	return &Config{
		Deliver:   []Destination{{Name: "main"}, {Name: "lists"}, {Name: "archive"}},
		Maildrops: []*Maildrop{{Name: "jaco"}, {Name: "anna", Deliver: "lists"}},
		Routes:    routes,
	}
}

// names are the destinations of a letter, in order.
func (c *Config) names(l Letter) string {
	var all []string
	for _, h := range c.Hops(l) {
		all = append(all, h.Destination)
	}
	return strings.Join(all, " ")
}

func TestLikeAddress(t *testing.T) {
	for _, c := range []struct {
		pattern, address string
		want             bool
	}{
		{"a@x.example", "A@X.EXAMPLE", true},
		{"a@x.example", "ab@x.example", false},
		{"a@x.example", "a@y.x.example", false},
		{"*@x.example", "anything@x.example", true},
		{"*@x.example", "a@y.x.example", false},
		{"*@*.x.example", "a@y.x.example", true},
		{"*@*.x.example", "a@z.y.x.example", true},
		{"*@*.x.example", "a@x.example", false},
		{"*@*.x.example", "a@yx.example", false},
		{"a@*", "a@anywhere.example", true},
		{"a@*", "b@anywhere.example", false},
		{"a@*", "a", false},
		{"a@*.x.example", "a@y.x.example", true},
		{"*", "a@x.example", true},
		{"*", "", true},
		{"<>", "", true},
		{"<>", "a@x.example", false},
		{"*@x.example", "", false},
		{"postmaster", "Postmaster", true},
		{"postmaster", "postmaster@x.example", false},
		{`"a@b"@x.example`, `"a@b"@x.example`, true},
		{"*@x.example", `"a@y.example"@x.example`, true}, // the last at sign counts
		{"*@y.example", `"a@y.example"@x.example`, false},
		{"*@büro.example", "a@xn--bro-hoa.example", true},
		{"*@xn--bro-hoa.example", "a@BÜRO.example", true},
		{"a@*.büro.example", "a@post.xn--bro-hoa.example", true},
		{"a@*.xn--bro-hoa.example", "a@büro.example", false},
		{"*@a\u0300\u0301 b.example", "a@a\u0300\u0301 b.example", true}, // no domain, and the same all the same
	} {
		if got := likeAddress(c.pattern, c.address); got != c.want {
			t.Errorf("%s and %q: %v", c.pattern, c.address, got)
		}
	}
}

func TestHops(t *testing.T) {
	c := routed(
		Route{Sender: []string{"boss@x.example"}, Also: []string{"archive"}},
		Route{Folder: []string{"Lists/*", "inbox"}, Maildrop: []string{"j*"}, To: []string{"lists"}},
		Route{Recipient: []string{"*@lists.example", "dev@x.example"}, To: []string{"lists", "main"}},
		Route{Recipient: []string{"*@x.example"}, Sender: []string{"<>"}, To: []string{"archive"}},
	)
	for _, x := range []struct {
		l    Letter
		want string
	}{
		{Letter{Recipient: "a@x.example", Sender: "s@y.example"}, "main"},
		{Letter{Recipient: "a@x.example", Maildrop: "anna", Sender: "s@y.example"}, "lists"},
		{Letter{Recipient: "a@x.example", Maildrop: "nobody", Sender: "s@y.example"}, "main"},
		{Letter{Recipient: "a@x.example", Maildrop: "jaco", Folder: "Lists/go/deep", Sender: "s@y.example"}, "lists"},
		{Letter{Recipient: "a@x.example", Maildrop: "jaco", Folder: "Listsgo", Sender: "s@y.example"}, "main"},
		{Letter{Recipient: "a@x.example", Maildrop: "jaco", Folder: "INBOX", Sender: "s@y.example"}, "lists"},
		{Letter{Recipient: "a@x.example", Maildrop: "anna", Folder: "Lists/go", Sender: "s@y.example"}, "lists"},
		{Letter{Recipient: "a@x.example", Folder: "Lists/go", Sender: "s@y.example"}, "main"}, // of no maildrop
		{Letter{Recipient: "DEV@X.example", Sender: "s@y.example"}, "lists main"},
		{Letter{Recipient: "dev@x.example", Sender: "BOSS@x.example"}, "lists main archive"},
		{Letter{Recipient: "a@x.example", Sender: "boss@x.example", Maildrop: "anna"}, "lists archive"},
		{Letter{Recipient: "a@x.example"}, "archive"},
		{Letter{Recipient: "a@z.example"}, "main"},
	} {
		if got := c.names(x.l); got != x.want {
			t.Errorf("%+v goes to %q, not %q", x.l, got, x.want)
		}
	}
}

// Each letter goes to exactly what the routes say, read one by one in the plainest way.
func TestHopsAreWhatTheRoutesSay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(from ...string) (list []string) {
		for _, x := range from {
			if random.IntN(4) == 0 {
				list = append(list, x)
			}
		}
		return list
	}
	say := map[string]func(string) bool{
		"*":         func(string) bool { return true },
		"*@x":       func(a string) bool { return strings.HasSuffix(a, "@x") },
		"*@*.x":     func(a string) bool { return strings.HasSuffix(a, ".x") },
		"a@*":       func(a string) bool { return strings.HasPrefix(a, "a@") },
		"b@y.x":     func(a string) bool { return a == "b@y.x" },
		"jaco":      func(a string) bool { return a == "jaco" },
		"an*":       func(a string) bool { return strings.HasPrefix(a, "an") },
		"INBOX":     func(a string) bool { return a == "INBOX" },
		"Lists/*":   func(a string) bool { return strings.HasPrefix(a, "Lists/") },
		"<nothing>": func(string) bool { return false },
	}
	fits := func(patterns []string, value string) bool {
		return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return say[p](value) })
	}
	for range 2000 {
		c := routed()
		for range random.IntN(6) {
			r := Route{Recipient: some("*@x", "*@*.x", "a@*", "b@y.x"), Sender: some("*", "*@x", "b@y.x"),
				Maildrop: some("jaco", "an*"), Folder: some("INBOX", "Lists/*")}
			to := append(some("main", "lists", "archive"), "archive")
			if to = slices.Compact(to); random.IntN(3) == 0 {
				r.Also = to
			} else {
				r.To = to
			}
			c.Routes = append(c.Routes, r)
		}
		pick := func(from ...string) string { return from[random.IntN(len(from))] }
		l := Letter{Recipient: pick("a@x", "b@x", "b@y.x", "c@y.x", "a@z"), Sender: pick("a@x", "b@y.x", "q@z"),
			Maildrop: pick("jaco", "anna"), Folder: pick("INBOX", "Lists/a", "Other")}
		want := map[string]bool{}
		ended := false
		for _, r := range c.Routes {
			if !ended && fits(r.Recipient, l.Recipient) && fits(r.Sender, l.Sender) && fits(r.Maildrop, l.Maildrop) &&
				fits(r.Folder, l.Folder) {
				for _, d := range append(slices.Clone(r.To), r.Also...) {
					want[d] = true
				}
				ended = len(r.To) > 0
			}
		}
		if !ended {
			want[map[string]string{"jaco": "main", "anna": "lists"}[l.Maildrop]] = true
		}
		got := strings.Fields(c.names(l))
		for _, d := range got {
			if !want[d] {
				t.Fatalf("%+v goes to %q by %s", l, got, fmt.Sprintf("%+v", c.Routes))
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%+v goes to %q, want %v, by %+v", l, got, want, c.Routes)
		}
	}
}
