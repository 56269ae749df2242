package control

import (
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

// What attempts saved is what they would have cost again: transactions that do not count, because the next hop refused the
// connection, cost nothing.
func TestSavedIsWhatAttemptsWouldHaveCost(t *testing.T) {
	l := store.Listed{Record: store.Record{Size: 1000, Attempts: 2, Tries: 7, Origin: mail.Origin{Maildrop: "jaco", UID: "1"}}}
	if m := messageOf(&l, 0); m.Saved != 2000 {
		t.Errorf("saved %d", m.Saved)
	}
	if l.Record.Attempts = 0; messageOf(&l, 0).Saved != 0 {
		t.Errorf("refused connections alone: %d", messageOf(&l, 0).Saved)
	}
}
