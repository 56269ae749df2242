package imap

import (
	"strings"
	"testing"
	"time"
)

// TestDetailsOnDemand: dates and flags of messages cross the line only for those who want them.
func TestDetailsOnDemand(t *testing.T) {
	for _, want := range []bool{false, true} {
		s := newServer(t)
		s.put("INBOX", []byte("Subject: 1\r\n\r\nx\r\n"))
		s.folders["INBOX"].letters[0].flags = []string{`\Seen`}
		r := s.retriever(nil)
		r.Details = want
		d := open(t, r)
		o := messages(t, d)[0].Origin
		if o.Date.IsZero() == want || (len(o.Flags) > 0) != want {
			t.Errorf("details %v: date %v, flags %q", want, o.Date, o.Flags)
		}
		if want && !o.Date.Equal(time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)) {
			t.Errorf("date %v", o.Date)
		}
		for _, c := range s.fetches() {
			if strings.Contains(c, "INTERNALDATE") != want || strings.Contains(c, "FLAGS") != want {
				t.Errorf("details %v: %s", want, c)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
