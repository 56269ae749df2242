package control

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"

	"mailretr/fetch/budget"
)

// A Traffic is a line of the answer to a traffic request: first the Line, then each maildrop by name,
// then the days that were asked for. One of its fields is set.
type Traffic struct {
	Line     *LineTraffic
	Maildrop *budget.Sheet
	Day      *DayTraffic
}

// A LineTraffic is how the budget of the line stands.
type LineTraffic struct {
	budget.Sheet
	// OffPeak says that it is one of the off-peak hours; NextOffPeak when the next ones begin, or did. Zero:
	// there are none.
	OffPeak     bool      `json:"off_peak"`
	NextOffPeak time.Time `json:"next_off_peak,omitzero"`
}

// A DayTraffic is one day of a maildrop, or of the line.
type DayTraffic struct {
	Maildrop string `json:"maildrop,omitempty"` // "": the line
	budget.Dated
}

const (
	typeLine = "line"
	typeDay  = "day"
)

type (
	lineTrafficLine struct {
		Type string `json:"message_type"`
		*LineTraffic
	}
	sheetLine struct {
		Type string `json:"message_type"`
		*budget.Sheet
	}
	dayLine struct {
		Type string `json:"message_type"`
		*DayTraffic
	}
)

// MarshalJSON writes the object with its type.
func (t Traffic) MarshalJSON() ([]byte, error) {
	switch {
	case t.Line != nil:
		return json.Marshal(lineTrafficLine{typeLine, t.Line})
	case t.Day != nil:
		return json.Marshal(dayLine{typeDay, t.Day})
	}
	return json.Marshal(sheetLine{typeMaildrop, t.Maildrop})
}

// UnmarshalJSON reads the object by its type; one of a later version leaves all fields empty.
func (t *Traffic) UnmarshalJSON(b []byte) error {
	var x struct {
		Type string `json:"message_type"`
	}
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	switch x.Type {
	case typeLine:
		t.Line = &LineTraffic{}
		return json.Unmarshal(b, t.Line)
	case typeDay:
		t.Day = &DayTraffic{}
		return json.Unmarshal(b, t.Day)
	case typeMaildrop:
		t.Maildrop = &budget.Sheet{}
		return json.Unmarshal(b, t.Maildrop)
	}
	return nil
}

// traffic answers with the sheets; with days=1 also with each day that is kept, of the line or of
// maildrop=NAME.
func traffic(h *House, out *stream, r *http.Request) error {
	if h.Budget == nil {
		return newError(Unavailable, "nothing is counted here", "")
	}
	configured := map[string]bool{}
	c := h.Config()
	for i := range c.Maildrops {
		configured[c.Maildrops[i].Name] = true
	}
	for _, s := range h.Budget.Sheets() {
		item := Traffic{Maildrop: &s}
		switch {
		case s.Maildrop == "":
			line := &LineTraffic{Sheet: s}
			line.OffPeak, line.NextOffPeak = h.Budget.OffPeak()
			item = Traffic{Line: line}
		case !configured[s.Maildrop] && s.Month == (budget.Counts{}):
			continue // it left the configuration in another month
		}
		if err := out.item(item, false); err != nil {
			return err
		}
	}
	if r.URL.Query().Get("days") == "" {
		return nil
	}
	name := r.URL.Query().Get("maildrop")
	days, err := h.Budget.Days(r.Context(), name)
	for i := range days {
		if err == nil {
			err = out.item(Traffic{Day: &DayTraffic{Maildrop: name, Dated: days[i]}}, false)
		}
	}
	return err
}

// Traffic yields what the line and the maildrops have cost: the line first. days: also each day that is
// kept, of the line, or of a maildrop.
func (c *Client) Traffic(ctx context.Context, days bool, maildrop string) iter.Seq2[Traffic, error] {
	path := "/v1/traffic"
	if days {
		path += "?" + url.Values{"days": {"1"}, "maildrop": {maildrop}}.Encode()
	}
	return many[Traffic](ctx, c, path, nil)
}

// LineSheet is how the line's budget stands; nil: it has none.
func (h *House) LineSheet() *budget.Sheet {
	if h.Budget == nil {
		return nil
	}
	for _, s := range h.Budget.Sheets() {
		if s.Maildrop == "" && s.Left >= 0 {
			return &s
		}
	}
	return nil
}
