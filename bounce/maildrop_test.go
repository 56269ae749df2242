package bounce

import (
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// The mail says what is wrong in plain words and the server's own, and nothing answers it.
func TestMaildrop(t *testing.T) {
	at := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	r := &Reporter{From: "mailer-daemon@kroon.co.za", Host: "mail.kroon.co.za", Now: func() time.Time { return at }}
	d := Maildrop{Name: "jaco\r\nBcc: x@example.org", To: []mail.Path{"jaco@kroon.co.za"}, Since: at.Add(-time.Hour), Next: at,
		Wrong: "The server refuses the password.", Advice: "Enter it anew.", Said: "-ERR no"}
	for _, well := range []bool{false, true} {
		d.Well = well
		m := r.Maildrop(d)
		s := whole(t, m)
		for _, want := range []string{"Auto-Submitted: auto-generated\r\n", "\r\nTo: ", "jaco@kroon.co.za", "02 Jan 2026 09:00:00"} {
			if !strings.Contains(s, want) {
				t.Errorf("no %q in %s", want, s)
			}
		}
		if !m.Envelope.Reverse.Null() || len(m.Envelope.Recipients) != 1 || strings.Contains(s, "\nBcc:") {
			t.Errorf("%+v %s", m.Envelope, s)
		}
		if got := strings.Contains(s, "-ERR no") && strings.Contains(s, "Enter it anew."); got == well {
			t.Errorf("well: %v: %s", well, s)
		}
	}
}
