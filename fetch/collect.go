package fetch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"mailretr/fetch/budget"
	"mailretr/relay"
	"mailretr/store/mail"
)

// session is one login at one maildrop, or the decision not to try one. Its fields belong to its
// goroutine, but for those under mu.
type session struct {
	p        *Poller
	drop     Drop        // as it was when the session began
	state    State       // a copy, taken over when the session has ended
	only     mail.UID    // asked for alone; "": the maildrop's mail
	with     []mail.UID  // beside it, what may be copies of it
	refusals []time.Time // of logins of the account in the last 24 hours
	polled   bool        // somebody asked for the visit
	named    bool        // and named the maildrop
	over     bool        // and said that it may pass a budget
	began    time.Time

	first     bool                   // contact
	largeSlot bool                   // it has a large slot, given back when it has hung up
	crawls    bool                   // it has given it up before
	offline   bool                   // it has hung up; guarded by Poller.mu
	open      *listing               // nil: it never was
	glance    string                 // how the server describes what is there
	covered   int                    // folders that this speaks of
	same      bool                   // as before: nothing was listed
	full      bool                   // everything was listed
	since     bool                   // what was added was listed
	listed    int                    // messages, where it was
	look      time.Time              // when something of what is set aside is looked at again
	asides    int                    // messages that were set aside
	unsettled bool                   // something was not taken; guarded by mu
	waiting   int                    // what was told last to wait; -1: nothing was
	asked     int                    // messages that it went for
	octets    int64                  // of the body that was read last
	size      int64                  // of it, as announced
	lost      int64                  // octets of it that crossed the line for nothing
	kept      bool                   // of a body that was cut something was kept: it is gone on with
	reading   mail.UID               // the message whose body is under way, or broke
	doubted   []mail.UID             // their headers say whether they are new
	left      []part                 // for sessions of their own
	held      int                    // messages that were left for their size or cost
	crowd     bool                   // something is left without a note, since there are too many
	tells     bool                   // headers come first, so that somebody can be told of what is too large
	oversize  map[mail.UID]bool      // too large, and somebody is told
	wanted    map[mail.UID]bool      // whatever their size
	headers   map[mail.UID]mail.Head // that are here already
	purse     *budget.Purse
	foreseen  int64 // octets of answers that were reserved for

	alone    bool // one mail is fetched, with its copies
	went     bool // and is found
	kin      map[Identity]*kin
	batches  []*gauged
	withheld int         // messages that need no fetching, or not in this session
	spared   relay.Tally // copies

	sessions int  // logins tried: 0 or 1
	looked   bool // nobody was dialled
	again    bool // the next session is due at once
	tally    relay.Tally
	up, down int64
	err      error // how it ended: nil, a *mail.Trouble, or ErrStopped

	mu      sync.Mutex
	cancel  context.CancelFunc
	halted  bool        // stop was called
	under   bool        // a body is being read
	timer   *time.Timer // ends its grace
	wasted  int64
	done    []mail.UID // taken by the queue
	settles []settled  // copies that are ours
	local   error      // the queue takes nothing
	spent   error      // why no more may cross the line
}

// stop ends the session in an orderly way: after the message that is being read, which has a grace; at
// once where none is. What was read is committed and settled either way.
func (s *session) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.halted {
		return
	}
	s.halted = true
	if !s.under {
		s.cancel()
		return
	}
	s.timer = time.AfterFunc(orDefault(s.p.Grace, 20*time.Second), s.cancel)
}

// read says whether a body is being read, which a stop does not cut at once.
func (s *session) read(under bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under = under
	if under || !s.halted {
		return
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.cancel()
}

func (s *session) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halted
}

func (s *session) origin() mail.Origin {
	return mail.Origin{Maildrop: s.drop.Name, Account: s.drop.Account}
}

// run makes the session, judges how it ended, and tells it.
func (s *session) run(ctx context.Context) {
	if s.waits(ctx) {
		return
	}
	err := s.misdirected(ctx)
	if err == nil {
		err = s.enter(ctx)
	}
	if s.looked {
		return
	}
	if err == nil {
		up, down := s.drop.meter()
		spared, unread := s.drop.spared(), s.drop.unread()
		done := s.bound()
		err = s.transfer(ctx)
		done()
		s.tally.Saved += s.drop.spared() - spared
		s.waste(s.drop.unread() - unread)
		upNow, downNow := s.drop.meter()
		s.up, s.down = upNow-up, downNow-down
	}
	s.judge(ctx, err)
	s.leaveBudget()
}

