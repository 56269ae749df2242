package control

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"os"
	"time"

	"mailretr/conf/source"
	"mailretr/fetch/budget"
	"mailretr/relay/smtpd"
	"mailretr/store/status"
)

// A Status is a line of the answer to a status request: first the Overview, then each listener, source, mirror and lane, and each
// maildrop, these both worst first. One of its fields is set.
type Status struct {
	Overview *Overview
	Front    *Front
	Source   *source.State
	Mirror   *Mirror
	Lane     *status.Lane
	Maildrop *status.Status
}

// An Overview is how the whole is.
type Overview struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started,omitzero"` // zero: no daemon runs
	Config  string    `json:"config,omitempty"` // the file

	Messages int       `json:"messages"` // in the queue
	Held     int       `json:"held"`
	Octets   int64     `json:"octets"`
	Oldest   time.Time `json:"oldest,omitzero"`
	Free     int64     `json:"free_octets"` // of the disk
	Reserve  int64     `json:"reserve_octets"`

	Maildrops int      `json:"maildrops"`
	Unwell    int      `json:"unwell"`             // maildrops that need somebody
	LeftOut   []string `json:"left_out,omitempty"` // maildrops left out for mistakes in their entries

	Refused *Refusal `json:"refused,omitempty"` // the configuration that was read last, where an older one goes on

	Line *budget.Sheet `json:"line,omitempty"` // how the budget of the line stands, where there is one
}

// A Refusal is when and why a configuration was not taken.
type Refusal struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// A Front is a listener where clients bring mail, and what came there since the daemon began, or the listener did.
type Front struct {
	Listener string `json:"listener"` // its address
	Protocol string `json:"protocol"` // smtp or lmtp
	smtpd.Stats
}

// The values of message_type, the key by which lines are told apart.
const (
	typeOverview = "overview"
	typeFront    = "listener"
	typeLane     = "lane"
	typeMaildrop = "maildrop"
	typeSource   = "source"
	typeMirror   = "mirror"
)

// On the wire a line is the object itself with its type beside its other keys.
type (
	overviewLine struct {
		Type string `json:"message_type"`
		*Overview
	}
	frontLine struct {
		Type string `json:"message_type"`
		*Front
	}
	laneLine struct {
		Type string `json:"message_type"`
		*status.Lane
	}
	sourceLine struct {
		Type string `json:"message_type"`
		*source.State
	}
	mirrorLine struct {
		Type string `json:"message_type"`
		*Mirror
	}
	maildropLine struct {
		Type string `json:"message_type"`
		*status.Status
	}
)

// MarshalJSON writes the object with its type.
func (s Status) MarshalJSON() ([]byte, error) {
	switch {
	case s.Overview != nil:
		return json.Marshal(overviewLine{typeOverview, s.Overview})
	case s.Front != nil:
		return json.Marshal(frontLine{typeFront, s.Front})
	case s.Source != nil:
		return json.Marshal(sourceLine{typeSource, s.Source})
	case s.Mirror != nil:
		return json.Marshal(mirrorLine{typeMirror, s.Mirror})
	case s.Lane != nil:
		return json.Marshal(laneLine{typeLane, s.Lane})
	}
	return json.Marshal(maildropLine{typeMaildrop, s.Maildrop})
}

// UnmarshalJSON reads the object by its type; one of a later version leaves all fields empty.
func (s *Status) UnmarshalJSON(b []byte) error {
	var t struct {
		Type string `json:"message_type"`
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return err
	}
	switch t.Type {
	case typeOverview:
		s.Overview = &Overview{}
		return json.Unmarshal(b, s.Overview)
	case typeFront:
		s.Front = &Front{}
		return json.Unmarshal(b, s.Front)
	case typeSource:
		s.Source = &source.State{}
		return json.Unmarshal(b, s.Source)
	case typeMirror:
		s.Mirror = &Mirror{}
		return json.Unmarshal(b, s.Mirror)
	case typeLane:
		s.Lane = &status.Lane{}
		return json.Unmarshal(b, s.Lane)
	case typeMaildrop:
		s.Maildrop = &status.Status{}
		return json.Unmarshal(b, s.Maildrop)
	}
	return nil
}

func statusOf(h *House, out *stream, r *http.Request) error {
	var lanes []status.Lane
	var drops []status.Status
	if h.Status != nil {
		lanes, drops = h.Status.Lanes(), h.Status.List()
	}
	o, err := h.overview(r.Context(), drops)
	if err != nil {
		return err
	}
	if err := out.item(Status{Overview: o}, false); err != nil {
		return err
	}
	if h.Fronts != nil {
		for _, f := range h.Fronts() {
			if err := out.item(Status{Front: &f}, false); err != nil {
				return err
			}
		}
	}
	if h.Sources != nil {
		for _, s := range h.Sources() {
			if err := out.item(Status{Source: &s}, false); err != nil {
				return err
			}
		}
	}
	if h.Mirrors != nil {
		for _, m := range h.Mirrors() {
			if err := out.item(Status{Mirror: &m}, false); err != nil {
				return err
			}
		}
	}
	for i := range lanes {
		if err := out.item(Status{Lane: &lanes[i]}, false); err != nil {
			return err
		}
	}
	for i := range drops {
		if err := out.item(Status{Maildrop: &drops[i]}, false); err != nil {
			return err
		}
	}
	return nil
}

func (h *House) overview(ctx context.Context, drops []status.Status) (*Overview, error) {
	t, err := h.Engine.Totals(ctx)
	if err != nil {
		return nil, err
	}
	c := h.Config()
	o := &Overview{
		Version: h.Version, PID: os.Getpid(), Started: h.Started, Config: c.At.Self.File,
		Messages: t.Messages, Held: t.Held, Octets: t.Octets, Oldest: t.Oldest, Free: t.Free, Reserve: t.Reserve,
		Maildrops: len(drops), Line: h.LineSheet(),
	}
	for i := range drops {
		if !drops[i].State.Well() {
			o.Unwell++
		}
	}
	if h.Refused != nil {
		o.Refused = h.Refused()
	}
	for _, b := range c.Bad {
		o.LeftOut = append(o.LeftOut, b.Name)
	}
	return o, nil
}

// Status yields how everything is: the Overview first.
func (c *Client) Status(ctx context.Context) iter.Seq2[Status, error] {
	return many[Status](ctx, c, "/v1/status", nil)
}
