package wire

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// squeeze compresses as a server does: what was said is complete at the end.
func squeeze(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	io.WriteString(w, s)
	w.Flush()
	return b.Bytes()
}

// turned is a connection whose server has just turned compression on, with these octets in the same segment.
func turned(t *testing.T, o Options, behind []byte) (*Conn, net.Conn) {
	t.Helper()
	c, server := pipe(t, o)
	c.Gate(IMAP)
	c.Stepwise(true)
	beside(t, server, func() { server.Write(append([]byte("Z1 OK now\r\n"), behind...)) })
	p := make([]byte, 4096)
	n, err := c.Read(p)
	if err != nil || string(p[:n]) != "Z1 OK now\r\n" {
		t.Fatalf("%q, %v", p[:n], err)
	}
	c.Stepwise(false)
	c.Inflate()
	return c, server
}

func TestInflate(t *testing.T) {
	text := "* 1 FETCH (UID 1 BODY[] {300}\r\n" + strings.Repeat("abc", 100) + ")\r\nT2 OK done\r\n"
	m := &Meter{}
	c, server := turned(t, Options{Meter: m}, squeeze(text))
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("%q, %v", got, err)
	}
	if _, down := c.Octets(); m.Down.Load() != down || m.Spared.Load() != int64(len(text)+11)-down || down > 150 {
		t.Errorf("%d octets came, of %d, spared %d", down, len(text), m.Spared.Load())
	}
	in := bufio.NewReader(flate.NewReader(server))
	for _, line := range []string{"T3 NOOP\r\n", "T4 " + strings.Repeat("x", 200_000) + "\r\n"} {
		beside(t, server, func() { io.WriteString(c, line); c.Flush() })
		if s, err := in.ReadString('\n'); s != line || err != nil {
			t.Errorf("the server read %d octets, %v", len(s), err)
		}
	}
}

// TestInflateCut: what came before the line broke is handed on, then the end, which is no good one in the
// middle of a literal.
func TestInflateCut(t *testing.T) {
	text := "* 1 FETCH (UID 1 BODY[] {200000}\r\n" + strings.Repeat("many words of text, ", 9000)
	all := squeeze(text)
	c, server := turned(t, Options{}, nil)
	beside(t, server, func() { server.Write(all[:len(all)/2]); server.Close() })
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(text, string(got)) || len(got) < len(text)/3 {
		t.Errorf("%d octets of %d, %v", len(got), len(text), err)
	}
}

// TestR22_Bombs: a little that inflates to much is bounded by what it inflates to, and much that inflates to
// nothing by what it costs.
func TestR22_Bombs(t *testing.T) {
	bomb := func(w io.Writer, s string) { // as much as the other side takes, 1 GB at most
		z, _ := flate.NewWriter(w, flate.BestCompression)
		io.Copy(z, repeat(s, 1<<30))
	}
	for name, c := range map[string]struct {
		send func(io.Writer)
		read int64 // inflated octets at most
		cost int64 // octets on the line at most
	}{
		"line": {func(w io.Writer) { bomb(w, "* OK xxxxxxxxxxxxxx") }, maxLogical, 64 << 10},
		"literal": {func(w io.Writer) {
			z, _ := flate.NewWriter(w, flate.BestCompression)
			io.WriteString(z, "* LIST () \"/\" {900000000}\r\n")
			z.Flush()
			bomb(w, "x")
		}, 0, 64 << 10},
		"nothing": {func(w io.Writer) { io.Copy(w, repeat("\x00\x00\x00\xff\xff", 1<<30)) }, 0, idleDeflate + 4096},
	} {
		t.Run(name, func(t *testing.T) {
			conn, server := turned(t, Options{}, nil)
			beside(t, server, func() { c.send(server) })
			before := heap()
			n, err := io.Copy(io.Discard, conn)
			var e *Error
			if !errors.As(err, &e) || !e.Protocol() {
				t.Errorf("%v", err)
			}
			if _, down := conn.Octets(); n > c.read || down > c.cost {
				t.Errorf("%d octets were handed out, %d came", n, down)
			}
			if grown := heap() - before; grown > 4<<20 {
				t.Errorf("the heap grew by %d", grown)
			}
			conn.Close()
		})
	}
}

// FuzzInflate: whatever comes is an end or our error, and costs no more than it should; what is written is
// read back.
func FuzzInflate(f *testing.F) {
	f.Add(squeeze("* 1 FETCH (BODY[] {3}\r\nabc)\r\nT1 OK\r\n"), uint8(9))
	f.Add([]byte("\x00\x00\x00\xff\xff\x00\x03\x00\xfc\xffT1 "), uint8(1))
	f.Add([]byte("\xff\xff"), uint8(0))
	f.Fuzz(func(t *testing.T, octets []byte, split uint8) {
		ours, theirs := net.Pipe()
		c, err := New(t.Context(), ours, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		early := octets[:min(int(split), len(octets))]
		go func() { theirs.Write(octets[len(early):]); theirs.Close() }()
		c.Inflate()
		d := c.top.(*deflated)
		d.early = bytes.Clone(early)
		n, err := io.Copy(io.Discard, c)
		var e *Error
		if err != nil && (!errors.As(err, &e) || !e.Protocol()) {
			t.Fatal(err)
		}
		if raw, out := d.raw.Load(), d.out.Load(); n != out || raw > 2*out+idleDeflate+MaxLine ||
			raw > int64(len(octets)) {
			t.Errorf("%d octets, %d inflated, of %d", n, out, raw)
		}
		var w bytes.Buffer
		(&deflated{Conn: sink{w: &w}}).Write(octets)
		if back, _ := io.ReadAll(flate.NewReader(&w)); !bytes.Equal(back, octets) {
			t.Errorf("%q was written, %q read", octets, back)
		}
	})
}

// sink is a connection that only takes.
type sink struct {
	net.Conn
	w io.Writer
}

func (s sink) Write(p []byte) (int, error) { return s.w.Write(p) }
