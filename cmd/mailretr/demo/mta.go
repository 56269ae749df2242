package demo

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// mta is the local MTA of the demo: it takes mail, but not at once, and not for everybody.
type mta struct {
	unknown string // this recipient does not exist
	trouble string // Message-ID of what it defers
	times   int    // how often

	mu       sync.Mutex
	deferred int
	refused  int    // RCPT commands
	refusing func() // called at the first
	got      []delivered
}

// delivered is a message that was taken, for one recipient.
type delivered struct {
	id       string // Message-ID
	from, to string
	octets   []byte
}

func (m *mta) server() *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &mtaSession{m: m}, nil
	}))
	s.Domain, s.MaxMessageBytes, s.MaxLineLength = Host, 64<<20, 1<<20
	s.ReadTimeout, s.WriteTimeout = time.Minute, time.Minute
	s.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

func (m *mta) serve(s *smtp.Server, l net.Listener) error {
	if err := s.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// counts says what has happened so far.
func (m *mta) counts() (taken, deferred, refused int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.got), m.deferred, m.refused
}

// taken returns all that was taken.
func (m *mta) taken() []delivered {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]delivered(nil), m.got...)
}

type mtaSession struct {
	m    *mta
	from string
	to   []string
}

func (s *mtaSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *mtaSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.EqualFold(to, s.m.unknown) {
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		if s.m.refused++; s.m.refused == 1 && s.m.refusing != nil {
			s.m.refusing()
		}
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user here"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *mtaSession) Data(r io.Reader) error {
	octets, err := io.ReadAll(r)
	if err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "reading failed"}
	}
	id := messageID(octets)
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if id == s.m.trouble && s.m.deferred < s.m.times {
		s.m.deferred++
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Zip module failure"}
	}
	for _, to := range s.to {
		s.m.got = append(s.m.got, delivered{id, s.from, to, octets})
	}
	return nil
}

// messageID returns the Message-ID of a message without its brackets, "" where there is none.
func messageID(octets []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		return ""
	}
	return strings.Trim(m.Header.Get("Message-ID"), "<> ")
}

func (s *mtaSession) Reset() { s.from, s.to = "", nil }

func (s *mtaSession) Logout() error { return nil }
