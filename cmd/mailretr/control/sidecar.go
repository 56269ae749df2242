package control

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"mailretr/store"
	"mailretr/store/mail"
)

// A Sidecar is all that is known of a message, beside its octets: what an export writes and an import reads. Nothing is
// lost on the way. Names mean what they mean in [Message].
type Sidecar struct {
	Version int       `json:"version"` // of this form; see sidecarVersion
	ID      string    `json:"queue_id"`
	Queued  time.Time `json:"queued"`
	Due     time.Time `json:"due,omitzero"`
	Last    time.Time `json:"last_attempt,omitzero"`
	Size    int64     `json:"message_size"`
	SHA256  string    `json:"sha256"`
	Sender  octetText `json:"sender"`
	EnvID   octetText `json:"envid,omitempty"`
	Ret     octetText `json:"ret,omitempty"`
	Lane    octetText `json:"lane,omitempty"` // where it was to go; an import finds that anew

	Hold     string        `json:"hold,omitempty"`
	Why      octetText     `json:"reason,omitempty"`
	Attempts int           `json:"attempts"`
	Tries    int           `json:"tries,omitempty"`
	Sick     time.Duration `json:"waited_for_lane,omitempty"` // in nanoseconds

	Origin    *SidecarOrigin `json:"origin,omitempty"`
	Line      int64          `json:"line_octets,omitempty"`
	Announced int64          `json:"announced_size,omitempty"`

	Parent       string         `json:"parent,omitempty"`
	ParentOrigin *SidecarOrigin `json:"parent_origin,omitempty"`
	Whole        bool           `json:"whole,omitempty"` // a report that has a message whole

	Recipients []SidecarRecipient `json:"recipients"`
}

// A SidecarOrigin says where a message was collected.
type SidecarOrigin struct {
	Maildrop octetText   `json:"maildrop"`
	Account  octetText   `json:"account"`
	UID      octetText   `json:"uid"`
	Date     time.Time   `json:"date,omitzero"`
	Flags    []octetText `json:"flags,omitempty"`
}

// A SidecarRecipient is one recipient, with what was said last.
type SidecarRecipient struct {
	Address  octetText   `json:"address"`
	Original octetText   `json:"orcpt,omitempty"`
	Notify   octetText   `json:"notify,omitempty"`
	Failed   bool        `json:"failed,omitempty"` // only a report is owed
	Since    time.Time   `json:"since,omitzero"`
	Times    int         `json:"times,omitempty"`
	At       time.Time   `json:"at,omitzero"`
	Status   octetText   `json:"dsn,omitempty"`
	Reply    octetText   `json:"reply,omitempty"`
	Relay    octetText   `json:"relay,omitempty"`
	Cause    octetText   `json:"cause,omitempty"`
	Expired  bool        `json:"expired,omitempty"`
	GivenUp  bool        `json:"given_up,omitempty"`
	Beside   []octetText `json:"beside,omitempty"` // other destinations, which have messages of their own
	Copy     bool        `json:"copy,omitempty"`
	Warned   bool        `json:"warned,omitempty"` // the sender was told that it takes long
}

// sidecarVersion is the newest form that is understood, and the one that is written.
const sidecarVersion = 1

// An octetText is text from a stranger: in JSON a string, or, where it is no UTF-8, an object {"base64":…}, for nothing
// may be lost.
type octetText string

type base64Text struct {
	Octets []byte `json:"base64"`
}

// MarshalJSON writes it.
func (t octetText) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(base64Text{[]byte(t)})
}

// UnmarshalJSON reads it.
func (t *octetText) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*t = octetText(s)
		return nil
	}
	var o base64Text
	if err := json.Unmarshal(b, &o); err != nil {
		return errors.New("neither a text nor base64")
	}
	*t = octetText(o.Octets)
	return nil
}

func texts[T, F ~string](list []F) (all []T) {
	for _, x := range list {
		all = append(all, T(x))
	}
	return all
}

