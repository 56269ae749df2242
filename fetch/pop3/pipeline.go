package pop3

import (
	"context"
	"io"
	"slices"
	"strconv"
	"time"

	"mailretr/store/mail"
)

// Limits of what is asked for and not answered. More commands than fit into the smallest socket buffers are
// sent by a goroutine of their own, or a server that answers before it reads on, and we, would wait for each
// other: 1 KiB is a fortieth of what went well with buffers of 4 KiB. The octets have to fill a round trip:
// what the line brings in a second, between the two limits, and less at first, when a listing that came out of
// some buffer is all that was measured. A session that is given up, or a stop, waits for them or loses what is
// in the network's buffers; a line that breaks loses no more than the message it was carrying. 5,000
// messages of 5 KB are asked for in two turns; with a quarter of these limits it would take four.
const (
	maxFlight   = 6000
	maxAlone    = 1 << 10
	firstAhead  = 1 << 20
	leastAhead  = 64 << 10
	mostGuessed = 8 << 20
	mostAhead   = 32 << 20
	drained     = 256 << 10 // at the end of a session that much is read rather than given up
	headerGuess = 4 << 10   // expected octets of an answer to TOP
)

// A meter measures what the line brings.
type meter struct {
	since  time.Time
	octets int64
	ahead  int64 // octets that may be asked for; 0: not measured yet
}

// came books octets that arrived by now. What is long past counts half every ten seconds.
func (m *meter) came(n int64, now time.Time) {
	m.octets += n
	took := now.Sub(m.since)
	if took <= 0 {
		return
	}
	rate := float64(m.octets) / took.Seconds()
	m.ahead = int64(min(max(rate, leastAhead), mostAhead))
	if took > 10*time.Second {
		m.since, m.octets = now.Add(-took/2), m.octets/2
	}
}

// guess takes what came before anything was fetched for a measure, where it is enough to be one.
func (m *meter) guess(n int64, took time.Duration) {
	if n >= leastAhead && m.since.IsZero() {
		m.ahead = int64(min(max(float64(n)/took.Seconds(), leastAhead), mostGuessed))
	}
}

// window is how many octets may be asked for.
func (s *session) window() int64 {
	if s.meter.ahead == 0 {
		return firstAhead
	}
	return s.meter.ahead
}

// A request is a command whose answer has not been read.
type request struct {
	item    *item
	top     bool
	command int   // octets
	expect  int64 // octets of the answer that are still to come, by what was announced
}

// A flight is what is on the line, in order.
type flight struct {
	all      []request
	commands int
	octets   int64
}

func (f *flight) add(r request) {
	f.all = append(f.all, r)
	f.commands += r.command
	f.octets += r.expect
}

// landed removes the first request: its answer was read.
func (f *flight) landed() {
	r := f.all[0]
	f.all = f.all[1:]
	f.commands -= r.command
	f.octets -= r.expect
}

// came books octets of the first answer.
func (f *flight) came(n int64) {
	n = min(n, f.all[0].expect)
	f.all[0].expect -= n
	f.octets -= n
}

func (f *flight) index(x *item, top bool) int {
	for i, r := range f.all {
		if r.item == x && r.top == top {
			return i
		}
	}
	return -1
}

// Ahead takes note of what will be read next. It sends nothing itself, but for the trial of TOP the first
// time that headers are wanted. Without TOP, headers are refused with ErrNoTop.
func (s *session) Ahead(ctx context.Context, part mail.Part, ms []*mail.Message) error {
	top := part == mail.Header
	if s.broken != nil {
		return s.broken
	}
	plan := make([]*item, len(ms))
	for i, m := range ms {
		if plan[i] = s.byUID[m.Origin.UID]; plan[i] == nil {
			return s.stranger(mail.OpFetch, m.Origin.UID)
		}
	}
	if err := s.tryTop(ctx, top, plan); err != nil {
		return err
	}
	if top {
		plan = slices.DeleteFunc(plan, func(x *item) bool { return s.heads[x] != nil })
	}
	for _, r := range s.flight.all { // what is on the line already is not asked for again
		if len(plan) > 0 && r.item == plan[0] && r.top == top && !s.begun(r) {
			plan = plan[1:]
		}
	}
	s.announce(plan, top)
	s.plan, s.planTop = plan, top
	return nil
}

// begun says whether the answer to r is being read, and was opened: who wants it again has to ask again.
func (s *session) begun(r request) bool {
	return s.cur != nil && s.cur.item == r.item && !r.top && s.cur.opened
}

