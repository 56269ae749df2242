package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// unstuff is the reader of multi.go said in another way: over the whole text, with no buffer.
func unstuff(b []byte) (text []byte, whole bool, rest []byte) {
	start := true
	for i := 0; i < len(b); i++ {
		if start && b[i] == '.' {
			if bytes.HasPrefix(b[i:], []byte(".\r\n")) {
				return text, true, b[i+3:]
			}
			start = false
			continue // the dot that was doubled
		}
		text = append(text, b[i])
		start = b[i] == '\n' && i > 0 && b[i-1] == '\r'
	}
	return text, false, nil
}

func readMulti(r *bufio.Reader) ([]byte, error) {
	m := &multi{r: r}
	var text []byte
	for {
		b, err := m.next()
		if err != nil {
			return text, err
		}
		text = append(text, b...)
	}
}

func FuzzMulti(f *testing.F) {
	for _, c := range append(fetchtest.Corpus(), fetchtest.Raw()...) {
		f.Add([]byte(fetchtest.Stuff(c)))
	}
	for _, s := range []string{".\r\n", "", ".", ".\r", "..\r\n.\r\n", "a\n.\r\nb\r\n.\r\n+OK\r\n", "a\r\n.\nb\r\n.\r\n",
		".\r.\r\n.\r\n", "\r\n.\r\n", "x\r\r\n.\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text, whole, rest := unstuff(in)
		for _, r := range []*bufio.Reader{
			bufio.NewReaderSize(bytes.NewReader(in), 16),
			bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(in)), 4096),
		} {
			got, err := readMulti(r)
			if whole != (err == io.EOF) || !whole && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%q: %v, want whole %v", in, err, whole)
			}
			if !whole {
				continue
			}
			if !bytes.Equal(got, text) {
				t.Fatalf("%q: %q, want %q", in, got, text)
			}
			if left, _ := io.ReadAll(r); !bytes.Equal(left, rest) {
				t.Fatalf("%q: %q is left, want %q", in, left, rest)
			}
		}
	})
}

// impatient lets a session give up at once on a reply without an end: the server, which waits for a command, says no more.
func impatient(o Options) Options {
	o.Dial.Idle = 50 * time.Millisecond
	return o
}

// FuzzListing gives LIST and UIDL any text: it is refused, or each message has one number and an identity
// of its own.
func FuzzListing(f *testing.F) {
	f.Add("1 10\r\n2 20\r\n3 30\r\n", "1 a\r\n2 b\r\n3 c\r\n")
	f.Add("3 10\r\n1 20\r\n", "1 a\r\n3 a\r\n")
	f.Add("1 10 x\r\n2 9223372036854775807\r\n", "1 \r\n2\r\n")
	f.Add("1 10\r\n", "1 =a\r\n")
	f.Add("", "2 b\r\n2 b\r\n")
	f.Add("1 -1\r\n", "0 a\r\n")
	f.Fuzz(func(t *testing.T, list, uidl string) {
		s := fetchtest.NewPOP3(t)
		for i := range 3 {
			s.Put(fetchtest.Text(100, i%2))
		}
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{
			"LIST": says("+OK\r\n" + list + ".\r\n"), "UIDL": says("+OK\r\n" + uidl + ".\r\n")}
		d, err := (&Retriever{impatient(options(s, nil))}).Open(t.Context())
		if err != nil {
			var tr *mail.Trouble
			if !errors.As(err, &tr) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		defer d.Close()
		uids, complete, err := d.List(t.Context())
		if err != nil {
			return // the texts may hold ends of replies of their own
		}
		nums, have := map[int]bool{}, map[mail.UID]bool{}
		for i, u := range uids {
			x := d.(*session).items[i]
			if u == "" || have[u] || nums[x.num] || x.num < 1 || x.num > 3 || x.size < 0 {
				t.Fatalf("%q, %q: %q, %+v", list, uidl, uids, x)
			}
			have[u], nums[x.num] = true, true
		}
		if complete != (len(uids) == 3) {
			t.Fatalf("%d of 3, complete %v", len(uids), complete)
		}
	})
}

func FuzzStatus(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "+OK [X] y\r\n", "-ERR [LOGIN-DELAY 9] z\n", "+ \r\n", "\r\n", "+OK <a@b>\r\n",
		"-ERR [AUTH\r\n", "-ERR [] x\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		st, err := parseStatus(line)
		if err == nil && st.ok && !bytes.HasPrefix(line, []byte("+OK")) {
			t.Fatalf("%q is taken for success", line)
		}
		refused(mail.OpLogin, "s", st, nil)
		timestamp(line)
	})
}

// FuzzCapa gives CAPA any text: what is concluded of it is within bounds.
func FuzzCapa(f *testing.F) {
	for _, s := range []string{"TOP\r\nUIDL\r\nEXPIRE 30 USER\r\nLOGIN-DELAY 900 USER\r\n.\r\n", "EXPIRE NEVER\r\n.\r\n", ".\r\n",
		"EXPIRE -1\r\nLOGIN-DELAY 99999999999999999999\r\n.\r\n", " EXPIRE\t0\r\n.\r\n", "SASL PLAIN\r\nIMPLEMENTATION x y\r\n.\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := readCaps(&multi{r: bufio.NewReaderSize(bytes.NewReader(in), 4096)})
		if err != nil {
			return
		}
		if len(c) > maxCaps {
			t.Fatalf("%d capabilities", len(c))
		}
		if d := c.delay(); d < 0 || d > 24*time.Hour {
			t.Fatalf("%q: a login delay of %v", in, d)
		}
		if n, ok := c.expire(); n < 0 || n > 1<<16 || !ok && n != 0 && n != 1<<16-1 {
			t.Fatalf("%q: expires after %d days, %v", in, n, ok)
		}
	})
}

// FuzzLogin: a server that says anything in place of the answers to a SCRAM login is never believed.
func FuzzLogin(f *testing.F) {
	f.Add("+ cj1hLHM9UVNYQ1IrUTZzZWs4YmY5MixpPTQwOTY=\r\n", "+OK in\r\n")
	f.Add("+OK in\r\n", "")
	f.Add("+ !\r\n", "-ERR [AUTH] x\r\n")
	f.Add("+ \r\n+ \r\n", "+ dj14\r\n+OK\r\n")
	f.Fuzz(func(t *testing.T, first, second string) {
		s := fetchtest.NewPOP3(t)
		s.Caps = []string{"UIDL", "USER", "SASL SCRAM-SHA-1"}
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"AUTH": func(c *fetchtest.POP3Conn, _ string) bool {
			c.Raw(first + second) // what comes too early is part of it
			c.Cut()
			return true
		}}
		_, err := (&Retriever{options(s, nil)}).Open(t.Context())
		var tr *mail.Trouble
		if !errors.As(err, &tr) {
			t.Fatalf("%T: %v", err, err)
		}
	})
}