// waits says whether a breaker or a back-off still holds. A change of the settings ends it, and so does
// somebody who asks; but a refused login is tried again only for somebody who names the maildrop: a
// timer may ask for all of them. And no breaker needs to hold where the account is locked.
func (s *session) waits(ctx context.Context) bool {
	now := s.p.now()
	refused := s.state.Kind == mail.Auth
	holds := s.state.open(now) && s.state.Kind != mail.Spent // a budget says itself whether it is spent
	switch {
	case s.named && refused:
		s.state.Failures = 0
	case s.named, s.polled && !refused:
	case s.state.Failures > 0 && (holds || refused) && s.drop.settings(ctx) != s.state.Settings:
		if s.state.Failures = 0; !s.drop.Fickle {
			s.state.Refusals, s.refusals = nil, nil // of another password
		}
	case holds:
		s.looked = true
		s.err = &mail.Trouble{
			Op: mail.OpLogin, Kind: s.state.Kind, Server: s.drop.Server, Reply: s.state.Reply,
			Err:  fmt.Errorf("not tried again before %s", budget.When(s.state.Next)),
			Hint: fmt.Sprintf("That was at the last visit; to try at once: mailretr poll %s.", mail.Printable(s.drop.Name, 100)),
		}
	}
	if err := s.locked(now); err != nil && !s.looked {
		s.looked, s.err = true, err
	}
	return s.looked
}

// transfer moves what is to be moved. A panic below it is a trouble of this maildrop alone: the daemon
// collects for others too.
func (s *session) transfer(ctx context.Context) (err error) {
	defer func() {
		x := recover()
		if x == nil {
			return
		}
		s.tally.At = s.reading
		err = &mail.Trouble{
			Op: mail.OpPoll, Kind: mail.Protocol, Server: s.drop.Server,
			Err:  fmt.Errorf("internal error: %v", x),
			Hint: "This is a defect of mailretr; the log has what its authors need to mend it.",
		}
		s.p.observe(mail.Event{Op: mail.OpAlarm, Origin: s.origin(), Alarm: true,
			Err: fmt.Errorf("panic: %v\n%s", x, debug.Stack()), Text: "internal error while collecting"})
		s.abandon()
	}()
	s.sessions = 1
	d := &s.drop
	first := &relay.HeadersFirst{To: d.Queue, Ask: d.Ask, Above: d.Above, Aside: s.leave}
	t := relay.Transfer{
		From: opening{s}, To: gauge{first, s},
		Choose: s.choose, Resolve: d.Resolve, Fault: s.fault, Now: s.p.Now, Messages: d.Batch, Octets: d.BatchSize,
		Known: func(ctx context.Context, all []*mail.Message) (known, release []mail.UID, err error) {
			known, release, err = s.p.Ledger.Known(ctx, d, all)
			return known, release, local(err)
		},
		Confirm: func(ctx context.Context) error { return local(s.p.Ledger.Confirm(ctx)) },
		Gone:    func(ctx context.Context, u []mail.UID) error { return local(s.p.Ledger.Gone(ctx, d, u)) },
	}
	if d.Ask != nil && !s.state.bare(s.p.now()) {
		t.Above = d.Above // with nobody to ask, a header before its body costs a round trip for nothing
	}
	if s.state.bare(s.p.now()) {
		t.Known = nil
	} else if o := d.Oversize; o.Then != ThenLeave && o.Above > 0 {
		s.tells = true
		if t.Above == 0 || o.Above < t.Above {
			t.Above = o.Above
		}
	}
	s.tally, err = t.Run(ctx)
	s.tally.Messages += s.spared.Messages
	s.tally.Octets += s.spared.Octets
	s.tally.Saved += s.spared.Saved
	s.tally.Left += s.held - s.withheld
	return err
}

// abandon closes what a panic has left open.
func (s *session) abandon() {
	if s.open == nil {
		return
	}
	defer func() {
		if x := recover(); x != nil {
			s.p.observe(mail.Event{Op: mail.OpAlarm, Origin: s.origin(), Alarm: true,
				Err: fmt.Errorf("panic: %v", x), Text: "internal error while closing"})
		}
	}()
	if err := s.open.Close(); err != nil {
		s.p.observe(mail.Event{Op: mail.OpQuit, Origin: s.origin(), Err: err})
	}
}

// local makes an error a Trouble of ours, unless it is one already.
func local(err error) error {
	var t *mail.Trouble
	if err == nil || errors.As(err, &t) {
		return err
	}
	return &mail.Trouble{
		Op: mail.OpStore, Kind: mail.Local, Err: err,
		Hint: "Nothing is lost: the mail stays in the maildrop until this is mended here.",
	}
}

// trouble returns the Trouble of an ending, nil for a good one.
func (s *session) trouble(err error) *mail.Trouble {
	s.mu.Lock()
	switch {
	case err == nil:
		err = local(s.local)
	case s.spent != nil:
		err = s.spent // what followed from it is no trouble of its own
	}
	s.mu.Unlock()
	var sick *relay.Sick
	if errors.As(err, &sick) {
		err = local(err)
	}
	return mail.TroubleOf(mail.OpPoll, s.drop.Server, err)
}
