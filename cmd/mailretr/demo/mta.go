package demo

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// mta is the local MTA of the demo: it takes mail, but not at once, and not for everybody.
type mta struct {
	unknown string // this recipient does not exist
	zip     int    // how often a message with a Zip file is deferred

	mu       sync.Mutex
	deferred int
	refused  int
	got      []delivered
}

type delivered struct {
	from, to string
	octets   []byte
	at       time.Time
}

func (m *mta) server() *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &mtaSession{m: m}, nil
	}))
	s.Domain, s.MaxMessageBytes, s.MaxLineLength = "mail.demo.example", 64<<20, 1<<20
	s.ReadTimeout, s.WriteTimeout = time.Minute, time.Minute
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

// bounce returns the first report that came in.
func (m *mta) bounce() (delivered, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.got {
		if d.from == "" {
			return d, true
		}
	}
	return delivered{}, false
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
	if strings.EqualFold(to, s.m.unknown) && s.from != "" && !strings.HasPrefix(s.from, "mailer-daemon@") {
		s.m.mu.Lock()
		s.m.refused++
		s.m.mu.Unlock()
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1},
			Message: "does not take mail from this sender"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *mtaSession) Data(r io.Reader) error {
	octets, err := io.ReadAll(r)
	if err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "reading failed"}
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if len(octets) > 3<<20 && s.m.deferred < s.m.zip {
		s.m.deferred++
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Zip module failure"}
	}
	for _, to := range s.to {
		s.m.got = append(s.m.got, delivered{s.from, to, octets, time.Now()})
	}
	return nil
}

func (s *mtaSession) Reset() { s.from, s.to = "", nil }

func (s *mtaSession) Logout() error { return nil }
