package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// FuzzGate: what passes a gate is the beginning of what came, in pieces of any size, and all of it unless
// a limit was broken.
func FuzzGate(f *testing.F) {
	for _, s := range []string{"+OK\r\n+OK\r\n", "250-a\r\n250 b\r\n", "* 1 FETCH (BODY[] {3}\r\nabc)\r\nT1 OK\r\n", "{\r\n}\r\n",
		"* LIST {5+}\r\nab\r\n\r\n", "* X \"a\\\"b\" {1}\r\nx\r\n", "* OK [A\r\n", "\n\n\r\r", "* 1 FETCH (BODY[]<0> ~{2}\r\n\r\n)\n"} {
		for g := range 4 {
			f.Add([]byte(s), uint8(g), uint8(3))
		}
	}
	f.Fuzz(func(t *testing.T, octets []byte, g, step uint8) {
		ours, theirs := net.Pipe()
		c, err := New(t.Context(), ours, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() { theirs.Write(octets); theirs.Close() }()
		c.Gate(Gate(g % 4))
		var got bytes.Buffer
		p := make([]byte, int(step)+1)
		for {
			n, err := c.Read(p)
			if got.Write(p[:n]); err != nil {
				var e *Error
				if err != io.EOF && (!errors.As(err, &e) || !e.Protocol()) {
					t.Fatal(err)
				}
				if err == io.EOF && !bytes.Equal(got.Bytes(), octets) || !bytes.HasPrefix(octets, got.Bytes()) {
					t.Fatalf("%q passed, %q came, %v", got.Bytes(), octets, err)
				}
				return
			}
			if n == 0 {
				t.Fatal("nothing and no error")
			}
			if k := Gate(g % 4); (k == Lines || k == Replies) && bytes.IndexByte(p[:n-1], '\n') >= 0 {
				t.Fatalf("more than a line: %q", p[:n])
			}
		}
	})
}

// FuzzProxy: whatever a proxy answers, the dial ends, with an error or with a connection that hands out the end of
// what came and nothing else.
func FuzzProxy(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\n\r\n+OK\r\n", "HTTP/1.0 299 x\nA: b\n\n", "HTTP/1.1 407 no\r\n\r\n", "HTTP/1.1 2",
		"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34* OK\r\n", "\x05\x02\x01\x00\x05\x00\x00\x03\x03abc\x00\x19x",
		"\x05\x00\x05\x00\x00\x03\xff", "\x05\xff", "\x05\x00\x05\x09\x00\x01"} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, octets []byte, http bool) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		go io.Copy(io.Discard, theirs)
		go func() { theirs.Write(octets); theirs.Close() }()
		p := &Proxy{Address: "proxy.test:1", User: "jaco", Password: canary}
		if http {
			p.Kind = HTTP
		}
		c, err := Dial(t.Context(), Options{Address: "mail.test:110", TLS: TLS{Mode: Plain}, Proxy: p,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || len(err.Error()) > 1000 {
				t.Fatalf("%v", err)
			}
			return
		}
		defer c.Close()
		rest, err := io.ReadAll(c)
		if _, down := c.Octets(); err != nil || !bytes.HasSuffix(octets, rest) || down != int64(len(octets)) {
			t.Fatalf("%q of %q, %d counted, %v", rest, octets, down, err)
		}
	})
}