// sidecarOf writes down a record.
func sidecarOf(r *store.Record) Sidecar {
	s := Sidecar{
		Version: sidecarVersion, ID: r.ID.String(), Queued: r.Queued, Due: r.Due, Last: r.Last, Size: r.Size,
		SHA256: hex.EncodeToString(r.SHA256[:]), Sender: octetText(r.Reverse), EnvID: octetText(r.EnvID), Ret: octetText(r.Ret),
		Lane: octetText(r.Lane), Hold: holds[r.Hold], Why: octetText(r.HoldWhy), Attempts: r.Attempts, Tries: r.Tries,
		Sick: r.Sick, Origin: originOf(r.Origin), Line: r.Line, Announced: r.Announced, ParentOrigin: originOf(r.ParentOrigin),
		Whole: r.Whole,
	}
	if !r.Parent.Zero() {
		s.Parent = r.Parent.String()
	}
	for i := range r.Recipients {
		x := &r.Recipients[i]
		s.Recipients = append(s.Recipients, SidecarRecipient{
			Address: octetText(x.Forward), Original: octetText(x.Original), Notify: octetText(x.Notify),
			Failed: x.State == store.Owed, Since: x.Since, Times: x.Times, At: x.Last.At,
			Status: octetText(x.Last.Enhanced), Reply: octetText(x.Last.Reply), Relay: octetText(x.Last.RemoteMTA),
			Cause: octetText(x.Last.Err), Expired: x.Last.Expired, GivenUp: x.Last.GivenUp,
			Beside: texts[octetText](x.Beside), Copy: x.Copy, Warned: x.Warned,
		})
	}
	return s
}

func originOf(o mail.Origin) *SidecarOrigin {
	if o.Maildrop == "" && o.Account == "" && o.UID == "" {
		return nil
	}
	return &SidecarOrigin{Maildrop: octetText(o.Maildrop), Account: octetText(o.Account), UID: octetText(o.UID), Date: o.Date,
		Flags: texts[octetText](o.Flags)}
}

func (o *SidecarOrigin) origin() mail.Origin {
	if o == nil {
		return mail.Origin{}
	}
	return mail.Origin{Maildrop: string(o.Maildrop), Account: mail.Account(o.Account), UID: mail.UID(o.UID), Date: o.Date,
		Flags: texts[string](o.Flags)}
}

// record is what was written down.
func (s *Sidecar) record() (r store.Record, err error) {
	if s.Version != sidecarVersion {
		return r, usage(fmt.Sprintf("it was exported by another version (form %d, this one knows %d)", s.Version, sidecarVersion),
			"import it with that version, or a newer one")
	}
	if r.ID, err = mail.ParseID(s.ID); err != nil {
		return r, usage("queue_id: "+err.Error(), "")
	}
	sum, err := hex.DecodeString(s.SHA256)
	if err != nil || len(sum) != len(r.SHA256) {
		return r, usage("sha256 has to be 64 hexadecimal digits", "")
	}
	if s.Parent != "" {
		if r.Parent, err = mail.ParseID(s.Parent); err != nil {
			return r, usage("parent: "+err.Error(), "")
		}
	}
	copy(r.SHA256[:], sum)
	r.Queued, r.Due, r.Last, r.Size, r.Lane = s.Queued, s.Due, s.Last, s.Size, mail.Lane(s.Lane)
	r.Reverse, r.EnvID, r.Ret = mail.Path(s.Sender), string(s.EnvID), string(s.Ret)
	r.Hold, r.HoldWhy = holdOf(s.Hold), string(s.Why)
	r.Attempts, r.Tries, r.Sick = max(s.Attempts, 0), max(s.Tries, 0), max(s.Sick, 0)
	r.Origin, r.ParentOrigin = s.Origin.origin(), s.ParentOrigin.origin()
	r.Line, r.Announced, r.Whole = s.Line, s.Announced, s.Whole
	for i := range s.Recipients {
		r.Recipients = append(r.Recipients, s.Recipients[i].recipient())
	}
	return r, nil
}

func (x *SidecarRecipient) recipient() (y store.Recipient) {
	y.Forward, y.Original, y.Notify = mail.Path(x.Address), string(x.Original), string(x.Notify)
	y.Since, y.Times = x.Since, max(x.Times, 0)
	y.Beside, y.Copy, y.Warned = texts[mail.Lane](x.Beside), x.Copy, x.Warned
	y.Last = store.Said{At: x.At, Enhanced: string(x.Status), Reply: string(x.Reply), RemoteMTA: string(x.Relay),
		Err: string(x.Cause), Expired: x.Expired, GivenUp: x.GivenUp}
	if x.Failed {
		y.State = store.Owed
	}
	return y
}

// holdOf is the kind of hold by its word. One that a newer version knows is one all the same.
func holdOf(word string) store.Hold {
	for h, w := range holds {
		if w == word {
			return h
		}
	}
	if word != "" {
		return store.HoldAdmin
	}
	return store.NotHeld
}
