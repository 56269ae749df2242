package imap

import (
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// A name is translated into how the server writes names; what cannot be one there does not make another level.
func TestPlaceNames(t *testing.T) {
	slash, dot, courier, flat := place{separator: "/"}, place{separator: "."}, place{"INBOX.", "."}, place{}
	for _, x := range []struct {
		p           place
		theirs, our string
	}{
		{slash, "Lists/Go", "Lists/Go"}, {slash, "v1.2", "v1.2"}, {slash, "INBOX.Lists.Go", "Lists/Go"},
		{slash, "INBOX/Lists", "INBOX/Lists"}, {slash, "inbox", "inbox"},
		{dot, "Lists/Go", "Lists.Go"}, {dot, "Lists/v1.2", "Lists.v1_2"}, {dot, "Lists.Go", "Lists.Go"},
		{courier, "Lists/Go", "INBOX.Lists.Go"}, {courier, "INBOX.Lists", "INBOX.Lists"}, {courier, "INBOX", "INBOX"},
		{courier, "INBOX/Lists", "INBOX.Lists"}, {flat, "Lists/Go", "Lists/Go"},
	} {
		if got := x.p.name(x.theirs); got != x.our {
			t.Errorf("%+v: %q is %q, want %q", x.p, x.theirs, got, x.our)
		}
	}
}

// What a server says of its names is read, or there is nothing to translate.
func TestPlaceAnswers(t *testing.T) {
	for said, want := range map[string][]string{
		`NAMESPACE (("INBOX." ".")) NIL NIL`:                        {"INBOX.", "."},
		`NAMESPACE (("" "/")) (("~" "/")) (("Shared/" "/"))`:        {"", "/"},
		`namespace (("" "\\")) nil nil`:                             {"", `\`},
		`NAMESPACE (("x" NIL)) NIL NIL`:                             {"x", ""},
		`NAMESPACE NIL NIL (("Shared/" "/"))`:                       nil,
		"NAMESPACE ((\"a\r\nb\" \"too long a separator\")) NIL NIL": nil,
	} {
		m := personal().FindStringSubmatch(said)
		if (m == nil) != (want == nil) || m != nil && (m[1] != want[0] || m[2] != want[1]) {
			t.Errorf("%s: %q", said, m)
		}
	}
	for said, want := range map[string]string{`LIST (\Noselect) "/" ""`: "/", `list () "." ""`: ".", `LIST () NIL ""`: ""} {
		m := listed().FindStringSubmatch(said)
		if want == "" != (m == nil) || m != nil && m[1] != want {
			t.Errorf("%s: %q", said, m)
		}
	}
}

// Mail of a folder with a dot between its parts goes into one with a slash, on a server that has that.
func TestFolderOfAnotherServer(t *testing.T) {
	for _, namespace := range []bool{false, true} {
		s := newServer(t)
		if namespace {
			s.caps[goimap.CapNamespace] = struct{}{}
		}
		s.start()
		c := client(t, s, func(o *Options) { o.Of = func(*mail.Message) string { return "INBOX.Lists.Go" } })
		for range 2 {
			if r := c.Deliver(t.Context(), traced(short)); !r.Done(1) {
				t.Fatalf("%+v", r)
			}
		}
		if all := s.arrived(); len(all) != 2 || all[0].folder != "Lists/Go" {
			t.Errorf("namespace %v: %+v", namespace, all)
		}
	}
}

// TestTrips counts what a message costs in round trips, once the connection is there: one where the server takes a literal
// unasked, and two where it does not. See the package comment for what follows from that.
func TestTrips(t *testing.T) {
	for want, caps := range map[int]goimap.CapSet{
		1: {goimap.CapIMAP4rev1: {}, goimap.CapLiteralPlus: {}}, 2: {goimap.CapIMAP4rev1: {}},
	} {
		s := newServer(t)
		s.caps = caps
		s.start()
		c := client(t, s, nil)
		large := short + strings.Repeat("more than LITERAL- takes unasked\r\n", 200)
		if r := c.Deliver(t.Context(), traced(large)); !r.Done(1) {
			t.Fatalf("%+v", r)
		}
		before := s.waits()
		const n = 10
		for range n {
			if r := c.Deliver(t.Context(), traced(large)); !r.Done(1) {
				t.Fatalf("%+v", r)
			}
		}
		if got := s.waits() - before; got != n*want {
			t.Errorf("%d messages: %d round trips, want %d each", n, got, want)
		}
	}
}
