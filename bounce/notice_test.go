package bounce

import (
	"io"
	netmail "net/mail"
	"strings"
	"testing"

	"mailretr/store/mail"
)

func waiting(header string, to ...mail.Path) Large {
	m := message(header, to...)
	m.Content.(*content).size = 25_300_000
	return Large{Message: m, Header: []byte(header), Limit: 20 << 20, Server: "mail.isp.example:995",
		Command: "mailretr seen forget jaco INBOX/1/88"}
}

// whole reads a message.
func whole(t *testing.T, m *mail.Message) string {
	t.Helper()
	r, err := m.Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNotice(t *testing.T) {
	header := string(mail.HeaderOf([]byte(letter)))
	m := reporter().Notice(waiting(header, "jaco@kroon.co.za", "anna@kroon.co.za"))
	s := whole(t, m)
	golden(t, "notice", s)
	if !m.Envelope.Reverse.Null() || len(m.Envelope.Recipients) != 2 || int64(len(s)) != m.Content.Size() {
		t.Errorf("%+v, %d octets of %d", m.Envelope, len(s), m.Content.Size())
	}
}

// What a sender or a server wrote makes no field, no second message and no escape sequence of it.
func TestH1_NoticeOfHostileHeader(t *testing.T) {
	header := "From: =?utf-8?q?a=0D=0ABcc:_evil@x?= <a@b>\r\nSubject: " + strings.Repeat("y", 3000) + "\x1b[2J\r\n" +
		"Date: x\x00\ry\r\nSubject: second\r\n\r\n"
	l := waiting(header, "jürgen@kroon.co.za", "jaco@kroon.co.za")
	l.Message.Origin.Maildrop = "ja\r\nBcc: x@y"
	l.Command = "mailretr seen forget jaco 'a\r\n.\r\nQUIT'"
	s := whole(t, reporter().Notice(l))
	for _, bad := range []string{"\nBcc:", "\x1b", "\x00", "\r\n.\r\n", "\nQUIT", "second"} {
		if strings.Contains(s, bad) {
			t.Errorf("%q in:\n%s", bad, s)
		}
	}
	for _, line := range strings.Split(s, "\r\n") {
		if len(line) > longest || strings.ContainsAny(line, "\r\n") {
			t.Errorf("a line of %d octets: %.60q", len(line), line)
		}
	}
	m, err := netmail.ReadMessage(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	if to := m.Header.Get("To"); to != "<jaco@kroon.co.za>" {
		t.Errorf("To: %s", to)
	}
	if b, err := io.ReadAll(m.Body); err != nil || !strings.Contains(string(b), "24.1 MB") {
		t.Errorf("%s %v", b, err)
	}
	if s := whole(t, reporter().Notice(waiting("\r\n", "jürgen@kroon.co.za"))); !strings.Contains(s, "To: undisclosed") ||
		!strings.Contains(s, "Subject: A large message waits\r\n") {
		t.Error(s)
	}
}
