package pop3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// collect runs a whole session and returns the first error, and what was whole.
func collect(ctx context.Context, o Options, ahead bool) (whole [][]byte, err error) {
	d, err := (&Retriever{o}).Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	var ms []*mail.Message
	for m, e := range d.Messages(ctx, nil) {
		if e != nil {
			return nil, e
		}
		m.Envelope.Recipients = []mail.Recipient{{Forward: "a@example.org"}}
		ms = append(ms, m)
	}
	if ahead {
		if err := d.(mail.Aheader).Ahead(ctx, mail.Whole, ms); err != nil {
			return nil, err
		}
	}
	for _, m := range ms {
		b, e := octets(ctx, m)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		whole = append(whole, b)
		if e := d.Settle(ctx, m, mail.Report{{Outcome: mail.Delivered}}); e != nil {
			return whole, e
		}
	}
	return whole, err
}

func octets(ctx context.Context, m *mail.Message) ([]byte, error) {
	r, err := m.Content.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// Silence at each place ends within the limits, and loses nothing.
func TestR4_Silence(t *testing.T) {
	hangs := func(c *fetchtest.POP3Conn, _ string) bool { c.Hang(); return true }
	half := func(s string) behaviour {
		return func(c *fetchtest.POP3Conn, _ string) bool { c.Raw(s); c.Hang(); return true }
	}
	for name, on := range map[string]map[string]func(*fetchtest.POP3Conn, string) bool{
		"greeting":      {"CONNECT": hangs},
		"half greeting": {"CONNECT": half("+O")},
		"CAPA":          {"CAPA": hangs},
		"half CAPA":     {"CAPA": half("+OK\r\nUIDL\r\nTO")},
		"STLS":          {"STLS": hangs},
		"handshake":     {"STLS": half("+OK\r\n")},
		"half hello":    {"STLS": half("+OK\r\n\x16\x03\x03")},
		"USER":          {"USER": hangs},
		"PASS":          {"PASS": hangs},
		"STAT":          {"STAT": hangs},
		"half LIST":     {"LIST": half("+OK\r\n1 1")},
		"UIDL":          {"UIDL": half("+OK\r\n")},
		"RETR":          {"RETR": hangs},
		"half RETR":     {"RETR": half("+OK\r\nSubject: x\r\n\r\nbo")},
		"dot":           {"RETR": half("+OK\r\nSubject: x\r\n\r\n.")},
		"DELE":          {"DELE": hangs},
		"QUIT":          {"QUIT": hangs},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, o := secured(t)
				if on["STLS"] == nil {
					o.Dial.TLS.Mode = wire.Plain
				}
				s.On = on
				s.Put(fetchtest.Corpus()[:2]...)
				began := time.Now()
				_, err := collect(t.Context(), o, true)
				if err == nil {
					t.Fatal("no error")
				}
				if took := time.Since(began); took > 6*time.Minute {
					t.Errorf("took %v", took)
				}
				if len(s.Left()) != 2 {
					t.Errorf("%d messages are left", len(s.Left()))
				}
				s.Close()
			})
		})
	}
}

func TestR5_Trickle(t *testing.T) {
	// One octet just within each limit ends some time; a slow line does not.
	for name, x := range map[string]struct {
		verb  string
		every time.Duration
		n     int
		good  bool
	}{
		"greeting": {"CONNECT", 59 * time.Second, 1, false},
		"list":     {"LIST", 59 * time.Second, 1, false},
		"body":     {"RETR", 59 * time.Second, 1, false},
		"slow":     {"RETR", time.Second, 300, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fetchtest.NewPOP3(t)
				m := fetchtest.Text(1<<20, 1)
				s.Put(m)
				reply := "+OK " + strings.Repeat("x", 3000) + "\r\n"
				if x.verb != "CONNECT" {
					reply = "+OK\r\n" + fetchtest.Stuff(m)
				}
				s.On = map[string]func(*fetchtest.POP3Conn, string) bool{
					x.verb: func(c *fetchtest.POP3Conn, _ string) bool {
						for i := 0; i < len(reply); i += x.n {
							if !c.Raw(reply[i:min(i+x.n, len(reply))]) {
								break
							}
							time.Sleep(x.every)
						}
						return true
					}}
				began := time.Now()
				_, err := collect(t.Context(), options(s, nil), true)
				if (err == nil) != x.good {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				if took := time.Since(began); took > 12*time.Minute && !x.good {
					t.Errorf("took %v", took)
				}
				s.Close()
			})
		})
	}
}

