package relay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"mailretr/store/mail"
)

// hops answer by lane and address, and write down what they were asked.
type hops struct {
	says  map[string]mail.Result // "lane address"
	asked []string
}

func (h *hops) dial(l mail.Lane) (Connection, error) {
	if l == "gone" {
		return nil, errors.New("no such destination")
	}
	return &hopConn{h, l}, nil
}

type hopConn struct {
	*hops
	lane mail.Lane
}

func (c *hopConn) Close() error { return nil }

func (c *hopConn) Deliver(context.Context, *mail.Message) mail.Report { panic("asked to deliver") }

func (c *hopConn) Probe(_ context.Context, m *mail.Message) (report mail.Report) {
	for _, r := range m.Envelope.Recipients {
		key := string(c.lane) + " " + string(r.Forward)
		c.asked = append(c.asked, key)
		x, ok := c.says[key]
		if !ok {
			x = mail.Result{Outcome: mail.Delivered, Reply: "250 ok"}
		}
		report = append(report, x)
	}
	return report
}

var (
	refused = mail.Result{Outcome: mail.Failed, Reply: "550 5.1.1 no such user"}
	busy    = mail.Result{Reply: "451 4.3.0 later"}
	silent  = mail.Result{Scope: mail.OfLane, Err: errors.New("away")}
)

// lanesByName: the local part names the lanes, joined by hyphens.
func lanesByName(_ mail.Origin, _ mail.Envelope, r mail.Recipient) (all []mail.Lane) {
	for _, l := range strings.Split(r.Forward.Local(), "-") {
		all = append(all, mail.Lane(l))
	}
	return all
}

// Where several lanes are asked, the best answer counts: one that would take it, then one that does not know.
func TestAskSeveralLanes(t *testing.T) {
	x := "a-b@x.example"
	for _, c := range []struct {
		name        string
		a, b        mail.Result
		want, first mail.Outcome
		sick        bool
	}{
		{"both refuse", refused, refused, mail.Failed, mail.Failed, false},
		{"the second refuses", mail.Result{Outcome: mail.Delivered}, refused, mail.Delivered, mail.Delivered, false},
		{"the first refuses", refused, mail.Result{Outcome: mail.Delivered}, mail.Delivered, mail.Failed, false},
		{"refused and later", refused, busy, mail.Deferred, mail.Failed, false},
		{"refused and away", refused, silent, mail.Deferred, mail.Failed, true},
		{"away and refused", silent, refused, mail.Deferred, mail.Deferred, true},
	} {
		h := &hops{says: map[string]mail.Result{"a " + x: c.a, "b " + x: c.b}}
		ask := &Ask{Route: lanesByName, Dial: h.dial}
		m := &mail.Message{Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: mail.Path(x)}}}}
		r := ask.Probe(t.Context(), m)
		if len(r) != 1 || r[0].Outcome != c.want || (r.Sick() != nil) != c.sick {
			t.Errorf("%s: %v, sick %v", c.name, r, r.Sick())
		}
		if len(h.asked) != 2 {
			t.Errorf("%s: asked %q", c.name, h.asked)
		}
		if r := ask.First().Probe(t.Context(), m); r.Of(0).Outcome != c.first || len(h.asked) != 3 {
			t.Errorf("%s: the first says %v", c.name, r)
		}
		if r := ask.In("b").Probe(t.Context(), m); r.Of(0).Outcome != c.b.Outcome {
			t.Errorf("%s: b says %v", c.name, r)
		}
	}
}

// Each recipient gets the answer about those who would get his mail, each of whom is asked about once in a lane.
func TestAskAboutTheRewritten(t *testing.T) {
	h := &hops{says: map[string]mail.Result{"a a@gone.example": refused, "b b@gone.example": refused}}
	ask := &Ask{Route: lanesByName, Dial: h.dial,
		Rewrite: func(_ context.Context, _ mail.Origin, r mail.Recipient) (to []mail.Recipient, err error) {
			if r.Forward == "broken@x.example" {
				return nil, errors.New("the table is away")
			}
			for _, p := range map[mail.Path][]mail.Path{
				"both@x.example": {"a@x.example", "b@gone.example"}, "none@x.example": {"a@gone.example", "b@gone.example"},
				"one@x.example": {"a@x.example"}, "lost@x.example": {"gone@x.example"},
			}[r.Forward] {
				to = append(to, mail.Recipient{Forward: p})
			}
			return to, nil
		}}
	m := &mail.Message{}
	for _, p := range []string{"both", "none", "one", "broken", "lost"} {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: mail.Path(p + "@x.example")})
	}
	var got []mail.Outcome
	for _, x := range ask.Probe(t.Context(), m) {
		got = append(got, x.Outcome)
	}
	if want := []mail.Outcome{mail.Delivered, mail.Failed, mail.Delivered, mail.Deferred, mail.Deferred}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	want := []string{"a a@x.example", "a a@gone.example", "b b@gone.example"}
	if !slices.Equal(h.asked, want) {
		t.Errorf("asked %q, want %q", h.asked, want)
	}
}
