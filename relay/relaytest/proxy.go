package relaytest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// behind is a connection of which some octets were read already.
type behind struct {
	net.Conn
	r io.Reader
}

// Read continues there.
func (b behind) Read(p []byte) (int, error) { return b.r.Read(p) }

// proxied reads the header of the PROXY protocol. What it says stands in client as a line of version 1.
func (d *dialogue) proxied() error {
	begin, err := d.br.Peek(12)
	if err != nil {
		return err
	}
	if string(begin) == "\r\n\r\n\x00\r\nQUIT\n" {
		return d.proxiedV2()
	}
	line, err := d.line()
	if err != nil || !strings.HasPrefix(line, "PROXY ") || len(line) > 105 {
		return errors.Join(err, errors.New("no PROXY line"))
	}
	d.client = line
	return nil
}

func (d *dialogue) proxiedV2() error {
	head := make([]byte, 16)
	if _, err := io.ReadFull(d.br, head); err != nil {
		return err
	}
	rest := make([]byte, binary.BigEndian.Uint16(head[14:]))
	if _, err := io.ReadFull(d.br, rest); err != nil {
		return err
	}
	size, family := 4, "TCP4"
	switch {
	case head[12] == 0x20 && head[13] == 0 && len(rest) == 0:
		d.client = "PROXY UNKNOWN"
		return nil
	case head[12] == 0x21 && head[13] == 0x21:
		size, family = 16, "TCP6"
	case head[12] != 0x21 || head[13] != 0x11:
		return errors.New("no PROXY header")
	}
	if len(rest) != 2*size+4 {
		return errors.New("the PROXY header has another length than it says")
	}
	from, _ := netip.AddrFromSlice(rest[:size])
	to, _ := netip.AddrFromSlice(rest[size : 2*size])
	ports := rest[2*size:]
	d.client = fmt.Sprintf("PROXY %s %v %v %d %d", family, from, to, binary.BigEndian.Uint16(ports),
		binary.BigEndian.Uint16(ports[2:]))
	return nil
}

// xclient begins anew, as if the client had just come (Postfix, XCLIENT_README).
func (d *dialogue) xclient(s Step, rest string) error {
	right := "220 mta.test ESMTP"
	switch {
	case !d.m.script.XClient:
		right = "500 5.5.2 what?"
	case d.mail != nil:
		right = "503 5.5.1 in the middle of a message"
	}
	said, err := d.said(s, right)
	if strings.HasPrefix(said, "220") {
		d.client, d.hello, d.user = rest, "", ""
	}
	return err
}
