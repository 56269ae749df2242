package fetch

import (
	"testing"

	"mailretr/store/mail"
)

// That an account was listed is known once it was, restarts included; of another account that an entry names later it is not.
func TestListed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.change = func(d *Drop) { d.Account = "first" }
		b.put("1", 100)
		is := func(want mail.Account) {
			t.Helper()
			if got := w.p.Listed("jaco"); got != want {
				t.Errorf("listed: %q, want %q", got, want)
			}
		}
		is("")
		w.p.Set(t.Context(), w.drops("jaco"))
		is("")
		w.visit("jaco")
		is("first")
		w.p = w.poller()
		w.p.Set(t.Context(), w.drops("jaco"))
		is("first")
		b.change = func(d *Drop) { d.Account = "another" }
		w.p.Set(t.Context(), w.drops("jaco"))
		is("first")
		w.visit("jaco")
		is("another")
	})
}
