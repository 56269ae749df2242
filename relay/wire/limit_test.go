package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Each of these ends when the server goes silent, after Idle.
func TestR4_SilentServer(t *testing.T) {
	reads := map[string]func(*Conn) error{
		"greeting":   func(c *Conn) error { _, err := c.ReadLine(MaxLine); return err },
		"half line":  func(c *Conn) error { _, err := c.ReadLine(MaxLine); return err },
		"gate lines": func(c *Conn) error { c.Gate(Lines); _, err := io.ReadAll(c); return err },
		"gate imap":  func(c *Conn) error { c.Gate(IMAP); _, err := io.ReadAll(c); return err },
		"replies":    func(c *Conn) error { c.Gate(Replies); _, err := io.ReadAll(c); return err },
		"body":       func(c *Conn) error { c.Data(true); _, err := io.ReadAll(c.Reader()); return err },
		"listing":    func(c *Conn) error { _, err := io.ReadAll(c.Reader()); return err },
		"writing":    func(c *Conn) error { _, err := c.Write(make([]byte, 64<<10)); return err },
		"flushing":   func(c *Conn) error { c.Write([]byte("QUIT\r\n")); return c.Flush() },
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, server := pipe(t, Options{Idle: 40 * time.Second, Reply: time.Hour})
				if name != "greeting" && !strings.HasSuffix(name, "ing") {
					go say(t, server, "half a line")
				}
				began := time.Now()
				err := read(c)
				var e *Error
				if !errors.As(err, &e) || !e.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("%v", err)
				}
				if d := time.Since(began); d != 40*time.Second {
					t.Fatalf("ended after %v", d)
				}
				if _, again := c.Read(make([]byte, 1)); again == nil {
					t.Fatal("the connection is in use again")
				}
			})
		})
	}
}

func TestR4_SilentHandshake(t *testing.T) {
	for _, mode := range []Mode{Implicit, StartTLS} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			go io.CopyN(io.Discard, theirs, 100) // takes half of a ClientHello
			began := time.Now()
			o := Options{Address: "mail.test:995", TLS: TLS{Mode: mode}, Handshake: 20 * time.Second}
			c, err := New(t.Context(), ours, o)
			if mode == StartTLS {
				err = c.StartTLS(t.Context())
			}
			var e *Error
			if !errors.As(err, &e) || !e.TLS() || !e.Timeout() || time.Since(began) != 20*time.Second {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
		})
	}
}

// beside runs f in a goroutine whose end is waited for after the connection was closed.
func beside(t *testing.T, server io.Closer, f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	t.Cleanup(func() { server.Close(); <-done })
}

// trickle writes one octet of s each time.
func trickle(w io.Writer, s string, each time.Duration) {
	for {
		for i := range len(s) {
			if _, err := io.WriteString(w, s[i:i+1]); err != nil {
				return
			}
			time.Sleep(each) // within the bubble
		}
	}
}

func TestR5_Trickle(t *testing.T) {
	const never = "x"
	for name, x := range map[string]struct {
		what  string
		read  func(*Conn) error
		limit time.Duration
	}{
		"line":  {never, func(c *Conn) error { _, err := c.ReadLine(MaxLine); return err }, 5 * time.Minute},
		"gate":  {never, func(c *Conn) error { c.Gate(Lines); _, err := io.ReadAll(c); return err }, 5 * time.Minute},
		"reply": {"250-a\r\n", func(c *Conn) error { c.Gate(Replies); _, err := io.ReadAll(c); return err }, 5 * time.Minute},
		"imap":  {never, func(c *Conn) error { c.Gate(IMAP); _, err := io.ReadAll(c); return err }, 5 * time.Minute},
		"literal": {"* 1 FETCH (BODY[] {9999}\r\n" + strings.Repeat(".", 9999), func(c *Conn) error {
			c.Gate(IMAP)
			_, err := io.ReadAll(c)
			return err
		}, 35 * time.Minute},
		"body":    {never, func(c *Conn) error { c.Data(true); _, err := io.ReadAll(c.Reader()); return err }, 5 * time.Minute},
		"listing": {"1 2\r\n", func(c *Conn) error { _, err := io.ReadAll(c.Reader()); return err }, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, server := pipe(t, Options{})
				beside(t, server, func() { trickle(server, x.what, 59*time.Second) })
				began := time.Now()
				err := x.read(c)
				var e *Error
				if !errors.As(err, &e) || !e.Timeout() {
					t.Fatalf("%v", err)
				}
				if d := time.Since(began); d > x.limit+time.Minute {
					t.Fatalf("ended after %v", d)
				}
			})
		})
	}
}

