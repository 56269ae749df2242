package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// What each combination of outcomes makes of a record of three recipients a, b, c.
func TestJudge(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tooMany := make(mail.Report, 4)
	for i := range tooMany {
		tooMany[i] = yes
	}
	for _, x := range []struct {
		name     string
		report   mail.Report
		age      time.Duration
		sick     time.Duration
		left     string // recipients: small letters wait, capitals are owed a report
		attempts int
		due      time.Duration // after the attempt; -1: as it was
		late     bool
	}{
		{name: "all taken", report: mail.Report{yes, yes, yes}, attempts: 1, due: -1},
		{name: "one deferred", report: mail.Report{yes, later, yes}, left: "b", attempts: 1, due: time.Minute},
		{name: "one failed", report: mail.Report{yes, no, yes}, left: "B", attempts: 1, due: -1},
		{name: "all failed", report: mail.Report{no, no, no}, left: "ABC", attempts: 1, due: -1},
		{name: "one each", report: mail.Report{yes, no, later}, left: "Bc", attempts: 1, due: time.Minute},
		{name: "nothing was said", report: nil, left: "abc", attempts: 1, due: time.Minute},
		{name: "short", report: mail.Report{yes}, left: "bc", attempts: 1, due: time.Minute},
		{name: "too long says nothing", report: tooMany, left: "abc", attempts: 1, due: time.Minute},
		{name: "the lane is away", report: mail.Report{away, away, away}, left: "abc", due: -1},
		{name: "away after one was taken", report: mail.Report{yes, away, away}, left: "bc", attempts: 1,
			due: time.Minute},
		{name: "not asked", report: mail.Report{yes, another, another}, left: "bc", due: 0},
		{name: "not asked beside a deferral", report: mail.Report{yes, later, another}, left: "bc", due: 0},
		{name: "nobody asked", report: mail.Report{another, another, another}, left: "abc", attempts: 1,
			due: time.Minute},
		{name: "asked and no progress", report: mail.Report{later, later, another}, left: "abc", attempts: 1,
			due: time.Minute},
		{name: "expired", report: mail.Report{yes, later, later}, age: 5 * 24 * time.Hour, left: "BC",
			attempts: 1, due: -1},
		{name: "expired, nothing said", report: nil, age: 5 * 24 * time.Hour, left: "ABC", attempts: 1, due: -1},
		{name: "old, but not all were asked", report: mail.Report{yes, later, another}, age: 6 * 24 * time.Hour,
			left: "bc", due: 0},
		{name: "old, and the lane was sick", report: mail.Report{later, later, later}, age: 6 * 24 * time.Hour,
			sick: 2 * 24 * time.Hour, left: "abc", attempts: 1, due: time.Minute},
		{name: "old, and the lane is away", report: mail.Report{away, away, away}, age: 6 * 24 * time.Hour,
			sick: 24 * time.Hour, left: "abc", due: -1},
		{name: "very old, and the lane is away", report: mail.Report{away, away, away}, age: 10 * 24 * time.Hour,
			sick: 10 * 24 * time.Hour, left: "ABC", due: -1, late: true},
		{name: "very old, refused now", report: mail.Report{no, later, later}, age: 10 * 24 * time.Hour,
			sick: 9 * 24 * time.Hour, left: "ABC", attempts: 1, due: -1, late: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := Record{Queued: start, Due: start}
			for _, s := range []string{"a", "b", "c"} {
				r.Recipients = append(r.Recipients, Recipient{Recipient: mail.Recipient{Forward: mail.Path(s)}})
			}
			now := start.Add(x.age)
			j := judge(r, x.report, attempt{begun: now, now: now, sick: x.sick})
			if got := letters(&j.Record); got != x.left || j.Attempts != x.attempts || j.Tries != 1 ||
				j.late != x.late {
				t.Errorf("left %q, %d attempts, %d tries, late %v", got, j.Attempts, j.Tries, j.late)
			}
			if want := now.Add(x.due); x.due >= 0 && !j.Due.Equal(want) || x.due < 0 && !j.Due.Equal(start) {
				t.Errorf("due %v after the attempt", j.Due.Sub(now))
			}
			if strings.ToUpper(x.left) != x.left == (len(j.owed) == len(j.Recipients)) && len(j.Recipients) > 0 {
				t.Errorf("owed %v of %q", j.owed, x.left)
			}
			for _, o := range j.owed {
				if j.Recipients[o.at].State != Owed || !o.fresh {
					t.Errorf("owing %+v", o)
				}
			}
			if len(r.Recipients) != 3 || r.Recipients[1].State != Waiting || len(j.said) != 3 {
				t.Error("the record that was judged has changed, or not all was said")
			}
		})
	}
}

func letters(r *Record) (s string) {
	for _, x := range r.Recipients {
		if x.State == Owed {
			s += strings.ToUpper(string(x.Forward))
		} else {
			s += string(x.Forward)
		}
	}
	return s
}

