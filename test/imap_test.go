//go:build interop

package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"mailretr/fetch/imap"
	"mailretr/relay/wire"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// imapAt is a retriever for a user of a Dovecot, over a line that counts, by TLS as the daemon configures it.
func imapAt(t *testing.T, d *real.Dovecot, user string, change func(*imap.Options)) (*imap.Retriever, *real.Line) {
	l := real.StartLine(t, d.IMAPS, 0)
	o := imap.Options{
		User: user, Memory: &imap.Memory{},
		Password: func(context.Context) (string, error) { return "secret", nil },
		Dial: wire.Options{
			Address: fmt.Sprintf("localhost:%d", l.Port),
			TLS: wire.TLS{Mode: wire.Implicit, CAFile: d.CAFile, Classic: true,
				Sessions: &wire.Sessions{}},
		},
	}
	if change != nil {
		change(&o)
	}
	return &imap.Retriever{Options: o}, l
}

// visit is a session that looks whether something is new, and lists it if there is.
func visit(t *testing.T, r *imap.Retriever, last string) (now string, uids []mail.UID) {
	t.Helper()
	d, err := r.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := d.(mail.Glancer)
	if now, err = g.Glance(t.Context()); err != nil || now == "" {
		t.Fatalf("glance %q, %v", now, err)
	}
	ok := now == last
	if !ok && last != "" {
		if uids, ok, err = g.Since(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	if !ok {
		if uids, _, err = d.List(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return now, uids
}

// TestEmptyIMAPPoll: what a poll costs by TLS that finds nothing, of an empty maildrop and of one in which
// 10,000 messages are kept, with gaps in their numbers.
func TestEmptyIMAPPoll(t *testing.T) {
	d := real.StartDovecot(t)
	d.User("empty")
	for i := range 10_000 {
		d.Put("kept", []byte(fmt.Sprintf("Subject: %d\n\nkept\n", i)))
	}
	for _, user := range []string{"empty", "kept"} {
		r, l := imapAt(t, d, user, nil)
		glance, uids := visit(t, r, "")
		t.Logf("%s: the first session, with a listing of %d, costs %d octets", user, len(uids), l.Octets())
		visit(t, r, glance)
		before := l.Octets()
		now, uids := visit(t, r, glance)
		cost := l.Octets() - before
		t.Logf("%s: an empty poll by TLS costs %d octets", user, cost)
		if now != glance || len(uids) > 0 || cost > 2200 {
			t.Errorf("%s: glance %q, then %q; %d new, %d octets", user, glance, now, len(uids), cost)
		}
		d.Put(user, []byte("Subject: new\n\nnew\n"))
		before = l.Octets()
		if _, uids = visit(t, r, glance); len(uids) != 1 {
			t.Errorf("%s: %d are new", user, len(uids))
		}
		t.Logf("%s: a poll that finds and lists one costs %d octets", user, l.Octets()-before)
	}
}

// TestResumedIMAP: a line that is cut every 3 MB carries a message of 10 MB with next to no waste.
func TestResumedIMAP(t *testing.T) {
	d := real.StartDovecot(t)
	want := []byte(text(1, "large", 10<<20))
	d.Put("jaco", want)
	r, l := imapAt(t, d, "jaco", nil)
	l.CutAfter(3 << 20)
	var got []byte
	sessions := 0
	for whole := false; !whole; sessions++ {
		if sessions == 10 {
			t.Fatalf("%d octets after %d sessions", len(got), sessions)
		}
		got, whole = goOn(t, r, got)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d octets arrived, and they are others", len(got))
	}
	rate := float64(l.Octets()) / float64(len(got))
	t.Logf("%d octets by TLS in %d sessions cost %d on the line: %.4f", len(got), sessions, l.Octets(), rate)
	if rate > 1.01 {
		t.Errorf("%.4f of the size on the line", rate)
	}
}

// goOn reads the rest of the only message as far as the line carries it, to the end of a line, as the queue
// keeps it.
func goOn(t *testing.T, r *imap.Retriever, got []byte) ([]byte, bool) {
	drop, err := r.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer drop.Close()
	for m, err := range drop.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if err := drop.(mail.Aheader).Ahead(t.Context(), mail.Whole, []*mail.Message{m}); err != nil {
			t.Fatal(err)
		}
		rest, err := m.Content.(mail.Resumer).OpenAt(t.Context(), int64(len(got)))
		if err != nil {
			t.Fatal(err)
		}
		defer rest.Close()
		b, err := io.ReadAll(rest)
		if got = append(got, b...); err == nil {
			return got, true
		}
	}
	return got[:bytes.LastIndexByte(got, '\n')+1], false
}
