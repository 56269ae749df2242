package fetch

import (
	"errors"
	"time"

	"mailretr/store/mail"
)

// The ledger notes only so many messages of an account as left. What is beyond that is looked at again by each session, and
// what that costs is the header of a message about which the MTA is asked before its body comes. So while there are too many,
// such messages are asked about once a day, unless somebody names the maildrop; small mail flows.

// topicCrowd is the topic of the remark that says so.
const topicCrowd = "left"

// isCrowded says whether the ledger had no room for one more note.
func isCrowded(err error) bool {
	var x interface{ Crowded() bool }
	return errors.As(err, &x) && x.Crowded()
}

// crowded notes that a message is left upstream without a note.
func (s *session) crowded() {
	if s.crowd {
		return
	}
	s.crowd = true
	if s.state.Crowded.IsZero() {
		text := "so many messages are left in this maildrop for a reason that no more are noted"
		if s.drop.Above > 0 {
			text += "; until there are fewer, mail from " + mail.Octets(s.drop.Above) + " on is looked at once a day"
		}
		s.remark(text)
	}
	s.state.Crowded = s.p.now()
	s.look = earlier(s.look, s.state.Crowded.Add(daily))
}

func (s *session) remark(text string) {
	s.p.observe(mail.Event{Op: mail.OpRemark, Topic: topicCrowd, Origin: s.origin(), Text: text})
}

// uncrowded ends what crowded began, after a session that was to look at all and left nothing without a note.
func (s *session) uncrowded(now time.Time) {
	if !s.crowd && !s.state.Crowded.IsZero() && !s.crowdHolds(now) && !s.same {
		s.state.Crowded = time.Time{}
		s.remark("")
	}
}

// crowdHolds says whether large mail waits because no more of it is noted.
func (s *session) crowdHolds(now time.Time) bool {
	age := now.Sub(s.state.Crowded)
	return !s.named && !s.state.Crowded.IsZero() && age >= 0 && age < daily
}

// waitsOfCrowd says whether a message is not asked about now. One whose header is here costs nothing to ask about.
func (s *session) waitsOfCrowd(m *mail.Message) bool {
	asked := s.drop.Ask != nil && s.drop.Above > 0 && m.Content.Size() >= s.drop.Above
	_, here := s.headers[m.Origin.UID]
	if !asked || here || s.wanted[m.Origin.UID] || !s.crowdHolds(s.p.now()) {
		return false
	}
	s.look = earlier(s.look, s.state.Crowded.Add(daily))
	s.asides++ // the maildrop is not done with
	return true
}
