package fetchtest

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(8, 25*time.Millisecond)
		began := time.Now()
		go func() {
			a.Write([]byte("more than eight octets")) // waits for room, in portions
			a.Close()
		}()
		got, err := io.ReadAll(b)
		if string(got) != "more than eight octets" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if took := time.Since(began); took != 75*time.Millisecond {
			t.Errorf("three portions took %v", took)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a write to a closed end: %v", err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read of a closed end: %v", err)
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4, 0)
		a.SetReadDeadline(time.Now().Add(time.Minute))
		began := time.Now()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		a.SetWriteDeadline(time.Now().Add(time.Minute))
		if n, err := a.Write([]byte("eight oc")); n != 4 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %d, %v", n, err)
		}
		if took := time.Since(began); took != 2*time.Minute {
			t.Errorf("took %v", took)
		}
		a.SetReadDeadline(time.Time{})
		b.Write([]byte("y"))
		if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("Read after the deadline was taken away: %d, %v", n, err)
		}
		a.Close()
	})
}

// A line cuts and hangs where it was told to, and counts.
func TestLine(t *testing.T) {
	for _, l := range []*Line{{Cut: 5}, {Cut: 5, Reset: true}, {Hang: 5}, {Cut: 5, Chunk: 2}} {
		s := NewPOP3(t)
		s.Greeting = "hello there"
		c, err := l.Dialer(s.Dial)(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if l.Hang > 0 {
			go func() { <-l.Hung(); c.Close() }()
		}
		b, err := io.ReadAll(c)
		if string(b) != "+OK h" || (err == nil) != (l.Cut > 0 && !l.Reset) {
			t.Errorf("%+v: %q, %v", l, b, err)
		}
		c.Close()
		if _, down := l.Octets(); down != 5 || l.Open() != 0 {
			t.Errorf("%d octets, %d open", down, l.Open())
		}
	}
}
