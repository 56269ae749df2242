package status

import (
	"slices"
	"time"

	"mailretr/store/mail"
)

// A Recent is a message of the maildrop that something became of lately.
type Recent struct {
	ID      string    `json:"id,omitempty"`   // in the queue
	UID     string    `json:"uid,omitempty"`  // in the maildrop
	From    string    `json:"from,omitempty"` // reverse-path; "": the null one
	Octets  int64     `json:"octets"`
	At      time.Time `json:"at"`             // when Outcome was so
	Outcome string    `json:"outcome"`        // one of the outcomes below
	Said    string    `json:"said,omitempty"` // the words of the next hop, or why it is held
	Attempt int       `json:"attempt,omitempty"`
}

// What became of a message, for all its recipients: the worst one counts. The words are in JSON: they are never renamed.
const (
	Queued    = "queued"    // durable here
	Delivered = "delivered" // the next hop has it
	Deferred  = "deferred"  // tried again
	Failed    = "failed"    // refused, for good
	Expired   = "expired"   // given up for age
	Refused   = "refused"   // by its header; it was never fetched
	Held      = "held"      // somebody has to decide
	Discarded = "discarded" // as configured
	Removed   = "removed"   // by somebody
)

// byHand is what the texts of store's events of kind OpVerb make of a message.
var byHand = map[string]string{"held": Held, "released": Queued, "to be retried": Queued, "removed": Removed}

// mostRecent bounds the messages that are remembered; fewer octets of text than elsewhere, for there are many.
const (
	mostRecent = 10
	mostSaid   = 200
)

// grave orders outcomes of one attempt by how much somebody wants to know of them.
var grave = []string{Queued, Delivered, Deferred, Discarded, Held, Refused, Failed, Expired, Removed}

// recently takes in what became of a message.
func (s Status) recently(e mail.Event) Status {
	r, ok := became(e)
	if !ok {
		return s
	}
	i := slices.IndexFunc(s.Recent, func(x Recent) bool { return x.ID == r.ID && (r.ID != "" || x.UID == r.UID) })
	if i < 0 {
		keep := s.Recent[max(0, len(s.Recent)-mostRecent+1):]
		s.Recent = append(slices.Clone(keep), r)
		return s
	}
	old := s.Recent[i]
	if old.worse(r) {
		return s
	}
	if r.From == "" {
		r.From = old.From
	}
	if r.UID == "" {
		r.UID = old.UID
	}
	if r.Octets == 0 {
		r.Octets = old.Octets
	}
	r.Attempt = max(r.Attempt, old.Attempt)
	s.Recent = slices.Clone(s.Recent)
	s.Recent[i] = r
	return s
}

// worse says whether what is known stays: a recipient that failed is not made good by another one, and of one attempt
// the worst counts.
func (x Recent) worse(r Recent) bool {
	lost := x.Outcome == Failed || x.Outcome == Expired
	sameTry := r.Attempt > 0 && x.Attempt == r.Attempt
	return (lost || sameTry) && slices.Index(grave, x.Outcome) > slices.Index(grave, r.Outcome)
}

// became says what an event makes of a message; not ok: nothing.
func became(e mail.Event) (r Recent, ok bool) {
	r = Recent{UID: mail.Printable(string(e.Origin.UID), mostSaid), Octets: e.Octets, At: e.At, Attempt: e.Attempt,
		From: mail.Printable(string(e.From), mostSaid), Said: mail.Printable(e.Reply, mostSaid)}
	if !e.ID.Zero() {
		r.ID = e.ID.String()
	}
	switch e.Op {
	case mail.OpQueue:
		r.Outcome, ok = Queued, e.Err == nil
	case mail.OpDeliver:
		outcomes := map[mail.Outcome]string{mail.Delivered: Delivered, mail.Deferred: Deferred, mail.Failed: Failed}
		r.Outcome, ok = outcomes[e.Outcome], true
		if r.Said == "" && e.Err != nil {
			r.Said = mail.Printable(e.Err.Error(), mostSaid)
		}
	case mail.OpExpire:
		r.Outcome, r.Said, ok = Expired, mail.Printable(e.Text, mostSaid), true
	case mail.OpRefuse:
		r.Outcome, ok = Refused, true
	case mail.OpHold:
		r.Outcome, r.Said, ok = Held, mail.Printable(e.Text, mostSaid), e.Text != "released"
		if !ok {
			r.Outcome, r.Said, ok = Queued, "", true
		}
	case mail.OpVerb:
		r.Outcome, ok = byHand[e.Text]
	case mail.OpDiscard:
		r.Outcome, ok = Discarded, true
	}
	return r, ok && (r.ID != "" || r.UID != "")
}
