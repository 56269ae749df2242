package demo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
)

// pop3 is a small POP3 server (RFC 1939, with CAPA, UIDL, TOP and PIPELINING of RFC 2449) for one maildrop:
// there is no in-memory one in a well-kept library.
type pop3 struct {
	user, password string

	mu   sync.Mutex
	mail []waiting
}

// waiting is one message in the maildrop.
type waiting struct {
	uid    string
	octets []byte // CRLF
}

func (p *pop3) put(octets []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mail = append(p.mail, waiting{fmt.Sprintf("demo%d", len(p.mail)+1), octets})
	return nil
}

// serve answers until the listener is closed.
func (p *pop3) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			s := &pop3Session{p: p, w: bufio.NewWriter(c), r: bufio.NewReader(c)}
			// A client that went away is no failure of the demo.
			_ = s.run()
		}()
	}
}

// close does nothing: sessions end with their connections.
func (p *pop3) close() error { return nil }

// left returns how many messages are in the maildrop.
func (p *pop3) left() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mail), nil
}

// pop3Session is one connection: a snapshot, and what it was told to delete.
type pop3Session struct {
	p    *pop3
	r    *bufio.Reader
	w    *bufio.Writer
	user string
	in   bool
	mail []waiting
	dele map[int]bool
}

func (s *pop3Session) run() error {
	s.say("+OK demo POP3 server")
	for {
		if s.r.Buffered() == 0 {
			if err := s.w.Flush(); err != nil {
				return err
			}
		}
		line, err := s.r.ReadString('\n')
		if err != nil {
			return err
		}
		verb, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if done := s.command(strings.ToUpper(verb), arg); done {
			return s.w.Flush()
		}
	}
}

func (s *pop3Session) say(format string, args ...any) { fmt.Fprintf(s.w, format+"\r\n", args...) }

func (s *pop3Session) command(verb, arg string) (done bool) {
	switch {
	case verb == "CAPA":
		s.say("+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\nRESP-CODES\r\n.")
	case verb == "QUIT":
		s.quit()
		return true
	case verb == "USER":
		s.user = arg
		s.say("+OK")
	case verb == "PASS":
		s.login(arg)
	case !s.in:
		s.say("-ERR log in first")
	default:
		s.transaction(verb, arg)
	}
	return false
}

func (s *pop3Session) login(password string) {
	if s.user != s.p.user || password != s.p.password {
		s.say("-ERR [AUTH] wrong user or password")
		return
	}
	s.p.mu.Lock()
	s.mail = append([]waiting(nil), s.p.mail...)
	s.p.mu.Unlock()
	s.in, s.dele = true, map[int]bool{}
	s.say("+OK")
}

func (s *pop3Session) transaction(verb, arg string) {
	switch verb {
	case "STAT":
		total := 0
		for _, m := range s.mail {
			total += len(m.octets)
		}
		s.say("+OK %d %d", len(s.mail), total)
	case "LIST", "UIDL":
		s.listing(verb, arg)
	case "RETR", "TOP", "DELE":
		s.message(verb, arg)
	case "NOOP", "RSET":
		s.say("+OK")
	default:
		s.say("-ERR unknown command")
	}
}

func (s *pop3Session) listing(verb, arg string) {
	line := func(i int) string {
		if m := s.mail[i]; verb == "UIDL" {
			return fmt.Sprintf("%d %s", i+1, m.uid)
		}
		return fmt.Sprintf("%d %d", i+1, len(s.mail[i].octets))
	}
	if arg != "" {
		if n, err := strconv.Atoi(arg); err == nil && n > 0 && n <= len(s.mail) && !s.dele[n] {
			s.say("+OK %s", line(n-1))
		} else {
			s.say("-ERR no such message")
		}
		return
	}
	s.say("+OK")
	for i := range s.mail {
		s.say("%s", line(i))
	}
	s.say(".")
}

func (s *pop3Session) message(verb, arg string) {
	number, lines, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(s.mail) || s.dele[n] {
		s.say("-ERR no such message")
		return
	}
	octets := s.mail[n-1].octets
	switch verb {
	case "DELE":
		s.dele[n] = true
		s.say("+OK")
		return
	case "TOP":
		head, _, _ := bytes.Cut(octets, []byte("\r\n\r\n"))
		if lines != "0" {
			s.say("-ERR only TOP n 0")
			return
		}
		octets = append(bytes.Clone(head), "\r\n\r\n"...)
	}
	s.say("+OK")
	for line := range bytes.Lines(octets) {
		if line[0] == '.' {
			s.w.WriteByte('.')
		}
		s.w.Write(line)
	}
	s.say(".")
}

// quit makes the deletions count.
func (s *pop3Session) quit() {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	gone := map[string]bool{}
	for n := range s.dele {
		gone[s.mail[n-1].uid] = true
	}
	kept := s.p.mail[:0:0]
	for _, m := range s.p.mail {
		if !gone[m.uid] {
			kept = append(kept, m)
		}
	}
	s.p.mail = kept
	s.say("+OK")
}
