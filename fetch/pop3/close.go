package pop3

import (
	"context"
	"errors"
	"strconv"
	"time"

	"mailretr/store/mail"
)

// closing is how long Close may take: servers rewrite a large mbox at QUIT. deleting is what each deletion may take beside, on
// a line that is slow or shared: thousands that are cut off before QUIT would all be sent again by the next session, for ever.
const (
	closing  = 3 * time.Minute
	deleting = time.Second / 2
)

// Close deletes what was settled and ends the session. Deletions count at QUIT (RFC 1939, 6), so that
// anything but +OK to it is an error: what became of them is unknown. A single message that the server
// refuses to delete is only missing from Gone, and comes again in the next session; when all are refused it
// is an error.
//
// In a session that broke nothing is sent any more; where something was to be deleted, the error says so.
func (s *session) Close() error {
	if s.closed {
		return s.end
	}
	s.closed = true
	quit, err := s.quit()
	s.end = err
	s.remark()
	s.leave(quit)
	if err := s.conn.Close(); s.end == nil && err != nil && s.broken == nil {
		s.end = mail.TroubleOf(mail.OpQuit, s.server, err)
	}
	s.sending.Wait()
	return s.end
}

// quit ends the session; ok says that the server has confirmed it.
func (s *session) quit() (ok bool, err error) {
	ctx, cancel := s.conn.Within(context.Background(), closing+time.Duration(len(s.letGo))*deleting)
	defer cancel()
	defer s.link.watch(ctx)()
	s.plan = nil
	switch {
	case s.broken != nil:
		return false, s.unknown(s.broken)
	case len(s.letGo) == 0 && (s.cur != nil || len(s.flight.all) > 0):
		return false, nil // nothing counts on QUIT, and reading what is on the line would cost it
	case s.flight.octets > drained:
		return false, s.unknown(errors.New("the session was given up in the middle of a message"))
	case s.wary() && s.atRisk():
		return false, s.unknown(errors.New("the server might hide what it has sent and is not ours yet"))
	}
	if err = s.quiet(); err == nil {
		err = s.conn.Alive() // DELE to a server that is out of step could mean any message
	}
	if err != nil {
		return false, s.unknown(s.fail(mail.OpQuit, err))
	}
	if s.wary() { // what is ours may vanish from now on
		s.ours()
		s.retain()
	}
	gone, refusal, err := s.deletions()
	if err != nil {
		return false, s.unknown(s.fail(mail.OpQuit, err))
	}
	st, err := s.link.status()
	if err != nil {
		return false, s.unknown(s.fail(mail.OpQuit, err))
	}
	if !st.ok {
		return false, s.unknown(refused(mail.OpQuit, s.server, st, nil))
	}
	s.gone = gone
	if len(gone) == 0 && refusal != nil {
		refusal.Hint = "The server lets nothing be deleted; set after: keep, or ask the provider."
		return false, refusal
	}
	return len(gone) == len(s.letGo), nil
}

// unknown is the error of Close where something was to be let go of: nobody can tell.
func (s *session) unknown(err error) error {
	if len(s.letGo) == 0 {
		return nil
	}
	return mail.TroubleOf(mail.OpQuit, s.server, err)
}

// quiet brings the connection to where nothing is on the line.
func (s *session) quiet() error {
	if err := s.finishCurrent(); err != nil {
		return err
	}
	for len(s.flight.all) > 0 {
		if err := s.passOver(); err != nil {
			return err
		}
	}
	s.rejoin()
	return nil
}

// deletions sends DELE for all that was let go of, and QUIT behind the last one; the reply to QUIT is not
// read. It returns what was confirmed, and the last refusal. Where the server pipelines everything is one
// turn: a goroutine writes while this one reads, so that no number of commands and no size of buffers makes
// the two ends wait for each other.
func (s *session) deletions() (gone []mail.UID, refusal *mail.Trouble, err error) {
	sent := make(chan error, 1)
	if s.pipelining {
		s.conn.Apart(true)
		go func() { sent <- s.sendDeletions() }()
		defer func() {
			if err != nil {
				s.conn.Abort(err) // the writer may be waiting
			}
			if e := <-sent; err == nil {
				err = e
			}
			s.conn.Apart(false)
		}()
	}
	for _, x := range s.letGo {
		if !s.pipelining {
			if err := s.link.send(dele(x)); err != nil {
				return nil, nil, err
			}
		}
		st, err := s.link.status()
		if err != nil {
			return nil, nil, err
		}
		if st.ok {
			gone = append(gone, x.uid)
		} else {
			refusal = refused(mail.OpSettle, s.server, st, nil)
		}
	}
	if !s.pipelining {
		err = s.link.send("QUIT")
	}
	return gone, refusal, err
}

func dele(x *item) string { return "DELE " + strconv.Itoa(x.num) }

// sendDeletions writes everything.
func (s *session) sendDeletions() error {
	for _, x := range s.letGo {
		if err := s.link.send(dele(x)); err != nil {
			return err
		}
	}
	if err := s.link.send("QUIT"); err != nil {
		return err
	}
	return s.conn.Flush()
}
