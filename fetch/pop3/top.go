package pop3

import (
	"context"
	"io"
	"strconv"

	"mailretr/store/mail"
)

// What TOP is good for is found out before it is relied on: the first time that headers are wanted, one is
// asked for alone, of the smallest message. Servers have been seen that refuse TOP though they announce it,
// that refuse it with 0 lines, that answer with nothing, and that answer with the whole message. What was
// found is remembered as long as what the server can is, and told to the owner.

// tolerated is how many octets of a body TOP may give that nobody has asked for: some servers give a line or
// two. When it becomes more than spilled, ending the session is cheaper than reading on.
const (
	tolerated = 8 << 10
	spilled   = 64 << 10
)

const wholeTop = "gives whole messages in answer to TOP"

func (s *session) topOf(x *item) string {
	return "TOP " + strconv.Itoa(x.num) + " " + strconv.Itoa(s.known.TopLines)
}

// tryTop asks for the header of the first of these, unless TOP is known to be good, and keeps it.
func (s *session) tryTop(ctx context.Context, top bool, plan []*item) error {
	if !top {
		return nil
	}
	if !s.known.NoTop && !s.known.TopWell && len(plan) > 0 && s.heads[plan[0]] == nil {
		head, _, err := s.top(ctx, plan[0])
		if err != nil && !s.known.NoTop && s.broken != nil {
			return err
		}
		if err == nil {
			s.keep(plan[0], head)
		}
	}
	if s.known.NoTop {
		return alone(&mail.Trouble{Op: mail.OpHeader, Kind: mail.Protocol, Server: s.server, Err: ErrNoTop})
	}
	return nil
}

// top asks for a header alone. line is what came, in octets.
func (s *session) top(ctx context.Context, x *item) (head []byte, line int64, err error) {
	defer s.link.watch(ctx)()
	for {
		var again bool
		var n int64
		head, n, again, err = s.topOnce(x)
		if line += n; !again {
			return head, line, err
		}
	}
}

// topOnce makes one try; again says that the server may like another number of lines better.
func (s *session) topOnce(x *item) (head []byte, line int64, again bool, err error) {
	if err := s.want(x, true); err != nil {
		return nil, 0, false, s.fail(mail.OpHeader, err)
	}
	reply, err := s.link.status()
	if err != nil {
		return nil, 0, false, s.fail(mail.OpHeader, err)
	}
	line = int64(reply.size)
	if !reply.ok {
		err := s.missing(mail.OpHeader, reply)
		if s.broken != nil {
			return nil, line, false, err
		}
		return nil, line, s.otherTop(true), err
	}
	m := s.link.multi()
	head, more, tooLong, err := readHeader(m)
	if line += m.raw; err != nil {
		if more > tolerated {
			s.learnNoTop(wholeTop)
			err = ErrNoTop
		}
		return nil, line, false, s.fail(mail.OpHeader, err)
	}
	s.flight.landed()
	if err := s.fill(); err != nil {
		return nil, line, false, s.fail(mail.OpHeader, err)
	}
	switch {
	case tooLong:
		return nil, line, false, s.longHeader()
	case len(head) == 0 && x.size > 0:
		err := alone(mail.TroubleOf(mail.OpHeader, s.server, &nonsense{"TOP gives nothing"}))
		return nil, line, s.otherTop(false), err
	case more > tolerated:
		s.learnNoTop(wholeTop)
	case !s.known.TopWell:
		s.known.TopWell = true
		s.opts.remember(s.known)
	}
	return head, line, false, nil
}

// otherTop says, after TOP has failed, whether it is worth a try with one line. Where it never did what it
// should, there is no TOP.
func (s *session) otherTop(refused bool) (again bool) {
	switch {
	case s.known.TopWell: // it is this message
	case refused && !s.known.After.has("TOP", ""):
		s.learnNoTop("does not know TOP")
	case s.known.TopLines == 0:
		s.known.TopLines = 1
		return true
	case refused: // if it is this message after all, a week without TOP is the price
		s.learnNoTop("refuses TOP")
	default:
		s.learnNoTop("gives nothing in answer to TOP")
	}
	return false
}

func (s *session) learnNoTop(why string) {
	s.known.NoTop, s.known.Why = true, why
	s.opts.remember(s.known)
}

// readHeader reads an answer to TOP to its end and returns the header section, and how many octets came
// behind it.
func readHeader(m *multi) (head []byte, more int64, tooLong bool, err error) {
	scan, done := scanner{}, false
	for {
		b, err := m.next()
		if err == io.EOF {
			return head, more, tooLong, nil
		}
		if done {
			more += int64(len(b))
		}
		if err == nil && (m.raw > 4*mail.MaxHeader || more > spilled) {
			err = &nonsense{"the answer to TOP is too long"}
		}
		if err != nil {
			return nil, more, false, err
		}
		if done || tooLong {
			continue
		}
		if tooLong = len(head)+len(b) > mail.MaxHeader; !tooLong {
			head = append(head, b...)
			done = scan.end(b)
		}
	}
}
