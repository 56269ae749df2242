package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mailretr/store/mail"
)

var rewriter = &Rewriter{
	Table: NewAliases([]Alias{
		{From: "info@x.example", To: []string{"team@x.example", "a@x.example"}},
		{From: "team@x.example", To: []string{"b@x.example", "A@x.example"}},
		{From: "self@x.example", To: []string{"self@x.example", "archive@y.example"}},
		{From: "*@old.example", To: []string{"*@x.example"}},
		{From: "*@*.old.example", To: []string{"*@x.example", "copy@y.example"}},
		{From: "root@*", To: []string{"a@x.example"}},
		{From: "a+list@x.example", To: []string{"list@y.example"}},
		{From: "round@x.example", To: []string{"about@x.example"}},
		{From: "about@x.example", To: []string{"ROUND@x.example"}},
	}),
	Strip: []string{"x.example"}, Folder: []string{"x.example", "*.x.example"}, Mark: "+",
}

func rewritten(t *testing.T, w *Rewriter, folder, address string) string {
	t.Helper()
	some, err := w.Rewrite(t.Context(), folder, mail.Recipient{Forward: mail.Path(address), Notify: "FAILURE"})
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, r := range some {
		want := "" // the sender knows the address that he wrote
		if r.Forward != mail.Path(address) {
			want = mail.Path(address).ORCPT()
		}
		if r.Original != want || r.Notify != "FAILURE" || r.Forward.Check() != nil {
			t.Errorf("%s: %+v", address, r)
		}
		all = append(all, string(r.Forward))
	}
	return strings.Join(all, " ")
}

func TestRewrite(t *testing.T) {
	for _, c := range []struct{ folder, address, want string }{
		{"", "nobody@y.example", "nobody@y.example"},
		{"", "A@X.example", "A@X.example"},
		{"", "INFO@x.example", "b@x.example A@x.example"}, // a chain, and each once
		{"", "self@x.example", "self@x.example archive@y.example"},
		{"", "info@old.example", "b@x.example A@x.example"}, // a wildcard leads on
		{"", "c@old.example", "c@x.example"},
		{"", "c@deep.old.example", "c@x.example copy@y.example"},
		{"", "root@anywhere.example", "a@x.example"},
		{"", "a+list@x.example", "list@y.example"}, // known with its detail
		{"", "info+tag@x.example", "b@x.example A@x.example"},
		{"", "c+tag@x.example", "c@x.example"},
		{"", "c+tag@y.example", "c+tag@y.example"}, // somebody else's
		{"", `"a+b"@x.example`, `"a+b"@x.example`}, // a quoted one is taken as it is
		{"", "+tag@x.example", "+tag@x.example"},
		{"", "postmaster", "postmaster"},
		{"", "round@x.example", "<round@x.example>: the rewriting of this address goes in a circle"},
		{"Lists/go", "c@x.example", "c+Lists/go@x.example"},
		{"Lists/go", "c+tag@x.example", "c+Lists/go@x.example"},
		{"Lists/go", "c+tag@sub.x.example", "c+tag@sub.x.example"}, // it has a detail
		{"Lists/go", "c@y.example", "c@y.example"},
		{"inbox", "c@x.example", "c@x.example"},
		{"My Folder", "c@x.example", `"c+My Folder"@x.example`},
		{`a"b\c`, "c@x.example", `"c+a\"b\\c"@x.example`},
		{"a..b", "c@x.example", `"c+a..b"@x.example`},
		{"Ünï", "c@x.example", "c@x.example"},
		{"a\r\nRCPT TO:<evil@x>", "c@x.example", "c@x.example"}, // S5: it stays in its place
		{"x>", "c@x.example", `"c+x>"@x.example`},
	} {
		if got := rewritten(t, rewriter, c.folder, c.address); got != c.want {
			t.Errorf("%s from %q: %s, want %s", c.address, c.folder, got, c.want)
		}
	}
}

// A table that grows without end is given up, whatever its shape: a chain, a fan, or a lattice.
func TestRewriteIsBounded(t *testing.T) {
	var chain, lattice []Alias
	fan := Alias{From: "all@x.example"}
	for i := range 12 {
		chain = append(chain, Alias{From: fmt.Sprintf("c%d@x.example", i), To: []string{fmt.Sprintf("c%d@x.example", i+1)}})
	}
	for i := range 9 {
		for k := range 50 {
			a := Alias{From: fmt.Sprintf("l%d-%d@x.example", i, k)}
			for n := range 50 {
				a.To = append(a.To, fmt.Sprintf("l%d-%d@x.example", i+1, n))
			}
			lattice = append(lattice, a)
		}
	}
	for i := range 1001 {
		fan.To = append(fan.To, fmt.Sprintf("f%d@x.example", i))
	}
	for first, c := range map[string]struct {
		all  []Alias
		want error
	}{"c0": {chain, ErrLong}, "c2": {chain, nil}, "all": {[]Alias{fan}, ErrWide}, "l0-0": {lattice, ErrWide}} {
		w := &Rewriter{Table: NewAliases(c.all)}
		if _, err := w.Rewrite(t.Context(), "", mail.Recipient{Forward: mail.Path(first + "@x.example")}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", first, err)
		}
	}
}

// away is a table that cannot be asked.
type away struct{}

var errAway = errors.New("the table is away")

func (away) Lookup(context.Context, mail.Path) ([]mail.Path, bool, error) { return nil, false, errAway }

func TestRewriteWithoutTable(t *testing.T) {
	w := &Rewriter{Table: away{}}
	if some, err := w.Rewrite(t.Context(), "", mail.Recipient{Forward: "a@x.example"}); !errors.Is(err, errAway) || some != nil {
		t.Errorf("%v, %v", some, err)
	}
	var none Rewriter
	if got := rewritten(t, &none, "Lists", "a+b@x.example"); got != "a+b@x.example" {
		t.Error(got)
	}
}

// The parameters that a sender has given stay: its own ORCPT goes before ours.
func TestRewriteKeepsORCPT(t *testing.T) {
	r := mail.Recipient{Forward: "info@x.example", Original: "rfc822;first@z.example"}
	some, err := rewriter.Rewrite(t.Context(), "", r)
	if err != nil || len(some) != 2 || some[0].Original != r.Original || some[1].Original != r.Original {
		t.Errorf("%+v, %v", some, err)
	}
}
