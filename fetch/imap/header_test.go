package imap

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// TestHeadersOfMany: 3,000 headers come in a few commands and round trips, at little more than their size,
// whatever the sizes of their bodies are; a body that is wanted after all comes without its header.
func TestHeadersOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		total := 0
		for i := range 3000 {
			b := fetchtest.Text([]int{1500, 400_000}[min(1, i%500/499)], i)
			total += headerEnd(b, true)
			s.put("INBOX", b)
		}
		l := &fetchtest.Line{}
		r := s.retriever(nil)
		r.Dial.DialContext = l.Dialer(s.far(25 * time.Millisecond))
		d := open(t, r)
		ms := messages(t, d)
		_, before := l.Octets()
		began := time.Now()
		announce(t, d, mail.Header, ms)
		for i, m := range ms {
			h, err := m.Content.Header(t.Context())
			if err != nil || !bytes.HasPrefix(s.folders["INBOX"].letters[i].octets, h) {
				t.Fatal(i, err)
			}
		}
		_, after := l.Octets()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		if n := len(s.fetches()); n > 40 {
			t.Errorf("%d commands", n)
		}
		if cost := after - before - int64(total); cost > 3000*60 {
			t.Errorf("%d octets for each header beside itself", cost/3000)
		}
		announce(t, d, mail.Whole, ms[499:500])
		if b, err := read(t.Context(), ms[499]); err != nil || b != string(s.folders["INBOX"].letters[499].octets) {
			t.Error(len(b), err)
		}
		if _, now := l.Octets(); now-after > 401_000 {
			t.Errorf("the body cost %d", now-after)
		}
	})
}

// TestHeaderOfAnEarlierSession: what an earlier session has read of a message does not cross the line again, neither by itself
// nor with the body.
func TestHeaderOfAnEarlierSession(t *testing.T) {
	s := newServer(t)
	b := fetchtest.Text(50_000, 1)
	s.put("INBOX", b)
	r := s.retriever(nil)
	r.NoCompress = true
	m := messages(t, open(t, r))[0]
	header, err := m.Content.Header(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, r)
	m = messages(t, d)[0]
	m.Content.(mail.Headed).Have(header)
	before := len(s.said())
	if err := d.(mail.Aheader).Ahead(t.Context(), mail.Header, []*mail.Message{m}); err != nil {
		t.Fatal(err)
	}
	again, err := m.Content.Header(t.Context())
	if err != nil || !bytes.Equal(again, header) || len(s.said()) > before {
		t.Errorf("%q, %v, %q", again, err, s.said()[before:])
	}
	if err := d.(mail.Aheader).Ahead(t.Context(), mail.Whole, []*mail.Message{m}); err != nil {
		t.Fatal(err)
	}
	got, err := read(t.Context(), m)
	if err != nil || string(got) != string(b) || m.Line > int64(len(b)-len(header)) {
		t.Errorf("%d octets for %d on the line, %v", len(got), m.Line, err)
	}
}
