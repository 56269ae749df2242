package bounce

import (
	"io"
	"strings"
	"testing"

	"mailretr/store/mail"
)

// S11: what failed at a second destination goes to the postmaster, whole, and never to the sender.
func TestS11_CopyGoesToThePostmaster(t *testing.T) {
	r := reporter()
	m := message(letter, "jaco@kroon.co.za")
	m.Envelope.Recipients[0].Notify = "NEVER" // as the queue has it
	got, err := r.ReportCopy(t.Context(), m, mail.Report{refused("550 no such user", "5.1.1")})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if to := got[0].Envelope.Recipients; len(to) != 1 || to[0].Forward != r.Postmaster || !got[0].Envelope.Reverse.Null() {
		t.Errorf("it goes to %v", to)
	}
	body, err := got[0].Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	octets, err := io.ReadAll(body)
	if err != nil || !strings.Contains(string(octets), "secret body") ||
		!strings.Contains(strings.Join(strings.Fields(string(octets)), " "), whyCopy) {
		t.Errorf("%v\n%s", err, octets)
	}
	r.Postmaster = ""
	if got, err := r.ReportCopy(t.Context(), m, mail.Report{refused("550 no", "5.1.1")}); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
}