// Whose mailbox is busy is asked at his turn, and no attempt counts; what was said of others does.
func TestJudgeTurn(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	busy := func(d time.Duration) mail.Result {
		return mail.Result{Scope: mail.OfTurn, Again: start.Add(d), Reply: "never said"}
	}
	for _, x := range []struct {
		name            string
		report          mail.Report
		left            string
		attempts, tries int
		due             time.Duration
	}{
		{"all", mail.Report{busy(5 * time.Second), busy(3 * time.Second), busy(9 * time.Second)}, "abc", 0, 0, 3 * time.Second},
		{"others were taken", mail.Report{yes, busy(3 * time.Second), yes}, "b", 0, 1, 3 * time.Second},
		{"another one was deferred", mail.Report{yes, busy(3 * time.Second), later}, "bc", 1, 1, 3 * time.Second},
		{"later than the next attempt", mail.Report{yes, busy(3 * time.Minute), later}, "bc", 1, 1, time.Minute},
		{"at once, by a clock of its own", mail.Report{busy(-time.Hour), yes, yes}, "a", 0, 1, 0},
		{"never", mail.Report{busy(1000 * time.Hour), yes, yes}, "a", 0, 1, time.Hour},
	} {
		r := Record{Queued: start, Due: start}
		for _, s := range []string{"a", "b", "c"} {
			r.Recipients = append(r.Recipients, Recipient{Recipient: mail.Recipient{Forward: mail.Path(s)}})
		}
		j := judge(r, x.report, attempt{begun: start, now: start})
		if letters(&j.Record) != x.left || j.Attempts != x.attempts || j.Tries != x.tries || !j.Due.Equal(start.Add(x.due)) {
			t.Errorf("%s: left %q, %d attempts, %d tries, due %v", x.name, letters(&j.Record), j.Attempts, j.Tries, j.Due.Sub(start))
		}
		for _, y := range j.Recipients {
			if y.Last.Reply == "never said" {
				t.Errorf("%s: something was said", x.name)
			}
		}
	}
	old := start.Add(10 * 24 * time.Hour)
	r := Record{Queued: start, Due: start, Recipients: []Recipient{{}}}
	report := mail.Report{{Scope: mail.OfTurn, Again: old}}
	if j := judge(r, report, attempt{begun: old, now: old}); len(j.owed) != 1 {
		t.Error("it waits for ever")
	}
}

// Those who are owed a report are not attempted: a report speaks of the others.
func TestJudgeOwed(t *testing.T) {
	r := Record{Recipients: []Recipient{
		{Recipient: mail.Recipient{Forward: "a"}, State: Owed}, {Recipient: mail.Recipient{Forward: "b"}},
		{Recipient: mail.Recipient{Forward: "c"}, State: Owed}, {Recipient: mail.Recipient{Forward: "d"}},
	}}
	j := judge(r, mail.Report{yes, no}, attempt{})
	if got := letters(&j.Record); got != "ACD" || len(j.owed) != 3 || j.owed[0].fresh || !j.owed[2].fresh {
		t.Errorf("left %q, owed %v", got, j.owed)
	}
	if j := judge(r, mail.Report{yes, no, yes}, attempt{}); letters(&j.Record) != "AbCd" {
		t.Errorf("left %q after a report that is too long", letters(&j.Record))
	}
	r.Recipients = r.Recipients[:1]
	if j := judge(r, nil, attempt{}); j.Tries != 0 || j.Attempts != 0 || letters(&j.Record) != "A" {
		t.Errorf("an attempt was counted where nobody waits: %+v", j.Record)
	}
}

// Since and Times say how long the same was said.
func TestSaid(t *testing.T) {
	var x Recipient
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 3 {
		x.say(later, start.Add(time.Duration(i)*time.Hour), 100)
	}
	if x.Times != 3 || !x.Since.Equal(start) || !x.Last.At.Equal(start.Add(2*time.Hour)) {
		t.Errorf("%+v", x)
	}
	x.say(no, start.Add(3*time.Hour), 5)
	if x.Times != 1 || !x.Since.Equal(start.Add(3*time.Hour)) || x.Last.Reply != "550 n" {
		t.Errorf("%+v", x)
	}
}

func TestSaidResult(t *testing.T) {
	e := Said{Expired: true, Err: "cut"}.result()
	var is interface{ Expired() bool }
	if is, _ = e.Err.(interface{ Expired() bool }); is == nil || e.Enhanced != "4.4.7" ||
		e.Outcome != mail.Failed {
		t.Errorf("%+v", e)
	}
	if e := (Said{Expired: true, Reply: "451 later", Enhanced: "4.3.0"}).result(); e.Enhanced != "4.3.0" {
		t.Errorf("%+v", e)
	}
	if e := (Said{Reply: "550 no"}).result(); e.Err != nil || fmt.Sprint(e) == "" {
		t.Errorf("%+v", e)
	}
}
