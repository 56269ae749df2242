package pop3

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"mailretr/store/mail"
)

// A past is what is remembered of the contents of a maildrop. Unlike what a server can, it does not grow old.
// Losing it costs octets, and in the cases named below a second copy of a message; never mail.
type past struct {
	End *end `json:"end,omitempty"` // how the last session left it; nil: empty, or unknown
	// Busy: it found mail and left none.
	Busy bool `json:"busy,omitempty"`

	// Void are hashes of unique-ids that are no identity: two messages had them at once, or a message got it
	// after it was known by its content. Messages that have them are known by their content from then on.
	Void []string `json:"void,omitempty"`
	// Odd are messages without a unique-id that stayed upstream: some servers give one later.
	Odd []odd `json:"odd,omitempty"`

	// Asked are messages that were asked for and did not become ours. A server that hides what was retrieved
	// does not list them again.
	Asked    []mail.UID `json:"asked,omitempty"`
	Vanished int        `json:"vanished,omitempty"` // how many of these were not listed again

	// Nameless is the Unix time at which a server that has unique-ids refused them first, since it has given them; 0: it gives them.
	Nameless int64 `json:"nameless,omitempty"`

	Multi int64             `json:"multi,omitempty"` // Unix time at which a question about one message made no sense
	Told  map[string]string `json:"told,omitempty"`  // what the owner was told of the server, by topic
}

// An end is how a session left the maildrop.
type end struct {
	Glance string `json:"glance"` // of that session
	Count  int    `json:"count"`
	Sum    int64  `json:"sum"`
	Last   string `json:"last"` // hash of the unique-id of the last message
}

// An odd is a message that is known by its content.
type odd struct {
	UID  mail.UID `json:"uid"`
	Size int64    `json:"size"`
}

// What is remembered is bounded; what is more costs what remembering it would have saved.
const (
	mostVoid  = 1000
	mostOdd   = 256
	mostAsked = 200
)

// hides says whether messages that were asked for have vanished so often that it is no chance: somebody may
// delete a message at the provider just when the line is cut.
func (p *past) hides() bool { return p.Vanished >= 3 }

// alone says whether the server may be asked about one message alone. After nonsense it is not, for a while.
func (s *session) alone() bool {
	age := s.opts.now().Sub(time.Unix(s.past.Multi, 0))
	return s.past.Multi == 0 || age < 0 || age > believed
}

func brief(uid mail.UID) string {
	h := sha256.Sum256([]byte(uid))
	return hex.EncodeToString(h[:8])
}

// void notes that a unique-id is no identity.
func (p *past) void(uid mail.UID) {
	if h := brief(uid); !slices.Contains(p.Void, h) {
		p.Void = append(p.Void[max(0, len(p.Void)-mostVoid+1):], h)
	}
}

func (p *past) voided(uid mail.UID) bool {
	return len(p.Void) > 0 && slices.Contains(p.Void, brief(uid))
}

func pastKey(o *Options) string { return "pop3/" + string(o.Account) + "/past" }

// recollect loads the past.
func (s *session) recollect() {
	if s.opts.Memory == nil {
		return
	}
	b, ok := s.opts.Memory.Load(pastKey(s.opts))
	if s.was = string(b); !ok || json.Unmarshal(b, &s.past) != nil {
		s.past = past{}
	}
	if e := s.past.End; e != nil && (e.Count < 1 || e.Count > s.opts.maxMessages() || e.Sum < 0) {
		s.past.End = nil
	}
}

// retain saves the past where it has changed.
func (s *session) retain() {
	if s.opts.Memory == nil {
		return
	}
	b, err := json.Marshal(s.past)
	if err != nil || string(b) == "{}" {
		b = nil
	}
	if string(b) != s.was {
		s.was = string(b)
		s.opts.Memory.Save(pastKey(s.opts), b)
	}
}

// leave brings the past up to date at the end of a session; quit says that it ended with +OK to QUIT, so that
// what is in the maildrop now is known.
func (s *session) leave(quit bool) {
	if s.listed {
		s.past.Odd = s.past.Odd[:0]
	}
	for _, x := range s.each() {
		switch {
		case x.gone && quit:
			continue
		case x.uid.Derived() && len(s.past.Odd) < mostOdd:
			s.past.Odd = append(s.past.Odd, odd{x.uid, x.size})
		}
	}
	s.ours()
	if quit {
		s.remains()
	}
	s.retain()
}

// ours brings up to date what was asked for and is not ours.
func (s *session) ours() {
	s.past.Asked = slices.DeleteFunc(s.past.Asked, func(u mail.UID) bool {
		x := s.byUID[u]
		return x != nil && (!x.asked || x.gone)
	})
	for _, x := range s.each() {
		if x.asked && !x.gone {
			s.past.ask(x.uid)
		}
	}
}

// ask notes that a message is asked for.
func (p *past) ask(uid mail.UID) {
	if len(p.Asked) < mostAsked && !slices.Contains(p.Asked, uid) {
		p.Asked = append(p.Asked, uid)
	}
}

// announce notes before anything is asked for what will be, so that it is known even if the process is killed. It
// is a commit, so only where the server may hide what it was asked for.
func (s *session) announce(plan []*item, top bool) {
	if top || !s.wary() {
		return
	}
	for _, x := range plan {
		s.past.ask(x.uid)
	}
	s.retain()
}

// remains notes what is in the maildrop after QUIT. Where that is not known the older note stays: it is
// proved before anything follows from it.
func (s *session) remains() {
	e := &end{Glance: s.glance, Count: s.count, Sum: s.sum}
	defer func() { s.past.Busy = s.count > 0 && s.past.End == nil && len(s.past.Odd) == 0 }()
	for _, x := range s.each() {
		if x.gone {
			e.Count, e.Sum = e.Count-1, e.Sum-x.size
		}
	}
	switch last := s.last(); {
	case e.Count <= 0:
		s.past.End = nil
	case s.sum >= 0 && e.Sum >= 0 && last != "" && !last.Derived():
		e.Last = brief(last)
		s.past.End = e
	}
}

// last is the unique-id of the last message that is not deleted.
func (s *session) last() mail.UID {
	for _, x := range slices.Backward(s.each()) {
		if !x.gone {
			return x.uid
		}
	}
	switch {
	case s.listed:
		return ""
	case s.proven > 0: // all that Since has named is gone
		return s.proof
	}
	if x := s.single[s.count]; x != nil && !s.past.voided(x.uid) {
		return x.uid
	}
	return ""
}

// vanished looks for messages that were asked for in an earlier session, did not become ours, and are not
// listed.
func (s *session) vanished() {
	if !s.complete {
		return
	}
	gone, there := 0, 0
	for _, uid := range s.past.Asked {
		switch {
		case uid.Derived() || s.past.voided(uid):
		case s.byUID[uid] != nil:
			there++
		default:
			gone++
			s.hidden(uid)
		}
	}
	if s.past.Vanished += gone; gone == 0 && there > 0 {
		s.past.Vanished = 0 // it lists them again
	}
	s.past.Asked = nil
}

// disbelieve forgets what the server can, after an error that may come from believing it.
func (s *session) disbelieve(err error) {
	s.opts.remember(nil)
	var odd interface{ Protocol() bool }
	if len(s.single) > 0 && errors.As(err, &odd) && odd.Protocol() {
		s.past.Multi = s.opts.now().Unix()
		s.retain()
	}
}
