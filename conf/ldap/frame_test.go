package ldap

import (
	"bytes"
	"io"
	"net"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// octetsOf is a line that says this and ends.
type octetsOf struct {
	plain
	r io.Reader
}

func (o octetsOf) Read(p []byte) (int, error) { return o.r.Read(p) }

// What passes is what the library reads, whole, and not more of it than is allowed.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00", "\x30\x80\x00\x00", "\x30\x82\x00\x02\x30\x00",
		"\x30\x84\xff\xff\xff\xff", "\x30\x03\x30\x05\x00", "\x30\x02\x1f\x00", "\x30\x00", "\x30\x81\x03\x02\x01\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		m, err := (&framed{Line: octetsOf{plain{&net.TCPConn{}}, r}, left: maxAnswer}).message()
		if err != nil {
			return
		}
		if used := len(b) - r.Len(); used != len(m) || !bytes.Equal(m, b[:used]) {
			t.Errorf("%d octets of %d were read", used, len(m))
		}
		p, err := ber.ReadPacket(bytes.NewReader(m))
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		if err == nil && parts(p) > maxElements+1 {
			t.Errorf("%d parts", parts(p))
		}
	})
}

func parts(p *ber.Packet) int {
	n := 1
	for _, c := range p.Children {
		n += parts(c)
	}
	return n
}

// Whatever comes in the place of an entry that is too large, no more of it is read than it announces, and what is made of it is
// small, and is what the library reads.
func FuzzBare(f *testing.F) {
	f.Add([]byte("\x02\x01\x07\x64\x09\x04\x02cn\x30\x03\x30\x01\x00\xa0\x02\x30\x00"))
	f.Add([]byte("\x02\x01\x07\x65\x03\x04\x01c"))
	f.Add([]byte("\x02\x84\x7f\xff\xff\xff"))
	f.Add([]byte("\x02\x01\x07\x64\x84\x7f\xff\xff\xff\x04\x84\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(append(b, "more"...))
		m, err := bare(r, len(b))
		if r.Len() < len("more") {
			t.Error("more is read than belongs to it")
		}
		if err != nil {
			return
		}
		if p, err := ber.ReadPacket(bytes.NewReader(m)); err == nil && len(p.Children) < 2 || len(m) > len(b)+200 {
			t.Errorf("%x of %x", m, b)
		}
	})
}
