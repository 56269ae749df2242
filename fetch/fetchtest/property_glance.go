package fetchtest

import (
	"slices"
	"testing"

	"mailretr/store/mail"
)

// glancing opens a session and glances.
func glancing(t *testing.T, h Harness) (mail.Maildrop, mail.Glancer, string) {
	t.Helper()
	d := opened(t, h, nil)
	g, ok := d.(mail.Glancer)
	if !ok {
		t.Fatal("the session is no mail.Glancer")
	}
	text, err := g.Glance(t.Context())
	if err != nil || len(text) > mail.MaxGlance {
		t.Fatalf("Glance: %q, %v", text, err)
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			t.Fatalf("Glance: %q is not printable", text)
		}
	}
	return d, g, text
}

// glance: equal while nothing is added, and different afterwards; Since names what is new and nothing else,
// or says that it cannot.
func glance(t *testing.T, h Harness) {
	c := Corpus()
	h.Put(c[:3]...)
	d, _, before := glancing(t, h)
	closed(t, d)
	d, g, again := glancing(t, h)
	if again != before {
		t.Fatalf("nothing was added, and the glance is %q after %q", again, before)
	}
	uids, ok, err := g.Since(t.Context(), before)
	if err != nil || len(uids) > 0 {
		t.Fatalf("Since, with nothing new: %q, %v, %v", uids, ok, err)
	}
	old, complete, err := d.List(t.Context())
	if err != nil || !complete || len(old) != 3 {
		t.Fatalf("List after Since: %q, %v, %v", old, complete, err)
	}
	closed(t, d)
	h.Put(c[3:]...)
	for _, text := range []string{"", "x", "1:2:3", before + " ", " " + before, before[min(1, len(before)):], "\x00", "ff:zz:zz"} {
		d, g, _ := glancing(t, h)
		if uids, ok, err := g.Since(t.Context(), text); err != nil || !ok && len(uids) > 0 ||
			ok && len(uids) < len(c)-3 {
			t.Errorf("Since %q: %q, %v, %v", text, uids, ok, err)
		}
		if uids, complete, err := d.List(t.Context()); err != nil || !complete || len(uids) != len(c) {
			t.Errorf("List after Since %q: %q, %v, %v", text, uids, complete, err)
		}
		closed(t, d)
	}
	added(t, h, before, old, c)
}

// added: what is new since a glance can be fetched and let go of.
func added(t *testing.T, h Harness, before string, old []mail.UID, c [][]byte) {
	t.Helper()
	d, g, now := glancing(t, h)
	if now == before && now != "" {
		t.Fatalf("messages were added, and the glance is %q still", now)
	}
	uids, ok, err := g.Since(t.Context(), before)
	if err != nil {
		t.Fatalf("Since: %v", err)
	}
	if !ok {
		closed(t, d)
		return // it says so: List is to be asked
	}
	if len(uids) != len(c)-3 || slices.ContainsFunc(uids, func(u mail.UID) bool { return slices.Contains(old, u) }) {
		t.Fatalf("Since names %q, of which %q are old", uids, old)
	}
	ms := all(t, d, uids)
	if len(ms) != len(uids) {
		t.Fatalf("%d messages of %d", len(ms), len(uids))
	}
	if a, ok := d.(mail.Aheader); ok {
		if err := a.Ahead(t.Context(), mail.Whole, ms); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range ms {
		b, err := content(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "a message that is new", b, c[i+3])
		settle(t, d, m, done(m))
	}
	closed(t, d)
	if h.Can.Deletes {
		still(t, h, c[:3])
	}
}

// glanceAfterDeletion: that something was deleted here, or by another client, hides nothing that was added,
// not even a message of the same size in the place of the deleted one.
func glanceAfterDeletion(t *testing.T, h Harness) {
	for i := range 8 {
		h.Put(Text(1000, i))
	}
	d, _, before := glancing(t, h)
	old, _, err := d.List(t.Context())
	if err != nil || len(old) != 8 {
		t.Fatalf("List: %q, %v", old, err)
	}
	if err := d.(mail.Releaser).Release(t.Context(), old[6:]); err != nil {
		t.Fatalf("Release: %v", err)
	}
	closed(t, d)
	h.Put(Text(1000, 8), Text(1000, 9)) // the same count, and the same octets
	d, g, now := glancing(t, h)
	if now != "" && now == before {
		t.Errorf("two were deleted, two of the same size came, and the glance stays %q", now)
	}
	if uids, ok, err := g.Since(t.Context(), before); err != nil || ok && len(uids) != 2 {
		t.Errorf("Since names %q, %v, %v", uids, ok, err)
	}
	closed(t, d)
	if h.Clear == nil {
		return
	}
	h.Clear()
	h.Put(Text(1000, 10))
	d, g, _ = glancing(t, h)
	if uids, ok, err := g.Since(t.Context(), now); err != nil || ok && len(uids) != 1 {
		t.Errorf("all went, one came: Since names %q, %v, %v", uids, ok, err)
	}
	closed(t, d)
}
