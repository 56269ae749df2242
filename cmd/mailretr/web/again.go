package web

import (
	"context"
	"errors"
	"sync"
	"time"

	"mailretr/cmd/mailretr/signin"
	"mailretr/store/mail"
)

const (
	// askAgain is how long a session goes on before it is asked again whether who has signed in would still come in, the next
	// time that it is used: nobody waits for the answer.
	askAgain = 5 * time.Minute
	// asking bounds how many are asked about at once.
	asking = 4
)

// asks are the questions that are under way. The zero value is ready; safe for concurrent use.
type asks struct {
	mu   sync.Mutex
	busy int
	work sync.WaitGroup
}

// begin begins one; false: there are too many, and the next use of the session asks.
func (a *asks) begin(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy >= asking {
		return false
	}
	a.busy++
	a.work.Go(func() {
		defer func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.busy--
		}()
		f()
	})
	return true
}

func (a *asks) wait() { a.work.Wait() }

// askAgain asks whether who has this session would still come in, where that was not asked for long. A place that is away, or
// knows nobody without a password, ends nothing.
func (v *visit) askAgain() {
	secret := v.secret()
	who, due := v.sessions.due(secret, v.at)
	r, can := v.checker().(signin.Rechecker)
	if !due || !can {
		return
	}
	life, s := v.life, v.Server
	begun := v.asks.begin(func() {
		ctx, cancel := context.WithTimeout(life, checking)
		defer cancel()
		now, err := r.Recheck(ctx, who)
		switch {
		case err == nil:
			s.sessions.change(secret, now)
		case errors.Is(err, signin.ErrRefused):
			s.sessions.end(secret)
			s.log("signed out: no longer known, or with another password", "user", mail.Printable(who.Name, 200))
		case !errors.Is(err, signin.ErrUnasked):
			s.log("sign-in: nobody can say whether somebody is still known", "user", mail.Printable(who.Name, 200),
				"err", mail.Printable(err.Error(), 500))
		}
	})
	if !begun {
		v.sessions.undue(secret)
	}
}

// due says of whom it is to be asked again whether he would come in; it says so once.
func (s *sessions) due(secret string, now time.Time) (who signin.Who, yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[keyOf(secret)]
	if x == nil || now.Sub(x.asked) < askAgain {
		return who, false
	}
	x.before, x.asked = x.asked, now
	return x.who, true
}

// undue says that nobody was asked after all.
func (s *sessions) undue(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.all[keyOf(secret)]; x != nil {
		x.asked = x.before
	}
}

// change says who somebody is by now.
func (s *sessions) change(secret string, who signin.Who) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.all[keyOf(secret)]; x != nil {
		x.who = who
	}
}
