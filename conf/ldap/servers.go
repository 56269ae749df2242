package ldap

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// servers remembers which of the servers of a directory could not be used. Safe for concurrent use.
type servers struct {
	now func() time.Time // nil: time.Now

	mu    sync.Mutex
	away  map[string]time.Time // until when each is asked after all others
	using string               // the one that was reached last
	why   string               // what is wrong with those before it; "": nothing
}

const (
	// awayTime is how long one that could not be used is asked last: who waits for an answer shall not wait for it first.
	awayTime = 5 * time.Minute
	// patience bounds one attempt where nothing else does.
	patience = 10 * time.Second
)

// reach connects to the first one that can be used, and logs in. Where there are several, the time that is left is shared out.
// No text of the error has the secret.
func (s *servers) reach(ctx context.Context, l *conf.LDAP, dial Dial, secret string, b bounds) (*conn, error) {
	list := s.order(l.URLs())
	var texts []string
	for i, server := range list {
		limited, cancel := share(ctx, len(list)-1-i)
		c, err := connect(limited, l, dial, server, secret, b)
		cancel()
		switch {
		case err == nil:
			s.reached(server, texts)
			return c, nil
		case len(list) == 1:
			return nil, told(err, secret)
		}
		texts = append(texts, server+": "+told(err, secret).Error())
		if ctx.Err() != nil || !elsewhere(err) || i == len(list)-1 {
			return nil, &failure{printable(strings.Join(texts, "; ")), err}
		}
		s.failed(server)
	}
	return nil, errors.New("there is no server") // a list has one at least
}

// share is a part of the time that is left, so that others have some too, and the question.
func share(ctx context.Context, others int) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	switch {
	case others == 0:
		return context.WithCancel(ctx)
	case !limited:
		return context.WithTimeout(ctx, patience)
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(others+2))
}

// elsewhere says whether another server may do better: it was not reached, or is not ready. A login that is refused is refused
// by all, and counted by some.
func elsewhere(err error) bool {
	var e *ldap.Error
	return !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork || ldap.IsErrorAnyOf(err, ldap.LDAPResultBusy,
		ldap.LDAPResultUnavailable, ldap.LDAPResultOperationsError, ldap.LDAPResultProtocolError, ldap.LDAPResultOther)
}

func (s *servers) clock() time.Time {
	if s.now == nil {
		return time.Now()
	}
	return s.now()
}

// order is the list, those that were away a moment ago last.
func (s *servers) order(list []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	var well, away []string
	for _, server := range list {
		if until := s.away[server]; now.Before(until) && until.Sub(now) <= awayTime { // else the clock was set
			away = append(away, server)
		} else {
			well = append(well, server)
		}
	}
	return append(well, away...)
}

func (s *servers) failed(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away == nil {
		s.away = map[string]time.Time{}
	}
	s.away[server] = s.clock().Add(awayTime)
}

// reached notes which one is used, and what was wrong with others on the way to it.
func (s *servers) reached(server string, wrong []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.away, server)
	if len(wrong) > 0 {
		s.why = printable(strings.Join(wrong, "; "))
	}
	s.using = server
}

// state says which of several is used, and what is wrong with the ones before it.
func (s *servers) state(list []string) (server, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(list) < 2 || s.using == list[0] {
		return s.using, ""
	}
	return s.using, s.why
}