// endless writes pieces until the client goes away, 64 MiB at most, and counts.
func endless(n *atomic.Int64, begin, piece string) behaviour {
	block := strings.Repeat(piece, 4096/len(piece))
	return func(c *fetchtest.POP3Conn, _ string) bool {
		c.Raw(begin)
		for n.Load() < 64<<20 && c.Raw(block) {
			n.Add(int64(len(block)))
		}
		return true
	}
}

func TestR6_EndlessLine(t *testing.T) {
	for name, x := range map[string]struct{ verb, begin string }{
		"greeting": {"CONNECT", "+OK "}, "nothing": {"CONNECT", ""}, "OK": {"PASS", "+OK "}, "ERR": {"PASS", "-ERR "},
		"CAPA": {"CAPA", "+OK\r\n"}, "LIST": {"LIST", "+OK\r\n1 "}, "UIDL": {"UIDL", "+OK\r\n1 "},
		"RETR": {"RETR", "+OK "}, "DELE": {"DELE", "-ERR "}, "QUIT": {"QUIT", "+OK "}, "STLS": {"STLS", "+OK "},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			s, o := secured(t)
			if x.verb != "STLS" {
				o.Dial.TLS.Mode = wire.Plain
			}
			s.Put(fetchtest.Corpus()[0])
			s.On = map[string]func(*fetchtest.POP3Conn, string) bool{x.verb: endless(&n, x.begin, "x")}
			if _, err := collect(t.Context(), o, false); err == nil {
				t.Error("no error")
			}
			s.Close()
			if n.Load() > 256<<10 {
				t.Errorf("%d octets were taken", n.Load())
			}
			if len(s.Left()) != 1 {
				t.Error("the message is gone")
			}
		})
	}
}

func TestR6_EndlessHeader(t *testing.T) {
	for verb, most := range map[string]int64{"TOP": 5 << 20, "RETR": 2 << 20} {
		t.Run(verb, func(t *testing.T) {
			var n atomic.Int64
			s := fetchtest.NewPOP3(t)
			s.Put(fetchtest.Corpus()[0])
			s.On = map[string]func(*fetchtest.POP3Conn, string) bool{verb: endless(&n, "+OK\r\nSubject: ", "x")}
			o := options(s, nil)
			o.MaxOctets = 8 << 20
			d, err := (&Retriever{o}).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for m := range d.Messages(t.Context(), nil) {
				if verb == "RETR" {
					d.(mail.Aheader).Ahead(t.Context(), mail.Whole, []*mail.Message{m})
				}
				if _, err := m.Content.Header(t.Context()); err == nil {
					t.Error("an endless header came whole")
				}
				m.Envelope.Recipients = []mail.Recipient{{}}
			}
			d.Close()
			s.Close()
			if n.Load() > most {
				t.Errorf("%d octets were taken", n.Load())
			}
		})
	}
}

func TestR7_EndlessListing(t *testing.T) {
	for name, x := range map[string]struct{ verb, piece string }{
		"CAPA": {"CAPA", "X-NEW\r\n"}, "LIST": {"LIST", "1 1\r\n"}, "UIDL": {"UIDL", "1 a\r\n"},
		"empty lines": {"LIST", "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			s := fetchtest.NewPOP3(t)
			s.Put(fetchtest.Corpus()[0])
			s.On = map[string]func(*fetchtest.POP3Conn, string) bool{x.verb: endless(&n, "+OK\r\n", x.piece)}
			if tr := trouble(t, options(s, nil)); tr.Kind != mail.Protocol {
				t.Errorf("%v: %v", tr.Kind, tr)
			}
			s.Close()
			if n.Load() > 256<<10 {
				t.Errorf("%d octets were taken", n.Load())
			}
		})
	}
}

