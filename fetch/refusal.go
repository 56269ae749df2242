package fetch

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"mailretr/fetch/budget"
	"mailretr/store/mail"
)

// A provider counts the logins that it refuses, by account and not by maildrop, and not by what we make of them. So they
// are counted here too: whatever the steps of the breaker and the changes of a secret say, an account has no more of
// them than this in any 24 hours, unless a person wants it, or it has more maildrops than this whose logins were taken
// until the password was changed.
const (
	mostRefusals = 4
	dayOfRefusal = 24 * time.Hour
)

// wasRefused says whether a login was refused: by its kind, or by a method Refused() bool in its chain where it is
// taken for something that will pass (an access token that was too old).
func wasRefused(t *mail.Trouble) bool {
	if t == nil {
		return false
	}
	var r interface{ Refused() bool }
	return t.Kind == mail.Auth || errors.As(t.Err, &r) && r.Refused()
}

// recent returns those of the last 24 hours. What is later than now was before the clock was set back.
func recent(refusals []time.Time, now time.Time) (some []time.Time) {
	for _, at := range refusals {
		if now.Sub(at).Abs() < dayOfRefusal {
			some = append(some, at)
		}
	}
	return some
}

// lockedUntil says when one more login may be refused; the zero time: now.
func lockedUntil(refusals []time.Time) time.Time {
	n := len(refusals)
	if n < mostRefusals {
		return time.Time{}
	}
	slices.SortFunc(refusals, time.Time.Compare)
	return refusals[n-mostRefusals].Add(dayOfRefusal)
}

// trusted says that the last login was not refused: what others make wrong with another password does not stop it.
func (e *entry) trusted() bool { return e.taken && len(e.state.Refusals) == 0 }

// refusals are those that count against the next login, and under is how many logins that may be refused are on their
// way. p.mu is held.
func (p *Poller) refusals(e *entry, now time.Time) (all []time.Time, under int) {
	if e.trusted() {
		return nil, 0
	}
	for _, x := range p.drops {
		if x != e && (x.drop.Account != e.drop.Account || e.drop.Account == "") {
			continue
		}
		all = append(all, recent(x.state.Refusals, now)...)
		if x != e && x.session != nil && !x.trusted() {
			under++
		}
	}
	return all, under
}

// crowded says whether the logins of an account that are on their way may be the last ones that it has. p.mu is held.
func (p *Poller) crowded(e *entry) bool {
	all, under := p.refusals(e, p.now())
	return under > 0 && len(all)+under >= mostRefusals
}

// locked says why no login is tried now, however many maildrops the account has.
func (s *session) locked(now time.Time) error {
	until := lockedUntil(s.refusals)
	if s.named || !now.Before(until) {
		return nil
	}
	return &mail.Trouble{
		Op: mail.OpLogin, Kind: mail.Auth, Server: s.drop.Server, Reply: s.state.Reply,
		Err: fmt.Errorf("%d logins of this account were refused in 24 hours; none is tried before %s", mostRefusals,
			until.Format(time.RFC3339)),
		Hint: fmt.Sprintf("It is tried again %s, but at once by mailretr poll %s.", budget.When(until),
			mail.Printable(s.drop.Name, 100)),
	}
}