func TestR5_TakingSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, server := pipe(t, Options{})
		beside(t, server, func() {
			for p := make([]byte, 1); ; time.Sleep(59 * time.Second) {
				if _, err := server.Read(p); err != nil {
					return
				}
			}
		})
		c.Data(true)
		began := time.Now()
		_, err := c.Write(make([]byte, 64<<10))
		var e *Error
		if !errors.As(err, &e) || !e.Timeout() || time.Since(began) > 6*time.Minute {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
	})
}

// 300 octets a second for as long as it takes, in both directions, through each way of reading.
func TestR5_SlowLinePasses(t *testing.T) {
	const size = 1 << 20
	body := "* 1 FETCH (BODY[] {1048576}\r\n" + strings.Repeat("x", size) + ")\r\n"
	for name, read := range map[string]func(*Conn) (int64, error){
		"body":    func(c *Conn) (int64, error) { c.Data(true); return io.Copy(io.Discard, c.Reader()) },
		"listing": func(c *Conn) (int64, error) { return io.Copy(io.Discard, c.Reader()) },
		"imap":    func(c *Conn) (int64, error) { c.Gate(IMAP); return io.Copy(io.Discard, struct{ io.Reader }{c}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, server := pipe(t, Options{})
				beside(t, server, func() {
					for b := body; len(b) > 0; {
						n := min(len(b), 3000)
						say(t, server, b[:n])
						b = b[n:]
						time.Sleep(10 * time.Second)
					}
					server.Close()
				})
				if n, err := read(c); err != nil || n != int64(len(body)) {
					t.Fatalf("%d of %d octets, %v", n, len(body), err)
				}
			})
		})
	}
	t.Run("writing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, server := pipe(t, Options{})
			beside(t, server, func() {
				for p := make([]byte, 3000); ; time.Sleep(10 * time.Second) {
					if _, err := server.Read(p); err != nil {
						return
					}
				}
			})
			c.Data(true)
			for range size / (64 << 10) {
				if _, err := c.Write(make([]byte, 64<<10)); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}

// Our own slowness, a disk that syncs, is not the peer's.
func TestR5_ASlowReaderIsNotASlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, server := pipe(t, Options{})
		c.Data(true)
		for range 30 {
			go say(t, server, "a few octets")
			time.Sleep(5 * time.Minute)
			if _, err := c.Reader().Read(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// IDLE: silence for as long as SetIdle says, small news now and then, for ever.
func TestIdleMayBeSilentBetweenLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, server := pipe(t, Options{})
		c.Gate(IMAP)
		c.SetIdle(29 * time.Minute)
		go func() {
			for range 50 {
				time.Sleep(28 * time.Minute)
				say(t, server, "* OK still here\r\n")
			}
		}()
		for range 50 {
			if _, err := c.Read(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Read(make([]byte, 100)); err == nil {
			t.Fatal("silent for ever")
		}
	})
}

// heap returns what is in use, in octets.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// repeat is s again and again, n octets in all.
func repeat(s string, n int64) io.Reader {
	block := strings.Repeat(s, 1+(64<<10)/len(s))
	r := strings.NewReader(block)
	return io.LimitReader(readerFunc(func(p []byte) (int, error) {
		if r.Len() == 0 {
			r.Reset(block)
		}
		return r.Read(p)
	}), n)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestR6_Endless(t *testing.T) {
	collect := func(c *Conn) error { _, err := io.ReadAll(c); return err } // as a parser would hold it
	for name, x := range map[string]struct {
		gate       Gate
		first, all string
		read       func(*Conn) error
	}{
		"line":             {Lines, "+OK ", "x", collect},
		"ReadLine":         {Open, "* OK [", "x", func(c *Conn) error { _, err := c.ReadLine(MaxLine); return err }},
		"reply lines":      {Replies, "", "220-more\r\n", collect},
		"reply line":       {Replies, "220 ", "x", collect},
		"no blank":         {Replies, "250-a\r\n", "250x\r\n250\r\n", collect},
		"mixed codes":      {Replies, "250-a\r\n", "251 b\r\n", collect},
		"no code":          {Replies, "250-a\r\n", "x\r\n", collect},
		"imap line":        {IMAP, "* OK ", "x", collect},
		"imap code":        {IMAP, "* OK [X ", "x\r\n", collect},
		"imap literal":     {IMAP, "* LIST () \"/\" {293601280}\r\n", "x", collect},
		"imap literals":    {IMAP, "* LIST (", "{50000}\r\n" + strings.Repeat("x", 50000), collect},
		"imap zeros":       {IMAP, "* LIST () \"/\" {" + strings.Repeat("0", 99) + "293601280}\r\n", "xx\r\n", collect},
		"imap quoted":      {IMAP, "* 1 FETCH (BODY[] \"", "text\r\n", collect},
		"imap escaped":     {IMAP, "* 1 FETCH (BODY[] \"\\\"", "text\r\n", collect},
		"imap envelope":    {IMAP, "* 1 FETCH (ENVELOPE (NIL {293601280}\r\n", "x", collect},
		"imap fake body":   {IMAP, "* 1 FETCH (X \"BODY[] {293601280}\r\n", "x\r\n", collect},
		"imap list fetch":  {IMAP, "* LIST FETCH BODY[] {293601280}\r\n", "x", collect},
		"imap too big":     {IMAP, "* LIST {99999999999999999999}\r\n", "x", collect},
		"imap body number": {IMAP, "* 1 FETCH (BODY[] {-5}\r\n", "x\r\n", collect},
	} {
		t.Run(name, func(t *testing.T) {
			c, server := tcp(t, Options{})
			before := heap()
			go func() {
				io.WriteString(server, x.first)
				io.Copy(server, repeat(x.all, 1<<40))
			}()
			c.Gate(x.gate)
			err := x.read(c)
			var e *Error
			if !errors.As(err, &e) || !e.Protocol() {
				t.Fatalf("%v", err)
			}
			if _, down := c.Octets(); down > 4<<20 {
				t.Errorf("%d octets crossed the line", down)
			}
			if grown := heap() - before; grown > 16<<20 {
				t.Errorf("heap grew by %d octets", grown)
			}
			c.Close()
		})
	}
}

func TestR6_LiteralIsRefusedByItsNumber(t *testing.T) {
	c, server := tcp(t, Options{})
	say(t, server, "* LIST () \"/\" {65537}\r\n")
	c.Gate(IMAP)
	var e *Error
	if _, err := c.Read(make([]byte, 100)); !errors.As(err, &e) || !e.Protocol() {
		t.Fatalf("%v", err)
	}
}

func TestR6_EndlessUntaggedLines(t *testing.T) {
	c, server := tcp(t, Options{})
	go io.Copy(server, repeat("* 1 EXPUNGE\r\n", 1<<40))
	c.Gate(IMAP)
	_, err := io.Copy(io.Discard, struct{ io.Reader }{c})
	var e *Error
	if !errors.As(err, &e) || !e.Protocol() {
		t.Fatalf("%v", err)
	}
}

func TestR6_LimitsAreNotReachedByWhatIsRight(t *testing.T) {
	line := "+OK " + strings.Repeat("x", MaxLine-6) + "\r\n"
	reply := strings.Repeat("250-"+strings.Repeat("x", 994)+"\r\n", 64)
	reply = reply[:len(reply)-1000] + "250 end\r\n"
	literal := fmt.Sprintf("* LIST () \"/\" {%d}\r\n%s\r\n", 64<<10, strings.Repeat("y", 64<<10))
	for name, x := range map[string]struct {
		gate Gate
		text string
	}{
		"line":        {Lines, line},
		"replies":     {Replies, reply + "\r\n"},
		"literal":     {IMAP, literal},
		"quotes":      {IMAP, "* OK it's 5\" wide\r\n+ \"go on\r\n* BYE \"\r\nT1 NO \"\r\n* LIST () \"\\\"\" \"a\\\\\"\r\n"},
		"code":        {IMAP, "* OK [UIDNEXT 5] next\r\n* OK see [1\r\n"},
		"no literal":  {IMAP, "* OK {99999999}\r\nT1 OK {x}\r\n"},
		"empty body":  {IMAP, "* 1 FETCH (BODY[] {0}\r\n UID 5)\r\n"},
		"nonsync":     {IMAP, "* LIST () \"/\" {3+}\r\nabc\r\n* LIST () \"/\" ~{3}\r\nab\n\r\n"},
		"binary":      {IMAP, "* 1 FETCH (BINARY[1] ~{70000}\r\n" + strings.Repeat("\"", 70000) + ")\r\n"},
		"partial":     {IMAP, "* 1 fetch (BODY[TEXT]<100> {70000}\r\n" + strings.Repeat("\n", 70000) + ")\r\n"},
		"rfc822":      {IMAP, "* 1 FETCH (UID 1 RFC822.TEXT {70000}\r\n" + strings.Repeat("{", 70000) + ")\r\n"},
		"two bodies":  {IMAP, strings.Repeat("* 1 FETCH (BODY[] {90000}\r\n"+strings.Repeat("z", 90000)+")\r\n", 12)},
		"header, too": {IMAP, "* 1 FETCH (BODY[HEADER.FIELDS (TO CC)] {2}\r\n\r\n BODY[TEXT] {70000}\r\n" + strings.Repeat("q", 70000) + ")\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 61, 4096} {
				c, server := tcp(t, Options{})
				go func() { io.WriteString(server, x.text); server.Close() }()
				c.Gate(x.gate)
				var got strings.Builder
				_, err := io.CopyBuffer(&got, struct{ io.Reader }{c}, make([]byte, size))
				if err != nil || got.String() != x.text {
					t.Fatalf("%d octets at once: %d of %d passed, %v", size, got.Len(), len(x.text), err)
				}
				c.Close()
			}
		})
	}
}

func TestR6_BigBodyPassesIMAP(t *testing.T) {
	const size = 106 << 20
	c, server := tcp(t, Options{})
	before := heap()
	go func() {
		fmt.Fprintf(server, "* 1 FETCH (UID 9 BODY[] {%d}\r\n", size)
		io.Copy(server, repeat("\"{9}\r\n", size))
		io.WriteString(server, ")\r\nT1 OK done\r\n")
		server.Close()
	}()
	c.Gate(IMAP)
	n, err := io.Copy(io.Discard, struct{ io.Reader }{c})
	if err != nil || n < size {
		t.Fatalf("%d octets, %v", n, err)
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("heap grew by %d octets", grown)
	}
}

func TestReplies_TheServerSpeaksOutOfTurn(t *testing.T) {
	c, server := tcp(t, Options{})
	c.Gate(Replies)
	say(t, server, "250 yes\r\n250 and yes to what comes next\r\n")
	p := make([]byte, 100)
	if n, err := c.Read(p); err != nil || string(p[:n]) != "250 yes\r\n" {
		t.Fatalf("%q, %v", p[:n], err)
	}
	var e *Error
	if _, err := c.Write([]byte("DATA\r\n")); !errors.As(err, &e) || !e.Protocol() {
		t.Fatalf("%v", err)
	}
}
