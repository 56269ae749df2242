package wire

import (
	"bytes"
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
