package imap

import (
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// TestAddedIsForeseen: what Since and Messages bring is known before, a folder that was made anew included.
func TestAddedIsForeseen(t *testing.T) {
	s := newServer(t)
	for i := range 300 {
		s.put("INBOX", letterOf(i, "kept"))
	}
	r := s.retriever(nil)
	r.After, r.Memory = Keep, &Memory{}
	glance := glimpse(t, r)
	for name, c := range map[string]struct {
		change func(*box)
		want   int64
		sizes  int64
	}{
		"nothing new":         {func(*box) {}, 0, 0},
		"three new":           {func(*box) { s.put("INBOX", letterOf(1, "a"), letterOf(2, "b"), letterOf(3, "c")) }, 3 * aboutSize, 0},
		"another UIDVALIDITY": {func(b *box) { b.validity++ }, 300 * aboutNumber, 300 * aboutSize},
	} {
		t.Run(name, func(t *testing.T) {
			b := *s.folders["INBOX"]
			defer func() { s.folders["INBOX"] = &b }()
			now := b
			s.folders["INBOX"] = &now
			c.change(&now)
			l := &fetchtest.Line{}
			r := s.retriever(l)
			r.After, r.Memory = Keep, &Memory{}
			d := open(t, r).(*session)
			foreseen := d.Added(glance)
			_, before := l.Octets()
			uids, ok, err := d.Since(t.Context(), glance)
			_, down := l.Octets()
			if err != nil || !ok || foreseen != c.want || down-before > foreseen+500 {
				t.Errorf("%d octets were foreseen, %d came; %v, %v", foreseen, down-before, ok, err)
			}
			if n := d.Sizes(uids); n != c.sizes {
				t.Errorf("sizes of %d messages: %d octets were foreseen", len(uids), n)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if n := (&session{}).Added("nonsense"); n != 0 {
		t.Errorf("%d", n)
	}
	if n := open(t, r).(*session).Sizes([]mail.UID{"INBOX/1/1", "no uid"}); n != 0 {
		t.Errorf("of messages that are not there: %d", n)
	}
}

// TestSizesWithTheLoginAreForWhoCanPay: where a budget has no room for what nobody knows the length of, it is not asked
// for with the login.
func TestSizesWithTheLoginAreForWhoCanPay(t *testing.T) {
	for _, room := range []bool{true, false} {
		s := newServer(t)
		s.put("INBOX", letterOf(1, "one"))
		r := s.retriever(nil)
		r.Memory = &Memory{}
		glimpse(t, r)
		r.Memory.Busy = true
		r.Blind = func(octets int64) bool { return room || octets < newest*aboutSize }
		s.mu.Lock()
		s.log = nil
		s.mu.Unlock()
		d := open(t, r)
		if asked := strings.Contains(strings.Join(s.said(), "\n"), "UID FETCH"); asked != room {
			t.Errorf("room %v: %q", room, s.said())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
