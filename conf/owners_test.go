package conf

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// owned reads rows of one source with limits, and returns the names of the maildrops that are left, and the problems.
func owned(t *testing.T, o Owners, rows ...*Row) (names, problems string, all Config) {
	t.Helper()
	s := panelSource()
	s.Owners = &o
	s.completeOwners()
	all, list := base().With(t.Context(), []Set{{Source: s, Rows: rows}})
	for i := range all.Maildrops {
		names += all.Maildrops[i].Name + " "
	}
	for _, p := range list {
		problems += p.String() + "\n"
	}
	return names, problems, all
}

// The maildrops of one owner, whoever collects into which mailbox, are counted together; what is not collected does not count.
func TestMaildropsOfAnOwner(t *testing.T) {
	names, problems, _ := owned(t, Owners{Maildrops: 2},
		row("1"), row("2", "owner", "A@b.example"), row("3", "host", "?"), row("4", "active", "0"), row("5", "recipient", "x@b.example"),
		row("6", "owner", "x@b.example"), row("7"), row("8", "recipient", "x@b.example"), row("9", "owner", "anna"))
	if want := "1 2 4 5 6 9 "; names != want {
		t.Errorf("%q are left, want %q\n%s", names, want, problems)
	}
	for _, want := range []string{
		"panel row 7, column owner  error    owner: a@b.example has 2 here already, and may have no more; remove one of them",
		"panel row 8, column owner  error    owner: x@b.example has 2 here already",
	} {
		if !strings.Contains(problems, want) {
			t.Errorf("%s is not in\n%s", want, problems)
		}
	}
	names, problems, _ = owned(t, Owners{Maildrops: 1}, row("1", "owner", "a@b\u00fccher.example"), row("2", "owner", "A@xn--bcher-kva.example"),
		row("3", "owner", "anna"), row("4", "owner", " anna "))
	if names != "1 3 " {
		t.Errorf("owners who are written in another way: %q\n%s", names, problems)
	}
	if names, problems, _ := owned(t, Owners{}, row("1"), row("2"), row("3")); names != "1 2 3 " || problems != "" {
		t.Errorf("without a limit: %q %s", names, problems)
	}
}

// An interval that is too short is raised, and told where the row says it; recipients are those that are allowed.
func TestWhatAnOwnerMaySay(t *testing.T) {
	o := Owners{Poll: 10 * time.Minute, To: []string{"*@kroon.co.za", "*@*.kroon.co.za"}}
	names, problems, all := owned(t, o, row("1", "interval", "1", "recipient", "a@KROON.co.za"),
		row("2", "interval", "3600", "recipient", "b@lan.kroon.co.za"), row("3", "recipient", "c@kroon.co.za"),
		row("4", "recipient", "c@kroon.co.za, victim@other.example"), row("5", "owner", strings.Repeat("x", 321), "recipient", "e@kroon.co.za"))
	var polls []string
	for i := range all.Maildrops {
		polls = append(polls, all.Maildrops[i].Poll.String())
	}
	if names != "1 2 3 " || fmt.Sprint(polls) != "[10m0s 1h0m0s 10m0s]" {
		t.Errorf("%q, %v", names, polls)
	}
	for _, want := range []string{
		"panel row 1, column interval  warning  interval: 1s is less than is allowed; it is looked at every 10m",
		"panel row 4, column recipient  error    to: victim@other.example may not be named here; write an address as: *@kroon.co.za",
		"panel row 5, column owner  error    owner: is longer than 320 octets",
	} {
		if !strings.Contains(problems, want) {
			t.Errorf("%s is not in\n%s", want, problems)
		}
	}
	if strings.Count(problems, "\n") != 3 {
		t.Error(problems)
	}
}

// Limits are an owner's in one source, however his name is written; files have none.
func TestGroupsOfOwners(t *testing.T) {
	_, _, all := owned(t, Owners{Month: 1 << 30}, row("1", "owner", "Anna"), row("2", "owner", "anna"), row("3"))
	if a, b, c := all.Maildrops[0].Group(), all.Maildrops[1].Group(), all.Maildrops[2].Group(); a != b || a == c || a != "panel anna" {
		t.Errorf("%q %q %q", a, b, c)
	}
	if m := DefaultMaildrop(); m.Group() != "" {
		t.Errorf("%q", m.Group())
	}
	x, y := panelSource(), panelSource()
	x.Owners, y.Owners = &Owners{Month: 1, At: Where{Self: Pos{Line: 1}}}, &Owners{Month: 1, At: Where{Self: Pos{Line: 2}}}
	if !x.Same(y) {
		t.Error("a line above makes it another source")
	}
	if y.Owners.Month = 2; x.Same(y) {
		t.Error("another limit makes no other source")
	}
}
