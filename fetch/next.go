package fetch

import (
	"encoding/json"
	"time"

	"mailretr/store/mail"
)

// State is what is remembered of a maildrop from one visit to the next, restarts included. The zero
// value is a maildrop that was never visited.
type State struct {
	Account mail.Account `json:"account,omitempty"` // whose contents the rest speaks of
	Met     time.Time    `json:"met,omitzero"`      // it was listed first
	Paused  bool         `json:"paused,omitempty"`
	ByOwner bool         `json:"paused_by_owner,omitempty"` // Paused by who owns it; else by an admin, or who is not known

	Failures int       `json:"failures,omitempty"` // in a row
	Kind     mail.Kind `json:"kind,omitempty"`     // of the last one; without meaning when Failures is 0
	Since    time.Time `json:"since,omitzero"`     // of the first one
	Next     time.Time `json:"next,omitzero"`      // not visited before, unless somebody asks
	Settings string    `json:"settings,omitempty"` // hash at the last failure
	Reply    string    `json:"reply,omitempty"`    // what the server said then

	Refusals []time.Time `json:"refusals,omitempty"` // of logins, in the last 24 hours

	// Apart is how long the server wants to be left alone between two logins; no visit is planned sooner.
	Apart time.Duration `json:"apart,omitempty"`
	// OneLogin: the server minds a second login soon after the first, so large bodies are fetched in
	// the same session.
	OneLogin bool `json:"one_login,omitempty"`
	// Bare is since when it gives no headers before bodies, so that nobody is asked before a body is fetched. After a
	// month it is tried again.
	Bare time.Time `json:"bare_since,omitzero"`
	// Misdirected is when there was mail to be fetched last for a recipient whom the MTA refuses.
	Misdirected time.Time `json:"misdirected,omitzero"`
	// Crowded is when more was left in the maildrop than is noted, see crowd.go.
	Crowded  time.Time            `json:"crowded,omitzero"`
	Suspects map[mail.UID]Suspect `json:"suspects,omitempty"`
	Losses   []Loss               `json:"losses,omitempty"` // by cuts in any body, since the line has carried as much
	Cut      int64                `json:"cut,omitempty"`    // octets of the largest of these bodies

	// Glance is how the server described the maildrop when everything in it was dealt with; "" if it never was,
	// or cannot be described.
	Glance string    `json:"glance,omitempty"`
	Listed time.Time `json:"listed,omitzero"` // the last full listing
	Size   int       `json:"size,omitempty"`  // messages in it
	Lists  string    `json:"lists,omitempty"` // Drop.Lists then
	Look   time.Time `json:"look,omitzero"`   // when what was set aside is looked at again

	// Unlisted is when a session ended because no budget had room for a listing, which would have had so many
	// octets; zero: none did. Unmet is Drop.lists then.
	Unlisted time.Time `json:"unlisted,omitzero"`
	Listing  int64     `json:"listing,omitempty"`
	Unmet    string    `json:"unmet,omitempty"`

	Narrow *Narrow `json:"narrow,omitempty"` // of a watch; nil: it has a connection for each folder
}

// A Suspect is a message at which a session broke. From then on it is asked for alone.
type Suspect struct {
	Strikes int       `json:"strikes"`       // how often it broke a session of its own
	Octets  int64     `json:"octets"`        // how much of it had come the last time
	Next    time.Time `json:"next,omitzero"` // not asked for before

	// Of a body that was cut and cannot be gone on with, see cut.go.
	Cuts   int    `json:"cuts,omitempty"`
	Size   int64  `json:"size,omitempty"`   // as announced
	Wasted int64  `json:"wasted,omitempty"` // by all cuts
	Losses []Loss `json:"losses,omitempty"` // of the last 24 hours
}

// An Ending is how a session ended.
type Ending struct {
	At       time.Time
	Trouble  *mail.Trouble // nil: well
	Progress bool          // something whole came through
	Every    time.Duration // the maildrop's interval
	Settings string        // hash of its settings now
}

// mostWait bounds the back-off; longest bounds what a server may ask for.
const (
	mostWait = time.Hour
	longest  = 12 * time.Hour
	briefest = time.Minute // a server that asks for less gets this, or the interval where that is shorter
)

