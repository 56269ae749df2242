package fetch

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// text is a content with a header only.
type text string

func (t text) Size() int64                            { return int64(len(t)) }
func (t text) Header(context.Context) ([]byte, error) { return []byte(t), nil }

func (t text) Open(context.Context) (io.ReadCloser, error) { return nil, errors.New("not asked for") }

type resolver = func(context.Context, *mail.Message) error

func resolve(t *testing.T, r resolver, header string) (mail.Envelope, error) {
	t.Helper()
	m := &mail.Message{Content: text(header)}
	err := r(t.Context(), m)
	return m.Envelope, err
}

func forwards(e mail.Envelope) (all []mail.Path) {
	for _, x := range e.Recipients {
		all = append(all, x.Forward)
	}
	return all
}

var catchall = Multi{Field: "X-Envelope-To", Prefix: "kroon-", Local: []string{"kroon.co.za", "x"}}

// Each row is a hostile or odd field and the exact recipients that it gives; "" means that the message
// stays.
func TestS5_EnvelopeFromHeader(t *testing.T) {
	for _, c := range []struct{ field, want string }{
		{"jaco@kroon.co.za", "jaco@kroon.co.za"},
		{"<jaco@kroon.co.za>", "jaco@kroon.co.za"},
		{"Jaco <jaco@Kroon.CO.ZA>", "jaco@kroon.co.za"},
		{`"Kroon, Jaco" <jaco@kroon.co.za> (the man)`, "jaco@kroon.co.za"},
		{"kroon-jaco@kroon.co.za", "jaco@kroon.co.za"},
		{"KROON-Jaco@kroon.co.za", "Jaco@kroon.co.za"},
		{"kroon-kroon-a@kroon.co.za", "kroon-a@kroon.co.za"},
		{"a@x, b@x,\r\n\tkroon-c@kroon.co.za", "a@x|b@x|c@kroon.co.za"},
		{"a@x, a@X, a@x", "a@x"},
		{"a@x, b@elsewhere.example", "a@x"},
		{", a@x,,", "a@x"},
		{"b@elsewhere.example", ""},
		{"", ""},
		{"<>", ""},
		{"jaco", ""},
		{"postmaster", ""},
		{"kroon-@kroon.co.za", ""},
		{"kroon--oX@x", ""},
		{"kroon-|cmd@x", ""},

		// Injection: what follows the line end is another line, and no field.
		{"\"a\r\nRCPT TO:<b>\"@x", ""},
		{"\"a\r\n RCPT TO:<b>\"@x", `"a RCPT TO:<b>"@x`}, // folded: one quoted local part, which is legal
		{"a@x>\r\n RCPT TO:<b@x", ""},
		{"a@x\r\n RCPT TO:<b@x>", ""}, // not one recipient that nobody has named
		{"a@x\x00", ""},
		{"a\x00@x", ""},
		{"a@x\r", "a@x"}, // CRCRLF: the line ends, nothing more
		{"a\r@x", ""},
		{"<-oX@x>", ""},
		{"<;id;@x>", ""},
		{"<${run{id}}@x>", "${run{id}}@x"}, // legal octets: the MTA gets them as they are, and nothing else does
		{"<|cmd@x>", ""},
		{"</etc/passwd@x>", ""},
		{"a@[127.0.0.1]", ""},
		{"<@a:b@c>", ""},
		{"<@x:b@x>", ""},
		{"j\xc3\xbcrgen@x", "j\xc3\xbcrgen@x"}, // RFC 6531
		{"j\xfcrgen@x", ""},
		{strings.Repeat("a", 10<<10) + "@x", ""},
		{"friends: a@x, b@x;", ""},
		{"undisclosed-recipients:;", ""},
		{"a@x; b@x", ""},
		{"a@x b@x", ""},
		{"<a@x> <b@x>", ""},
		{"<a@x", ""},
		{"a@x)", ""},
		{"(a@x", ""},
		{"((((a))))a@x", "a@x"},
		{strings.Repeat("(", 60<<10), ""},
		{strings.Repeat("(", 80<<10), ""},
		{strings.Repeat("a@x,", 1000), "a@x"},
		{strings.Repeat("a@x,", 1001), ""},
		{"a@x," + strings.Repeat(" ", 70<<10) + "b@x", ""},
		{"a@x, <-oX@x>", ""}, // who is not sure of one is not sure of the other
		{`a\@x@x`, ""},
		{`"a\"b"@x`, `"a\"b"@x`},
		{"a@x\r\nX-Envelope-To: b@x", "a@x"}, // the topmost one
	} {
		e, err := resolve(t, catchall.Resolve, "X-Envelope-To: "+c.field+"\r\nTo: trap@x\r\nCc: trap@x\r\n\r\n")
		var got []string
		for _, p := range forwards(e) {
			got = append(got, string(p))
		}
		if have := strings.Join(got, "|"); have != c.want {
			t.Errorf("%.80q: got %q, %v; want %q", c.field, have, err, c.want)
		}
		var trouble *mail.Trouble
		if c.want == "" && (!errors.As(err, &trouble) || trouble.Kind != mail.NoEnvelope || trouble.Hint == "") {
			t.Errorf("%.80q: %v is no trouble of kind envelope with a hint", c.field, err)
		}
		for _, p := range forwards(e) {
			if p.Check() != nil || strings.ContainsAny(string(p), "\r\n\x00") {
				t.Errorf("%.80q: hostile path %q gets through", c.field, p)
			}
		}
	}
}