// announced says whether the whole of x will be read, or is on the line.
func (s *session) announced(x *item) bool {
	if s.flight.index(x, false) >= 0 {
		return true
	}
	return !s.planTop && s.planned(x) >= 0
}

func (s *session) planned(x *item) int {
	for i, p := range s.plan {
		if p == x {
			return i
		}
	}
	return -1
}

// want brings the connection to where the status line of this answer is read next.
func (s *session) want(x *item, top bool) error {
	if err := s.finishCurrent(); err != nil {
		return err
	}
	if k := s.flight.index(x, top); k >= 0 {
		for range k {
			if err := s.passOver(); err != nil {
				return err
			}
		}
		return s.fill()
	}
	for len(s.flight.all) > 0 {
		if err := s.passOver(); err != nil {
			return err
		}
	}
	if k := s.planned(x); k >= 0 && s.planTop == top {
		s.plan = s.plan[k+1:]
	}
	if err := s.ask(x, top); err != nil {
		return err
	}
	return s.fill()
}

// ask writes one command.
func (s *session) ask(x *item, top bool) error {
	if len(s.flight.all) == 0 {
		s.rejoin()
	}
	r := request{item: x, top: top, expect: min(x.size, 1<<40)} // a liar's sizes must not overflow a sum
	command := "RETR " + strconv.Itoa(x.num)
	if x.asked = x.asked || !top; top {
		command = s.topOf(x)
		r.expect = min(r.expect, headerGuess)
	}
	r.command = len(command) + 2
	if err := s.link.send(command); err != nil {
		return err
	}
	if s.meter.since.IsZero() {
		s.meter.since = s.opts.now()
	}
	s.flight.add(r)
	return nil
}

// fill asks ahead, in portions of at least a quarter of the window, so that commands share segments.
func (s *session) fill() error {
	f, window := &s.flight, s.window()
	if !s.pipelining || s.wary() && !s.planTop || len(s.plan) == 0 ||
		len(f.all) > maxFlight*3/4 || f.octets > window*3/4 {
		return nil
	}
	if s.cur != nil { // these are commands in the middle of message octets
		s.conn.Data(false)
		defer s.conn.Data(true)
	}
	for len(s.plan) > 0 && len(f.all) < maxFlight {
		x := s.plan[0]
		if len(f.all) > 0 && f.octets+x.size > window {
			break
		}
		if s.plan = s.plan[1:]; x.gone {
			continue
		}
		if err := s.ask(x, s.planTop); err != nil {
			return err
		}
	}
	return s.push()
}

// push sends what was asked. A read sends nothing while the goroutine may be at it: see maxAlone.
func (s *session) push() error {
	if s.flight.commands <= maxAlone {
		s.rejoin()
		return s.conn.Flush()
	}
	s.conn.Apart(true)
	s.sending.Go(func() {
		if err := s.conn.Flush(); err != nil {
			s.conn.Abort(err)
		}
	})
	return nil
}

// rejoin lets reads send what was written again. So little is unanswered that whatever has not left fits into
// the buffers.
func (s *session) rejoin() {
	s.sending.Wait()
	s.conn.Apart(false)
}

// passOver reads an answer that nobody wants.
func (s *session) passOver() error {
	st, err := s.link.status()
	if err != nil {
		return err
	}
	if st.ok {
		if err := s.discard(s.link.multi()); err != nil {
			return err
		}
	}
	s.flight.landed()
	return nil
}

func (s *session) discard(m *multi) error {
	s.conn.Data(true)
	defer s.conn.Data(false)
	for {
		_, err := m.next()
		if err == io.EOF {
			return nil
		}
		if err == nil && m.raw > s.opts.maxOctets() {
			err = &nonsense{"the message is longer than allowed"}
		}
		if err != nil {
			return err
		}
	}
}

// inTurn says whether what has arrived behind the end of an answer can be another one. A server that
// forgets to double the dots ends a message early, and the rest of it comes here.
func (s *session) inTurn() error {
	r := s.conn.Reader()
	b, _ := r.Peek(min(r.Buffered(), 4))
	switch {
	case len(b) == 0:
		return nil
	case len(s.flight.all) == 0:
		return &nonsense{"the server spoke out of turn behind the end of a message"}
	case string(b) == "+OK "[:len(b)] || string(b) == "-ERR"[:len(b)] || string(b) == "+OK\r"[:len(b)]:
		return nil
	}
	return &nonsense{"text of a message where a reply should be"}
}
