package pop3

import (
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// What was settled takes no memory any more, whether it was taken or not: neither its header, nor one that was read before it.
func TestSettledIsForgotten(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	for i := range 6 {
		s.Add(&fetchtest.Mail{Octets: fetchtest.Text(2000, i), NoUID: i%2 == 0})
	}
	d := open(t, options(s, nil)).(*session)
	defer d.Close()
	var ms []*mail.Message
	for m := range d.Messages(t.Context(), nil) {
		ms = append(ms, m)
	}
	if len(d.heads) != 3 {
		t.Fatalf("%d headers were read for identities", len(d.heads))
	}
	if err := d.Ahead(t.Context(), mail.Whole, ms); err != nil {
		t.Fatal(err)
	}
	for i, m := range ms {
		if _, err := m.Content.Header(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := octets(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		m.Envelope.Recipients = []mail.Recipient{{Forward: "jaco@example.org"}}
		if err := d.Settle(t.Context(), m, mail.Report{{Outcome: []mail.Outcome{mail.Delivered, mail.Deferred}[i%2]}}); err != nil {
			t.Fatal(err)
		}
		if c := m.Content.(*content); c.head != nil || c.st != nil {
			t.Errorf("of message %d %d octets of the header are left", i, len(c.head))
		}
	}
	if len(d.heads) != 0 || d.kept != 0 {
		t.Errorf("%d headers are left, %d octets", len(d.heads), d.kept)
	}
}