// counted makes a server claim n messages and list them.
func counted(s *fetchtest.POP3, n int, uid func(int) string) {
	list := func(line func(int) string) behaviour {
		return func(c *fetchtest.POP3Conn, _ string) bool {
			var b strings.Builder
			b.WriteString("+OK\r\n")
			for i := 1; i <= n; i++ {
				b.WriteString(line(i))
			}
			c.Raw(b.String() + ".\r\n")
			return true
		}
	}
	s.On = map[string]func(*fetchtest.POP3Conn, string) bool{
		"STAT": says(fmt.Sprintf("+OK %d 1\r\n", n)),
		"LIST": list(func(i int) string { return fmt.Sprintf("%d 100\r\n", i) }),
		"UIDL": list(func(i int) string { return fmt.Sprintf("%d %s\r\n", i, uid(i)) }),
	}
}

func TestR7_LongListing(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	counted(s, 200_000, func(i int) string { return fmt.Sprint("u", i) })
	d, err := (&Retriever{options(s, nil)}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	uids, complete, err := d.List(t.Context())
	if len(uids) != 200_000 || !complete || err != nil {
		t.Errorf("%d, %v, %v", len(uids), complete, err)
	}
	d.Close()
	o := options(s, nil)
	o.MaxMessages = 100_000
	if tr := trouble(t, o); tr.Kind != mail.Protocol {
		t.Errorf("%v: %v", tr.Kind, tr)
	}
	o = options(s, nil)
	o.MaxListing = 1 << 20
	if tr := trouble(t, o); tr.Kind != mail.Protocol {
		t.Errorf("%v: %v", tr.Kind, tr)
	}
}

func TestR8_Sizes(t *testing.T) {
	for size, good := range map[string]bool{
		"0": true, "1": true, "2147483648": true, "4294967296": true, "9223372036854775807": true,
		"-1": false, "9223372036854775808": false, "18446744073709551616": false, "1e99": false, "": false, "0x10": false,
		"+1": false,
	} {
		s := fetchtest.NewPOP3(t)
		s.Put(fetchtest.Corpus()[:3]...)
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{
			"LIST": says("+OK\r\n1 " + size + "\r\n2 " + size + "\r\n3 " + size + "\r\n.\r\n")}
		o := options(s, nil)
		o.MaxOctets = 1<<63 - 1
		whole, err := collect(t.Context(), o, true)
		if (err == nil) != good || good && len(whole) != 3 {
			t.Errorf("%q: %d messages, %v", size, len(whole), err)
		}
	}
	for stat, good := range map[string]bool{
		"+OK 1 1": true, "+OK 1 x": true, "+OK 1 99999999999999999999999": true, "+OK 1 1 more": true,
		"+OK -5 -9": false, "+OK": false, "+OK 1": false, "+OK 99999999999 1": false, "+OK 2147483647 1": false, "-ERR no": false,
	} {
		s := fetchtest.NewPOP3(t)
		s.Put(fetchtest.Corpus()[0])
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"STAT": says(stat + "\r\n")}
		if _, err := collect(t.Context(), options(s, nil), true); (err == nil) != good {
			t.Errorf("%q: %v", stat, err)
		}
	}
}

func TestR16_EmptyAnswer(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	c := fetchtest.Corpus()
	s.Put(c[0])
	s.Add(&fetchtest.Mail{Octets: c[1], Sent: ".\r\n"})
	s.Put(c[2])
	whole, err := collect(t.Context(), options(s, nil), true)
	var tr *mail.Trouble
	if !errors.As(err, &tr) || !tr.Alone || len(whole) != 2 {
		t.Errorf("%d messages, %v", len(whole), err)
	}
	if len(s.Left()) != 1 {
		t.Errorf("%d messages are left, want the one that did not come", len(s.Left()))
	}
}

