package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/conf"
	"mailretr/relay"
	"mailretr/store/mail"
)

// An aliases is a crossing whose recipients are looked up in a database.
type aliased struct {
	*crossing
	db string
}

func newAliased(t *testing.T, to, more string) *aliased {
	c := newCrossing(t)
	dir := filepath.Dir(c.path)
	a := &aliased{crossing: c, db: filepath.Join(dir, "aliases.db")}
	write(t, filepath.Join(dir, "dsn"), a.db+"\n")
	a.do(`CREATE TABLE alias (address, goto)`)
	c.write(to, `rewrite: {map: {root@old.example: "info@old.example"}, lookup: [{sqlite: {dsn: {file: dsn}, keep: 0s, `+
		`query: "SELECT goto FROM alias WHERE address = :address OR address = '@' || substr(:address, instr(:address, '@') + 1) ORDER BY address DESC LIMIT 1"`+more+`}}]}`)
	return a
}

// do changes the database.
func (a *aliased) do(statement string, args ...any) {
	a.Helper()
	db, err := sql.Open("sqlite", a.db)
	if err != nil {
		a.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement, args...); err != nil {
		a.Fatal(err)
	}
}

// says is who gets the mail of an address.
func says(t *testing.T, d *serving, p mail.Path) string {
	t.Helper()
	some, err := d.rewritten(t.Context(), mail.Origin{}, mail.Recipient{Forward: p})
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, r := range some {
		all = append(all, string(r.Forward))
	}
	return strings.Join(all, " ")
}

// H8: what the map does not know is looked up, again and again until nothing is said of it. An address is a value, whatever is
// in it, and an answer that is no address is an error.
func TestH8_Lookup(t *testing.T) {
	a := newAliased(t, "jaco@kroon.co.za", ", domains: [old.example, \"*.sub.example\"]")
	for address, to := range map[string]string{
		"info@old.example": "a@kroon.co.za, team@old.example,", "team@old.example": "TEAM@old.example,b@kroon.co.za",
		"@any.sub.example": "all@kroon.co.za", "x@any.sub.example": "x@kroon.co.za", "@kroon.co.za": "never@kroon.co.za",
		"bad@old.example": "nobody here", "evil@old.example": "a@b.example>\r\nRCPT TO:<c@d.example", "' or 1=1 --@old.example": "quoted@kroon.co.za",
		"empty@old.example": " , ", "round@old.example": "about@old.example", "about@old.example": "round@old.example",
	} {
		a.do("INSERT INTO alias VALUES (?, ?)", address, to)
	}
	d := a.open()
	defer d.close()
	for p, want := range map[mail.Path]string{
		"INFO@Old.example": "a@kroon.co.za team@old.example b@kroon.co.za", "root@old.example": "a@kroon.co.za team@old.example b@kroon.co.za",
		"nobody@old.example": "nobody@old.example", "y@any.sub.example": "all@kroon.co.za", "x@any.sub.example": "x@kroon.co.za",
		"jaco@kroon.co.za": "jaco@kroon.co.za", `"' or 1=1 --"@old.example`: `"' or 1=1 --"@old.example`, "empty@old.example": "empty@old.example",
		"round@old.example": "<round@old.example>: the rewriting of this address goes in a circle", "postmaster": "postmaster",
	} {
		if got := says(t, d, p); got != want {
			t.Errorf("%v: %s", p, got)
		}
	}
	for _, p := range []mail.Path{"bad@old.example", "evil@old.example"} {
		if got := says(t, d, p); !strings.Contains(got, "mailretr.yaml:") || !strings.Contains(got, "which is no address") ||
			strings.ContainsAny(got, "\r\n") {
			t.Errorf("%v: %q", p, got)
		}
	}
}

// What somebody has written of one address holds up the mail of no other.
func TestH8_LookupOfNonsense(t *testing.T) {
	a := newAliased(t, "jaco@kroon.co.za", "")
	a.do("INSERT INTO alias VALUES ('bad@old.example', 'nobody here'), ('info@old.example', 'jaco@kroon.co.za')")
	d := a.open()
	defer d.close()
	if got := says(t, d, "bad@old.example"); !strings.Contains(got, "which is no address") {
		t.Errorf("bad: %q", got)
	}
	if got := says(t, d, "info@old.example"); got != "jaco@kroon.co.za" {
		t.Errorf("info, after it: %q", got)
	}
}

// Each session asks the same: what a multidrop maildrop asks before does not grow.
func TestReadyAsksTheSame(t *testing.T) {
	a := newAliased(t, "jaco@kroon.co.za", "")
	d := a.open()
	defer d.close()
	n := 0
	d.rewrite.Store(&relay.Rewriter{Table: counting{&n}})
	ready := d.house.ready(&conf.Maildrop{Multidrop: &conf.Multidrop{Domains: []string{"old.example", "*.sub.example"}}}, nil)
	for range 3 {
		n = 0
		if err := ready(t.Context()); err != nil || n != 2 {
			t.Errorf("%d addresses were asked for: %v", n, err)
		}
	}
}

// counting counts the questions.
type counting struct{ n *int }

func (c counting) Lookup(context.Context, mail.Path) ([]mail.Path, bool, error) {
	*c.n++
	return nil, false, nil
}

// While the database is away nothing is fetched, and a client is told to come again; when it is back, all goes on. What the
// configuration does not look up is not held up.
func TestLookupAway(t *testing.T) {
	a := newAliased(t, "info@old.example", "")
	a.do("INSERT INTO alias VALUES ('info@old.example', 'jaco@kroon.co.za')")
	a.pop.Put([]byte("Return-Path: <a@example.org>\r\nSubject: two\r\n\r\nsmall\r\n"))
	if err := os.Rename(a.db, a.db+".away"); err != nil {
		t.Fatal(err)
	}
	a.poll()
	if n := a.pop.Count("RETR") + a.pop.Count("TOP"); n != 0 || len(a.pop.Left()) != 1 {
		t.Errorf("%d were fetched", n)
	}
	d := a.open()
	m := &mail.Message{Content: file("Subject: 1\r\n\r\nbody\r\n"), Envelope: envelopeTo("info@old.example")}
	if r := d.queue.Deliver(t.Context(), m); r.Done(1) || r.Of(0).Outcome != mail.Deferred {
		t.Errorf("taken without knowing who gets it: %v", r)
	}
	if s := stateOf(d, "jaco"); !strings.Contains(s.Cause, "lookup sqlite") {
		t.Errorf("the status says %q, %q", s.Wrong, s.Cause)
	}
	d.close()
	if err := os.Rename(a.db+".away", a.db); err != nil {
		t.Fatal(err)
	}
	a.poll()
	if to := got(a.one); len(to) != 1 || to[0] != "jaco@kroon.co.za" || len(a.pop.Left()) != 0 {
		t.Errorf("it went to %v", to)
	}
}
