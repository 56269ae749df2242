package mail

import (
	"bytes"
	"io"
	"testing"
)

func TestText(t *testing.T) {
	for octets, header := range map[string]string{
		"":                             "",
		"a: b\r\n":                     "a: b\r\n",
		"a: b\r\n\r\n":                 "a: b\r\n\r\n",
		"a: b\r\n\r\nc\r\n\r\nd\r\n":   "a: b\r\n\r\n",
		"\r\nc: no field\r\n\r\nd\r\n": "\r\n",
		"a: b\r\n c\r\n \r\n\r\n":      "a: b\r\n c\r\n \r\n\r\n",
	} {
		x := Text(octets)
		if h, err := x.Header(t.Context()); string(h) != header || err != nil {
			t.Errorf("%q begins with %q, %v; want %q", octets, h, err, header)
		}
		for range 2 {
			r, err := x.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(r); string(b) != octets || err != nil || r.Close() != nil || x.Size() != int64(len(b)) {
				t.Errorf("%q is read as %q, %v", octets, b, err)
			}
		}
	}
	long := append(bytes.Repeat([]byte("a: b\r\n"), MaxHeader/6+1), "\r\nc\r\n"...)
	if h, err := Text(long).Header(t.Context()); err == nil {
		t.Errorf("a header section of %d octets is taken", len(h))
	}
}
