package bounce

import (
	"errors"
	"io"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

func TestLostIsToldToThePostmaster(t *testing.T) {
	r := &Reporter{From: "mailer-daemon@kroon.co.za", Postmaster: "postmaster@kroon.co.za", Host: "mail.kroon.co.za"}
	m := &mail.Message{
		ID: mail.NewID(time.Unix(1, 0), nil), Origin: mail.Origin{Maildrop: "ja\r\nBcc: x@y", UID: "7\r\n"},
		Envelope: mail.Envelope{Reverse: "a\r\nBcc: evil@x", Recipients: []mail.Recipient{{Forward: "jaco@kroon.co.za"}}},
	}
	got, err := r.Lost(t.Context(), m, errors.New("no such\r\nBcc: file@x"))
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	body, err := got[0].Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	octets, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(octets)) != got[0].Content.Size() || strings.Contains(string(octets), "\nBcc:") {
		t.Errorf("%s", octets)
	}
	parsed, err := netmail.ReadMessage(strings.NewReader(string(octets)))
	if err != nil || parsed.Header.Get("Auto-Submitted") == "" || !strings.Contains(string(octets), m.ID.String()) {
		t.Errorf("%v\n%s", err, octets)
	}
	if !got[0].Envelope.Reverse.Null() || got[0].Parent != m.ID {
		t.Error("it is no report of this message")
	}
	r.Postmaster = ""
	if got, err := r.Lost(t.Context(), m, errors.New("x")); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
}
