package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/store"
	"mailretr/store/mail"
)

// asked are the recipients that an MTA was asked about, each once, in order of the alphabet.
func asked(m *relaytest.MTA) (to []string) {
	for _, line := range m.Lines() {
		if strings.Contains(line, " RCPT ") {
			_, after, _ := strings.Cut(line, "<")
			address, _, _ := strings.Cut(after, ">")
			to = append(to, address)
		}
	}
	slices.Sort(to)
	return slices.Compact(to)
}

// Recipients are rewritten before anybody is asked about them: the check of the configured one, the probe of a large
// body, and the delivery speak of the new address only, of the old one nobody but ORCPT.
func TestRewrittenEverywhere(t *testing.T) {
	c := newCrossing(t)
	c.write("[info@old.example, nobody@old.example]", `rewrite:
  map: {info@kroon.co.za: [jaco@kroon.co.za, anna@lists.kroon.co.za], nobody@old.example: jaco@kroon.co.za, "*@old.example": "*@kroon.co.za"}
routes: [{recipient: "*@lists.kroon.co.za", to: two}]`)
	c.pop.Put([]byte("Return-Path: <a@example.org>\r\nSubject: one\r\n\r\n"+strings.Repeat("large\r\n", 1000)),
		[]byte("Return-Path: <a@example.org>\r\nSubject: two\r\n\r\nsmall\r\n"))
	c.poll()
	one, two := "jaco@kroon.co.za", "anna@lists.kroon.co.za"
	if a, b := got(c.one), got(c.two); !slices.Equal(a, []string{one, one}) || !slices.Equal(b, []string{two, two}) {
		t.Errorf("one got it for %v, two for %v", a, b)
	}
	if a, b := asked(c.one), asked(c.two); !slices.Equal(a, []string{one}) || !slices.Equal(b, []string{two}) {
		t.Errorf("one was asked about %v, two about %v", a, b)
	}
	if n := len(c.pop.Left()); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// A typing mistake in a rewritten address is ours: nothing is fetched for it, and what is queued already is held and
// not bounced.
func TestMistakeInRewriteBouncesNothing(t *testing.T) {
	c := newCrossing(t)
	c.write("jaco@old.example", `rewrite: {map: {"jaco@old.example": nobody@kroon.co.za}}`)
	c.pop.Put([]byte("Return-Path: <a@example.org>\r\nSubject: two\r\n\r\nsmall\r\n"))
	c.poll()
	if n := c.pop.Count("RETR"); n != 0 {
		t.Errorf("%d were fetched", n)
	}
	d := c.open()
	defer d.close()
	m := &mail.Message{Content: file("Subject: 1\r\n\r\nbody\r\n"), Envelope: envelopeTo("jaco@old.example"),
		Origin: mail.Origin{Maildrop: "jaco", Account: "x", UID: "1"}}
	if r := d.queue.Deliver(t.Context(), m); !r.Done(1) {
		t.Fatal(r)
	}
	if err := d.runner.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := d.queue.Show(t.Context(), m.ID)
	if err != nil || r.Record.Hold != store.HoldRcpt {
		t.Errorf("held %v: %s; %v", r.Record.Hold, r.Record.HoldWhy, err)
	}
}

// A map in a file is part of what a daemon watches, and counts from the reload on; one with a mistake is refused, with
// its line, and the old one goes on.
func TestRewriteFromAFile(t *testing.T) {
	c := newCrossing(t)
	table := filepath.Join(filepath.Dir(c.path), "rewrite.map")
	write(t, table, "jaco@old.example one@kroon.co.za\n")
	c.write("jaco@old.example", "rewrite: {map: {file: "+table+"}}")
	d := c.open()
	defer d.close()
	to := func() string {
		some, err := d.rewritten(t.Context(), mail.Origin{}, mail.Recipient{Forward: "jaco@old.example"})
		if err != nil || len(some) != 1 {
			t.Fatal(some, err)
		}
		return string(some[0].Forward)
	}
	if got := to(); got != "one@kroon.co.za" {
		t.Error(got)
	}
	for text, want := range map[string]string{
		"jaco@old.example two@kroon.co.za\n":                                           "",
		"jaco@old.example two@kroon.co.za\nx y z\n":                                    "rewrite.map:2:1",
		"jaco@old.example x@y.example\nx@y.example x@z.example,\n  jaco@old.example\n": "rewrite.map:1:1  error    map: <jaco@old.example>: the rewriting",
	} {
		write(t, table, text)
		err := d.reload(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", text, err)
		}
	}
	write(t, table, "jaco@old.example three@kroon.co.za\n")
	if err := d.reload(t.Context()); err != nil || to() != "three@kroon.co.za" {
		t.Error(err, to())
	}
}