// What the server says is fit for one line of a log (trouble checks it).
func TestR17_Escaped(t *testing.T) {
	for _, text := range []string{"\x1b[2J", "a\rb", "nul\x00", "\xff\xfe", "%s%n", "\u202e", strings.Repeat("x", 4000)} {
		s := fetchtest.NewPOP3(t)
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"PASS": says("-ERR " + text + "\r\n")}
		trouble(t, options(s, nil))
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"LIST": says("+OK\r\n" + text + "\r\n.\r\n")}
		s.Put(fetchtest.Corpus()[0])
		trouble(t, options(s, nil))
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"PASS": says(text + "\r\n")}
		trouble(t, options(s, nil))
	}
}

// What quotes the command that it refuses, or is a mere echo, tells nobody the password.
func TestQuotedPassword(t *testing.T) {
	sent := base64.StdEncoding.EncodeToString([]byte("\x00jaco\x00secret"))
	for reply, want := range map[string]string{
		"-ERR what is PASS secret?": "-ERR what is PASS ***?", "PASS secret": "PASS ***", "-ERR AUTH PLAIN " + sent: "AUTH PLAIN ***",
	} {
		s := fetchtest.NewPOP3(t)
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"PASS": says(reply + "\r\n")}
		tr := trouble(t, options(s, nil))
		if text := tr.Error() + tr.Reply; strings.Contains(text, "secret") || strings.Contains(text, sent) || !strings.Contains(text, want) {
			t.Errorf("%q: %q", reply, text)
		}
	}
}

func TestR25_LongerThanAllowed(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	c := [][]byte{fetchtest.Text(1000, 1), fetchtest.Text(50_000, 2), fetchtest.Text(1000, 3)}
	s.Put(c[0])
	s.Add(&fetchtest.Mail{Octets: c[1], Size: 10}) // a lie, so that it is found out in the middle
	s.Put(c[2])
	o := options(s, nil)
	o.MaxOctets = 20_000
	whole, err := collect(t.Context(), o, false)
	if err == nil || len(whole) != 1 || len(s.Left()) != 3 {
		t.Errorf("%d whole, %d left, %v", len(whole), len(s.Left()), err)
	}
	s.Clear()
	s.Put(c...)
	d, err := (&Retriever{o}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for m, err := range d.Messages(t.Context(), nil) {
		var tr *mail.Trouble
		if n++; (n == 2) != (errors.As(err, &tr) && tr.Alone) || m == nil {
			t.Errorf("message %d: %v", n, err)
		}
	}
	if n != 3 {
		t.Errorf("%d messages came", n)
	}
	d.Close()
}

// The reader goes away in the middle, as when the disk is full: nothing is deleted, and the line is not
// drained.
func TestR25_GivenUp(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Put(fetchtest.Text(1000, 1), fetchtest.Text(5<<20, 2))
	l := &fetchtest.Line{}
	d, err := (&Retriever{options(s, l)}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for m := range d.Messages(t.Context(), nil) {
		r, err := m.Content.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, 500); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close with nothing to let go of: %v", err)
	}
	if _, down := l.Octets(); down > 512<<10 {
		t.Errorf("%d octets came down", down)
	}
	if s.Count("QUIT") > 0 {
		t.Error("the rest of the message was read, so that QUIT could be sent")
	}
	if len(s.Left()) != 2 {
		t.Errorf("%d messages are left", len(s.Left()))
	}
}

// What was asked for ahead and is not wanted any more is not read where nothing was settled.
func TestGivenUpAhead(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	for i := range 20 {
		s.Put(fetchtest.Text(5000, i))
	}
	d := open(t, options(s, nil))
	var ms []*mail.Message
	for m := range d.Messages(t.Context(), nil) {
		ms = append(ms, m)
	}
	if err := d.(mail.Aheader).Ahead(t.Context(), mail.Whole, ms); err != nil {
		t.Fatal(err)
	}
	if _, err := octets(t.Context(), ms[0]); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil || s.Count("QUIT") > 0 {
		t.Errorf("%v: %q", err, s.Log())
	}
}
