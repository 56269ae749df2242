package smtp

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"mailretr/relay/wire"
)

// heard returns what a talk hears in these octets, and what net/textproto makes of what it was handed, one
// reply after the other.
func heard(t *testing.T, octets string) (replies []reply, codes []int, texts []string) {
	t.Helper()
	ours, theirs := net.Pipe()
	c, err := wire.New(t.Context(), ours, wire.Options{TLS: wire.TLS{Mode: wire.Plain}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { io.WriteString(theirs, octets); theirs.Close() }()
	c.Gate(wire.Replies)
	k := &talk{Conn: c}
	r := textproto.NewReader(bufio.NewReader(k))
	for {
		code, text, err := r.ReadResponse(0)
		var refused *textproto.Error
		if err != nil && !errors.As(err, &refused) {
			return k.replies, codes, texts
		}
		codes, texts = append(codes, code), append(texts, text)
	}
}

func TestTalk(t *testing.T) {
	for in, want := range map[string]reply{
		"250 ok\r\n":       {code: 250, text: "250 ok"},
		"250\r\n":          {code: 250, text: "250"},
		"250-a\r\n250\r\n": {code: 250, text: "250 a"},
		"550-5.1.1 no\r\n550 5.1.1 such user\r\n": {code: 550, enhanced: "5.1.1", text: "550 5.1.1 no such user"},
		"550-no\r\n550 5.1.1 such user\r\n":       {code: 550, enhanced: "5.1.1", text: "550 no 5.1.1 such user"},
		"550 4.1.1 other class\r\n":               {code: 550, text: "550 4.1.1 other class"},
		"550 5.1 no\r\n":                          {code: 550, text: "550 5.1 no"},
		"550 5.1.1000 no\r\n":                     {code: 550, text: "550 5.1.1000 no"},
		"451 4.3.0\r\n":                           {code: 451, enhanced: "4.3.0", text: "451 4.3.0"},
		"354 go\r\n":                              {code: 354, text: "354 go"},
		"250-a\r\n550 b\r\n250 c\r\n":             {code: 250, text: "250 a b c"},
	} {
		got, _, _ := heard(t, in)
		if len(got) != 1 || got[0].code != want.code || got[0].enhanced != want.enhanced || got[0].text != want.text {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestTalk_KeepsLittle(t *testing.T) {
	long := strings.Repeat("250-"+strings.Repeat("x", 500)+"\r\n", 100) + "250 end\r\n"
	got, codes, _ := heard(t, long)
	if len(got) != 1 || len(got[0].text) > 2*maxText || len(codes) != 1 {
		t.Errorf("%d replies, %d octets of text", len(got), len(got[0].text))
	}
}

// FuzzTalk: what is heard are the whole replies that go-smtp sees, neither more nor less, whatever the
// server sends.
func FuzzTalk(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "250-a\r\n250 b\r\n550 no\r\n", "250\r\n", "2\r\n", "999 x\r\n250", "250-a\n550 b\n250 c\n",
		"\r\n", "250 \x00\xff\r\n354 go\n", "25x a\r\n", "100 a\r\n", "250-\r\n250-\r\n250 \r\n", "000 a\r\n", "250-a\r\nbc\r\n250 d\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 10_000 {
			return
		}
		replies, codes, _ := heard(t, s)
		if n := len(codes); n > len(replies) && !strings.HasSuffix(s, "\n") {
			codes = codes[:n-1] // go-smtp takes the end of the connection for a line end; that is not a whole reply
		}
		if len(replies) != len(codes) {
			t.Fatalf("%q: %d replies heard, %d seen: %+v %v", s, len(replies), len(codes), replies, codes)
		}
		for i, r := range replies {
			if r.code != codes[i] {
				t.Fatalf("%q: reply %d: %d heard, %d seen", s, i, r.code, codes[i])
			}
		}
	})
}