// breaker is how long a refused login is not tried again: a provider locks an account that is tried
// each five minutes, and nothing but a person will mend it.
var breaker = [...]time.Duration{time.Hour, 6 * time.Hour, 12 * time.Hour}

// Next is the one place that says what a failure in collecting means: what is remembered, and when the
// maildrop is visited again (State.Next, before jitter).
//
//	unreachable, tls     interval × 2 each time, at most 1 h; a cut with progress is no failure
//	protocol             the same: nonsense costs the line too
//	auth                 1 h, 6 h, then every 12 h; and never a fifth in 24 h
//	busy                 as the server asks, or the interval
//	budget               when there is room again; it is asked itself before, at each interval
//	anything else        the interval: it is mended here, and the cheap part of a visit finds out; whether a recipient
//	                     is refused still, without the maildrop being dialled
func Next(s State, e Ending) State {
	t := e.Trouble
	cut := t != nil && t.Kind == mail.Unreachable && e.Progress
	if t == nil || cut {
		s.Failures, s.Kind, s.Since = 0, 0, time.Time{}
		s.Settings, s.Reply, s.Refusals = "", "", nil
		s.Next = e.At.Add(e.Every)
		return s
	}
	if s.Failures == 0 {
		s.Since = e.At
	}
	if s.Failures > 0 && s.Kind != t.Kind {
		s.Failures = 0 // each kind has steps of its own
	}
	s.Failures++
	s.Kind, s.Settings, s.Reply = t.Kind, e.Settings, mail.Printable(t.Reply, 512)
	s.Next = e.At.Add(wait(t, s.Failures, e.Every))
	s.Refusals = recent(s.Refusals, e.At)
	if wasRefused(t) {
		s.Refusals = append(s.Refusals, e.At)
		if until := lockedUntil(s.Refusals); s.Next.Before(until) {
			s.Next = until
		}
	}
	return s
}

// wait says how long to wait after this many failures of one kind in a row.
func wait(t *mail.Trouble, failures int, every time.Duration) time.Duration {
	switch t.Kind {
	case mail.Unreachable, mail.Insecure, mail.Protocol:
		d := every
		for i := 0; i < failures && d < mostWait; i++ {
			d *= 2
		}
		return max(min(d, mostWait), every)
	case mail.Auth:
		return max(breaker[min(failures, len(breaker))-1], every)
	case mail.Spent:
		if t.After > 0 {
			return max(t.After, briefest)
		}
	case mail.Busy:
		if t.After > 0 {
			return min(max(t.After, min(briefest, every)), longest)
		}
	}
	return every
}

// plausible returns the state as it may be believed after a restart: no wait is longer than the longest, so
// what says so was written under a clock that was wrong.
func (s State) plausible(now time.Time, every time.Duration) State {
	most := max(longest, every)
	if len(s.Refusals) >= mostRefusals {
		most = max(most, dayOfRefusal)
	}
	if s.Next.Sub(now) > most {
		s.Next = time.Time{}
	}
	for uid, x := range s.Suspects {
		if x.Next.Sub(now) > lastRetry+dayOfLoss {
			x.Next = now
			s.Suspects[uid] = x
		}
	}
	return s
}

// pausedText is the text of the event of a pause.
func (s *State) pausedText() string {
	if s.ByOwner {
		return PausedByOwner
	}
	return Paused
}

// oneLogin says whether a visit is to have one session.
func (s *State) oneLogin() bool { return s.OneLogin || s.Apart > 0 }

// bare says whether headers cannot be had before bodies.
func (s *State) bare(now time.Time) bool {
	age := now.Sub(s.Bare)
	return !s.Bare.IsZero() && age >= 0 && age < 30*24*time.Hour
}

// open says whether the breaker, or the back-off, still holds.
func (s *State) open(now time.Time) bool { return s.Failures > 0 && now.Before(s.Next) }

// encode returns the state as it is saved. While all is well, when the next visit is due is not worth a
// commit.
func (s State) encode() ([]byte, error) {
	if s.Failures == 0 {
		s.Next = time.Time{}
	}
	return json.Marshal(s)
}

func decode(b []byte) (s State, err error) {
	if len(b) == 0 {
		return s, nil
	}
	err = json.Unmarshal(b, &s)
	return s, err
}
