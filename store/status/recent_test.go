package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

func id(n byte) mail.ID { return mail.ID{15: n} }

// became is the outcome of the only message after these events.
func outcomeOf(t *testing.T, events ...mail.Event) Recent {
	t.Helper()
	s := Status{}
	for i, e := range events {
		e.At = start.Add(time.Duration(i) * time.Minute)
		if e.ID.Zero() && e.Op != mail.OpRefuse {
			e.ID = id(1)
		}
		s = Fold(s, e)
	}
	if len(s.Recent) != 1 {
		t.Fatalf("%d messages: %+v", len(s.Recent), s.Recent)
	}
	return s.Recent[0]
}

// TestRecent: what became of a message, for all of its recipients.
func TestRecent(t *testing.T) {
	queued := mail.Event{Op: mail.OpQueue, From: "a@example.org", Octets: 700, Origin: mail.Origin{UID: "7"}}
	try := func(n int, o mail.Outcome, reply string) mail.Event {
		return mail.Event{Op: mail.OpDeliver, Attempt: n, Outcome: o, Reply: reply}
	}
	yes, later, no := mail.Delivered, mail.Deferred, mail.Failed
	hold := func(text string) mail.Event { return mail.Event{Op: mail.OpHold, Text: text} }
	for name, x := range map[string]struct {
		events        []mail.Event
		outcome, said string
	}{
		"queued":            {[]mail.Event{queued}, Queued, ""},
		"delivered":         {[]mail.Event{queued, try(1, yes, "250 ok")}, Delivered, "250 ok"},
		"one of two waits":  {[]mail.Event{queued, try(1, later, "451 x"), try(1, yes, "250 ok")}, Deferred, "451 x"},
		"in another order":  {[]mail.Event{queued, try(1, yes, "250 ok"), try(1, later, "451 x")}, Deferred, "451 x"},
		"then it goes":      {[]mail.Event{queued, try(1, later, "451 x"), try(2, yes, "250 ok")}, Delivered, "250 ok"},
		"one failed before": {[]mail.Event{queued, try(1, no, "550 x"), try(2, yes, "250 ok")}, Failed, "550 x"},
		"the line broke": {[]mail.Event{queued, {Op: mail.OpDeliver, Attempt: 1, Err: errors.New("reset")}},
			Deferred, "reset"},
		"given up": {[]mail.Event{queued, try(9, no, "451 x"), {Op: mail.OpExpire, Attempt: 9, Text: "given up for age"}},
			Expired, "given up for age"},
		"held":         {[]mail.Event{queued, hold("suspect")}, Held, "suspect"},
		"let go again": {[]mail.Event{queued, hold("suspect"), hold("released")}, Queued, ""},
		"by hand":      {[]mail.Event{queued, {Op: mail.OpVerb, Text: "held"}, {Op: mail.OpVerb, Text: "removed"}}, Removed, ""},
		"edited":       {[]mail.Event{queued, {Op: mail.OpVerb, Text: "edited"}}, Queued, ""},
		"refused":      {[]mail.Event{{Op: mail.OpRefuse, Origin: mail.Origin{UID: "7"}, Reply: "550 no"}}, Refused, "550 no"},
		"discarded":    {[]mail.Event{queued, {Op: mail.OpDiscard}}, Discarded, ""},
		"not queued":   {[]mail.Event{queued, {Op: mail.OpQueue, Err: errors.New("full")}}, Queued, ""},
	} {
		r := outcomeOf(t, x.events...)
		if r.Outcome != x.outcome || r.Said != x.said {
			t.Errorf("%s: %q %q", name, r.Outcome, r.Said)
		}
		if x.outcome != Refused && (r.From != "a@example.org" || r.UID != "7" || r.Octets != 700) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// The ring is bounded, as is each text in it; what a server says stays text; Fold changes nothing it was given.
func TestRecentIsBounded(t *testing.T) {
	evil := "550 \r\n\x1b[2J\u202e" + strings.Repeat("x", 1<<16)
	s := Status{}
	for n := range byte(50) {
		s = Fold(s, mail.Event{Op: mail.OpDeliver, ID: id(n + 1), Reply: evil, From: mail.Path(evil),
			Origin: mail.Origin{UID: mail.UID(evil)}, At: start})
	}
	if len(s.Recent) != mostRecent || s.Recent[mostRecent-1].ID != id(50).String() {
		t.Errorf("%d messages, the last is %s", len(s.Recent), s.Recent[len(s.Recent)-1].ID)
	}
	b, err := json.Marshal(s)
	if err != nil || len(b) > 20<<10 || strings.ContainsAny(s.Recent[0].Said+s.Recent[0].From, "\r\n\x1b\u202e") {
		t.Errorf("%d octets, %v", len(b), err)
	}
	before := fmt.Sprint(s)
	Fold(s, mail.Event{Op: mail.OpDeliver, ID: id(50), Outcome: mail.Delivered, Attempt: 2, At: start})
	Fold(s, mail.Event{Op: mail.OpQueue, ID: id(60), At: start})
	if fmt.Sprint(s) != before {
		t.Error("Fold has changed what it was given")
	}
	old := s
	if s = Fold(s, mail.Event{Op: mail.OpPoll, At: start}); len(s.Recent) != len(old.Recent) {
		t.Error("a poll is a message")
	}
}

// The last messages outlive the program.
func TestRecentIsSaved(t *testing.T) {
	m := &memory{}
	f := &Folder{Store: m, Now: func() time.Time { return start }}
	f.Observe(mail.Event{Op: mail.OpQueue, ID: id(1), Origin: mail.Origin{Maildrop: "jaco", UID: "7"}, At: start})
	if err := f.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := &Folder{Store: m, Now: f.Now}
	if err := g.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, _ := g.Of("jaco"); len(s.Recent) != 1 || s.Recent[0].Outcome != Queued {
		t.Errorf("%+v", s.Recent)
	}
}