func TestMultiOtherwise(t *testing.T) {
	d := catchall
	d.Otherwise = "postmaster@kroon.co.za"
	for header, want := range map[string]mail.Path{
		"Subject: x\r\n\r\n":                              "postmaster@kroon.co.za",
		"X-Envelope-To: <-oX@x>\r\n\r\n":                  "postmaster@kroon.co.za",
		"X-Envelope-To: a@elsewhere.example\r\n\r\n":      "postmaster@kroon.co.za",
		"X-Envelope-To: a@x\r\n\r\n":                      "a@x",
		"Subject: x\r\n\r\nX-Envelope-To: inbody@x\r\n":   "postmaster@kroon.co.za",
		"x-envelope-to : a@x\r\nX-Envelope-To-Not: b@x\n": "a@x",
	} {
		e, err := resolve(t, d.Resolve, header)
		if got := forwards(e); err != nil || !slices.Equal(got, []mail.Path{want}) {
			t.Errorf("%q: %v, %v; want %s", header, got, err, want)
		}
	}
}

func TestMultiNth(t *testing.T) {
	const header = "Delivered-To: one@x\r\nX: y\r\ndelivered-to: two@x\r\nDelivered-To: three@x\r\n\r\n"
	for n, want := range map[int]string{0: "one@x", 1: "one@x", 2: "two@x", 3: "three@x", 4: ""} {
		e, err := resolve(t, Multi{Field: "Delivered-To", Nth: n, Local: []string{"x"}}.Resolve, header)
		got := ""
		if len(e.Recipients) == 1 {
			got = string(e.Recipients[0].Forward)
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("number %d: %q, %v; want %q", n, got, err, want)
		}
	}
}

func TestReversePath(t *testing.T) {
	for _, c := range []struct{ header, sender, want string }{
		{"Return-Path: <a@b.example>\r\n", "", "a@b.example"},
		{"return-path: a@b.example\n", "", "a@b.example"},
		{"Return-Path: <>\r\nFrom: a@b.example\r\n", "", ""},
		{"Return-Path: <top@b.example>\r\nReturn-Path: <forged@b.example>\r\n", "", "top@b.example"},
		{"Return-Path:\r\n <a@b.example>\r\n", "", "a@b.example"},
		{"From: a@b.example\r\n", "", ""},
		{"Return-Path: <MAILER-DAEMON>\r\n", "", ""},
		{"Return-Path: <-oX@b.example>\r\n", "", ""},
		{"Return-Path: <a@b.example> <c@d>\r\n", "", ""},
		{"Return-Path: <a@b\r\nRCPT TO:<c@d>\r\n", "", ""},
		{"Return-Path: a@b, c@d\r\n", "", ""},
		{"Return-Path: <x@y>\r\nX-Sender: Joe <a@b.example>\r\n", "X-Sender", "a@b.example"},
		{"Return-Path: <x@y>\r\n", "X-Sender", ""},
		{"From joe Mon Jan  1\r\nno field at all\r\n continued\r\nReturn-Path: <a@b>\r\n", "", "a@b"},
	} {
		e, err := resolve(t, Single{To: []mail.Path{"to@x", "too@x"}, Sender: c.sender}.Resolve, c.header)
		if err != nil || string(e.Reverse) != c.want || len(e.Recipients) != 2 {
			t.Errorf("%q by %q: %q, %v, %v; want %q", c.header, c.sender, e.Reverse, e.Recipients, err, c.want)
		}
	}
}

func FuzzMulti(f *testing.F) {
	f.Add("a@x, \"b c\"@x (d)\r\n <e@x>")
	f.Add("friends: a@x;")
	f.Fuzz(func(t *testing.T, field string) {
		m := &mail.Message{Content: text("X-Envelope-To:" + field)}
		err := catchall.Resolve(t.Context(), m)
		if (err == nil) != (len(m.Envelope.Recipients) > 0) {
			t.Fatalf("%v with %d recipients", err, len(m.Envelope.Recipients))
		}
		for _, x := range m.Envelope.Recipients {
			if x.Forward == "" || x.Forward.Check() != nil || !slices.Contains(catchall.Local, x.Forward.Domain()) {
				t.Fatalf("recipient %q", x.Forward)
			}
		}
		if m.Envelope.Reverse.Check() != nil {
			t.Fatalf("reverse-path %q", m.Envelope.Reverse)
		}
	})
}

func TestArrival(t *testing.T) {
	const date = "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
	for header, want := range map[string]string{
		"Received: by a; b;\r\n\tFri, 2 Jan 2026 03:04:05 +0000\r\n" + date: "2026-01-02",
		"Received: by a\r\n" + date:                                         "2026-01-01",
		"Received: by a; when?\r\nDate: soon\r\n":                           "0001-01-01",
		"": "0001-01-01",
	} {
		if got := arrival([]byte(header)).Format(time.DateOnly); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{0: "0 octets", 999: "999 octets", 1500: "1.5 kB", 999_600: "1.0 MB",
		310_000_000: "310 MB", 1 << 62: "4612 PB"} {
		if got := octets(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
