package status

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mailretr/store/mail"
)

var start = time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)

// poll is the end of a session with this trouble; failures in a row as the poller counts them.
func poll(k mail.Kind, failures int) mail.Event {
	return mail.Event{Op: mail.OpPoll, Attempt: failures, Err: &mail.Trouble{
		Op: mail.OpLogin, Kind: k, Server: "isp:995", Reply: "-ERR no\r\n\x1b[2J",
	}}
}

var well = mail.Event{Op: mail.OpPoll, Messages: 2, Octets: 3000, Up: 10, Down: 3500}

func aside(uid string, k mail.Kind) mail.Event {
	return mail.Event{
		Op: mail.OpAside, Origin: mail.Origin{UID: mail.UID(uid)}, Text: "why", Attempt: 1,
		Err: &mail.Trouble{Kind: k, Alone: true},
	}
}

// folded folds events that are five minutes apart.
func folded(events ...mail.Event) (s Status) {
	s = Status{State: Never}
	for i, e := range events {
		e.At = start.Add(time.Duration(i) * 5 * time.Minute)
		e.Next = e.At.Add(5 * time.Minute)
		s = Fold(s, e)
	}
	return s
}

// The table of states: after these events, this word, since this many events.
func TestFold(t *testing.T) {
	verb := func(text string) mail.Event { return mail.Event{Op: mail.OpVerb, Text: text} }
	away := func(n int) mail.Event { return poll(mail.Unreachable, n) }
	busy := func(n int) mail.Event { return poll(mail.Busy, n) }
	taken := mail.Event{Op: mail.OpQueue, Origin: mail.Origin{UID: "7"}}
	for _, c := range []struct {
		name     string
		events   []mail.Event
		state    State
		since    int // index of the event
		failures int
	}{
		{"nothing but a listing", []mail.Event{{Op: mail.OpList, Messages: 3}}, Never, -1, 0},
		{"well", []mail.Event{well}, OK, 0, 0},
		{"well again", []mail.Event{well, well, well}, OK, 0, 0},
		{"unreachable once", []mail.Event{well, poll(mail.Unreachable, 1)}, Late, 1, 1},
		{"unreachable twice", []mail.Event{well, away(1), away(2)}, Late, 1, 2},
		{"unreachable", []mail.Event{away(1), away(2), away(3)}, Connect, 2, 3},
		{"a cut with progress", []mail.Event{well, poll(mail.Unreachable, 0)}, Late, 1, 0},
		{"mended", []mail.Event{poll(mail.Unreachable, 1), well}, OK, 1, 0},
		{"tls", []mail.Event{poll(mail.Insecure, 1)}, TLS, 0, 1},
		{"login", []mail.Event{well, poll(mail.Auth, 1), poll(mail.Auth, 2)}, Login, 1, 2},
		{"busy", []mail.Event{well, poll(mail.Busy, 1), poll(mail.Busy, 2)}, OK, 0, 2},
		{"busy for long", []mail.Event{well, busy(1), busy(2), busy(3)}, Busy, 3, 3},
		{"protocol", []mail.Event{poll(mail.Protocol, 1)}, Protocol, 0, 1},
		{"a kind of tomorrow", []mail.Event{poll(99, 1)}, Protocol, 0, 1},
		{"recipient", []mail.Event{poll(mail.NoRecipient, 1)}, Recipient, 0, 1},
		{"budget", []mail.Event{well, poll(mail.Spent, 1)}, Budget, 1, 1},
		{"some waits for a budget", []mail.Event{well, aside("7", mail.Spent), well}, Budget, 1, 0},
		{"local", []mail.Event{poll(mail.Local, 1)}, Local, 0, 1},
		{"no trouble of ours", []mail.Event{{Op: mail.OpPoll, Attempt: 1, Err: errors.New("x")}}, Late, 0, 1},
		{"envelope", []mail.Event{well, aside("7", mail.NoEnvelope), well}, Envelope, 1, 0},
		{"envelope, then login", []mail.Event{aside("7", mail.NoEnvelope), poll(mail.Auth, 1)}, Login, 1, 1},
		{"envelope, taken after all", []mail.Event{well, aside("7", mail.NoEnvelope), taken}, OK, 2, 0},
		{"broken message", []mail.Event{well, aside("7", mail.Protocol)}, Protocol, 1, 0},
		{"the MTA asks to wait", []mail.Event{well, aside("7", mail.Local)}, OK, 0, 0},
		{"paused", []mail.Event{well, verb(paused)}, Pause, 1, 0},
		{"paused while the session ends", []mail.Event{verb(paused), poll(mail.Auth, 1)}, Pause, 0, 1},
		{"paused by its owner", []mail.Event{well, verb(pausedByOwner)}, Pause, 1, 0},
		{"resumed, and paused by its owner before", []mail.Event{well, verb(pausedByOwner), verb(resumed)}, OK, 2, 0},
		{"resumed", []mail.Event{well, verb(paused), verb(resumed)}, OK, 2, 0},
		{"resumed, still refused", []mail.Event{poll(mail.Auth, 1), verb(paused), verb(resumed)}, Login, 2, 1},
		{"another verb", []mail.Event{well, verb("retry")}, OK, 0, 0},
		{"stopped", []mail.Event{poll(mail.Auth, 1), {Op: mail.OpPoll, Text: "stopped"}}, Login, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := folded(c.events...)
			since := time.Time{}
			if c.since >= 0 {
				since = start.Add(time.Duration(c.since) * 5 * time.Minute)
			}
			if s.State != c.state || !s.Since.Equal(since) || s.Failures != c.failures {
				t.Errorf("%s since %s, %d failures; want %s since %s, %d",
					s.State, s.Since, s.Failures, c.state, since, c.failures)
			}
			if s.State.Well() != (s.Wrong == "") || s.State.Well() != (s.Advice == "") {
				t.Errorf("%s says %q, %q", s.State, s.Wrong, s.Advice)
			}
		})
	}
}

// What is said to have happened so many times since then has: other troubles before it do not count.
func TestTimesAreThoseOfTheSentence(t *testing.T) {
	away := func(n int) mail.Event { return poll(mail.Unreachable, n) }
	refused := func(n int) mail.Event { return poll(mail.Auth, n) }
	for _, c := range []struct {
		name         string
		events       []mail.Event
		times, first int
	}{
		{"one kind", []mail.Event{well, refused(1), refused(2), refused(3)}, 3, 1},
		{"another kind before", []mail.Event{away(1), away(2), away(3), refused(1), refused(2)}, 2, 3},
		{"away for long", []mail.Event{away(1), away(2), away(3), away(4)}, 4, 0},
		{"a cut before", []mail.Event{well, poll(mail.Unreachable, 0), away(1), away(2)}, 2, 2},
		{"well between", []mail.Event{refused(1), refused(2), well, refused(1)}, 1, 3},
		{"a message that is left is worse", []mail.Event{away(1), away(2), aside("7", mail.NoEnvelope)}, 0, -1},
	} {
		s := folded(c.events...)
		first := time.Time{}
		if c.first >= 0 {
			first = start.Add(time.Duration(c.first) * 5 * time.Minute)
		}
		if s.Times != c.times || !s.First.Equal(first) {
			t.Errorf("%s: %d times since %s, want %d since %s", c.name, s.Times, s.First, c.times, first)
		}
	}
}

// Every kind has a sentence and says what to do; a hint that knows better comes first.
func TestMeanings(t *testing.T) {
	for k := mail.Unreachable; k <= mail.Spent; k++ {
		m, ok := meanings[k]
		if !ok || !strings.HasSuffix(m.wrong, ".") || !strings.HasSuffix(m.advice, ".") || m.state == "" {
			t.Errorf("%s: %+v", k, m)
		}
	}
	e := poll(mail.NoRecipient, 1)
	e.Err.(*mail.Trouble).Hint = "Correct the recipient jcao@kroon.co.za."
	if s := folded(e); s.Advice != "Correct the recipient jcao@kroon.co.za." {
		t.Errorf("advice %q", s.Advice)
	}
}

func TestCounts(t *testing.T) {
	id := mail.NewID(start, nil)
	deliver := func(attempt int, outcome mail.Outcome) mail.Event {
		e := mail.Event{Op: mail.OpDeliver, ID: id, Attempt: attempt, Octets: 4000, Outcome: outcome}
		if outcome == mail.Deferred {
			e.Saved = 4000
		}
		return e
	}
	refused := mail.Event{Op: mail.OpDeliver, ID: id, Attempt: 1, Octets: 4000} // a connection: it saved nothing
	cut := poll(mail.Unreachable, 1)
	cut.Wasted, cut.Down = 700, 900
	s := folded(
		mail.Event{Op: mail.OpList, Messages: 3, Octets: 5000}, well, cut,
		refused, deliver(1, mail.Delivered), deliver(1, mail.Deferred), // three recipients, three attempts
		deliver(1, mail.Deferred), deliver(2, mail.Deferred), deliver(2, mail.Deferred),
		deliver(3, mail.Delivered), deliver(3, mail.Failed),
	)
	want := Counts{Messages: 2, Octets: 3000, Up: 10, Down: 4400, Saved: 8000, Wasted: 700}
	if s.Today != want || s.Total != want || s.Waiting != 1 || s.WaitingOctets != 2000 {
		t.Errorf("%+v, %+v, %d waiting (%d)", s.Today, s.Total, s.Waiting, s.WaitingOctets)
	}
	if d := s.LastAttempt.Sub(start); d != 10*time.Minute || !s.LastSuccess.Equal(s.LastMail) {
		t.Errorf("times: %+v", s)
	}
	if a := s.At(start.AddDate(0, 0, 1)); a.Today != (Counts{}) || a.Total != want {
		t.Errorf("tomorrow: %+v, %+v", a.Today, a.Total)
	}
	e := well
	e.At = start.AddDate(0, 0, 1)
	if s = Fold(s, e); s.Today.Messages != 2 || s.Total.Messages != 4 {
		t.Errorf("tomorrow: %+v, %+v", s.Today, s.Total)
	}
}

// An entry with a mistake is named as such, not with what was known before; a session ends it.
func TestLeftOut(t *testing.T) {
	bad := mail.Event{Op: mail.OpConfig, Alarm: true, Err: &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local,
		Err: errors.New("a.yaml:9:3  error    to is missing"), Hint: "Mend the entry."}}
	s := folded(well, bad)
	if s.State != Local || s.Wrong != wrongEntry || s.Advice != "Mend the entry." || s.Cause != "a.yaml:9:3  error    to is missing" || !s.Next.IsZero() {
		t.Errorf("%+v", s)
	}
	if s = folded(well, bad, well); s.State != OK || s.Cause != "" {
		t.Errorf("afterwards: %+v", s)
	}
}

// A kind's own hint does not hide that a refused login is seldom tried.
func TestRefusedLogin(t *testing.T) {
	e := poll(mail.Auth, 1)
	e.Err.(*mail.Trouble).Hint = "User or password is wrong."
	if s := folded(e); !strings.HasPrefix(s.Advice, "User or password is wrong. Enter the password anew") {
		t.Errorf("advice %q", s.Advice)
	}
}

// What is wrong with a certificate decides what can be done.
func TestAdviceOnCertificates(t *testing.T) {
	for want, err := range map[string]error{
		"This port does not begin":  tls.RecordHeaderError{},
		"another name":              &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}}},
		"tls: {ca: FILE}":           &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"clock of this machine":     x509.CertificateInvalidError{Reason: x509.Expired},
		"Check name and port":       errors.New("handshake failure"),
		"Check name and port of th": x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign},
	} {
		e := poll(mail.Insecure, 1)
		e.Err.(*mail.Trouble).Err = fmt.Errorf("securing: %w", err)
		if s := folded(e); !strings.Contains(s.Advice, want) {
			t.Errorf("%v: %q", err, s.Advice)
		}
	}
}

func TestLate(t *testing.T) {
	s := folded(well)
	if a := s.At(start.Add(19 * time.Minute)); a.State != OK {
		t.Errorf("%+v", a)
	}
	a := s.At(start.Add(21 * time.Minute))
	if a.State != Late || a.Wrong != wrongLate || !a.Since.Equal(s.Next) {
		t.Errorf("%+v", a)
	}
	// A long session is a sign of life.
	s = Fold(s, mail.Event{Op: mail.OpQueue, At: start.Add(20 * time.Minute)})
	if a := s.At(start.Add(30 * time.Minute)); a.State != OK {
		t.Errorf("%+v", a)
	}
}

// Messages that are left upstream are named, once each, and forgotten when nobody names them any more.
func TestAsides(t *testing.T) {
	var events []mail.Event
	for i := range mostAsides + 10 {
		events = append(events, aside(fmt.Sprint(i), mail.NoEnvelope), aside(fmt.Sprint(i), mail.NoEnvelope))
	}
	s := folded(events...)
	if len(s.Asides) != mostAsides || !s.MoreAsides {
		t.Errorf("%d named, more: %v", len(s.Asides), s.MoreAsides)
	}
	before := s
	e := aside("3", mail.NoEnvelope)
	e.At, e.Next, e.Attempt = start.AddDate(0, 0, 1), start.AddDate(0, 0, 2), 2
	s = Fold(s, e)
	if a := s.Asides[3]; a.Tries != 2 || !a.Since.Equal(before.Asides[3].Since) {
		t.Errorf("%+v", a)
	}
	if before.Asides[3].Tries != 1 {
		t.Error("Fold changed what it was given")
	}
	e.Err, e.Attempt = nil, 3 // told by somebody who does not know the kind
	if a := Fold(s, e).Asides[3]; a.State != Envelope || a.Tries != 3 {
		t.Errorf("%+v", a)
	}
	ok := well
	ok.At = start.AddDate(0, 0, 3)
	if s = Fold(s, ok); len(s.Asides) != 1 || s.MoreAsides || s.State != Envelope {
		t.Errorf("%d named, more: %v, %s", len(s.Asides), s.MoreAsides, s.State)
	}
}

// No text of a server reaches a reader as it came.
func TestR17_Escaped(t *testing.T) {
	nasty := "\x1b[2J\r\n\x00\xff%s\u202e" + strings.Repeat("x", 1<<20)
	e := poll(mail.Auth, 1)
	tr := e.Err.(*mail.Trouble)
	tr.Reply, tr.Server, tr.Hint = nasty, nasty, nasty
	a := aside(nasty, mail.NoEnvelope)
	a.Text = nasty
	l := FoldLane(Lane{}, mail.Event{Op: mail.OpLane, Reply: nasty, Relay: nasty})
	m := FoldLane(Lane{}, mail.Event{Op: mail.OpLane, Err: errors.New(nasty)})
	for _, v := range []any{folded(e, a), l, m} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(b); len(s) > 8000 || strings.Contains(s, `\u001b`) || strings.Contains(s, `\r`) ||
			strings.Contains(s, `\u0000`) || strings.Contains(s, "\u202e") || strings.Contains(s, `\ufffd`) {
			t.Errorf("%d octets: %.300s", len(s), s)
		}
	}
}

func TestFoldLane(t *testing.T) {
	sick := mail.Event{Op: mail.OpLane, Reply: "421 busy", Relay: "localhost:25", Next: start.Add(time.Minute)}
	said := func(o mail.Outcome) mail.Event {
		return mail.Event{Op: mail.OpDeliver, Outcome: o, Relay: "localhost:25"}
	}
	for _, c := range []struct {
		name   string
		events []mail.Event
		want   Lane
	}{
		{"deferred", []mail.Event{said(mail.Deferred)}, Lane{State: Never, Deferred: 1}},
		{"delivered", []mail.Event{said(mail.Delivered), said(mail.Delivered)}, Lane{State: OK, Delivered: 2}},
		{"failed", []mail.Event{said(mail.Failed)}, Lane{State: OK, Failed: 1}},
		{"sick", []mail.Event{said(mail.Delivered), sick, sick}, Lane{State: Sick, Delivered: 1, Said: "421 busy"}},
		{"sick, deferred", []mail.Event{sick, said(mail.Deferred)},
			Lane{State: Sick, Deferred: 1, Said: "421 busy"}},
		{"well", []mail.Event{sick, {Op: mail.OpLane, Outcome: mail.Delivered}}, Lane{State: OK}},
		{"well by itself", []mail.Event{sick, said(mail.Delivered)}, Lane{State: OK, Delivered: 1}},
		{"something else", []mail.Event{{Op: mail.OpQueue}}, Lane{State: Never}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Lane{State: Never}
			for i, e := range c.events {
				e.At = start.Add(time.Duration(i) * time.Minute)
				l = FoldLane(l, e)
			}
			if (l.State == Sick) != (l.Wrong != "" && !l.Next.IsZero()) {
				t.Errorf("%+v", l)
			}
			ignore := cmpopts.IgnoreFields(Lane{}, "Since", "Wrong", "Relay", "LastAttempt", "LastDelivery", "Next")
			if d := cmp.Diff(c.want, l, ignore); d != "" {
				t.Error(d)
			}
		})
	}
}

// A remark stands until its topic has another, or none; remarks change nothing of the state, and are bounded.
func TestRemarks(t *testing.T) {
	remark := func(topic, text string) mail.Event {
		return mail.Event{Op: mail.OpRemark, Topic: topic, Text: text}
	}
	s := folded(well, remark("folders", "one\r\n\x1b[2J"), remark("confirm", "two"), well, remark("confirm", "two"))
	want := []Remark{
		{"folders", `one\x0d\x0a\x1b[2J`, start.Add(5 * time.Minute)},
		{"confirm", "two", start.Add(10 * time.Minute)},
	}
	if diff := cmp.Diff(want, s.Remarks); diff != "" || s.State != OK {
		t.Error(s.State, diff)
	}
	s = Fold(s, remark("folders", ""))
	if len(s.Remarks) != 1 || s.Remarks[0].Topic != "confirm" {
		t.Errorf("%+v", s.Remarks)
	}
	for i := range 100 {
		s = Fold(s, remark(fmt.Sprint(i), "x"))
	}
	if len(s.Remarks) > mostRemarks {
		t.Errorf("%d remarks", len(s.Remarks))
	}
}

// signIn is a cause that says itself what is wrong.
type signIn struct{ error }

func (signIn) Wrong() string { return "The provider wants somebody to sign in." }

// mendable is a cause of this machine that says itself what to do.
type mendable struct{ error }

func (mendable) Advice() string { return "Put it there." }

// What is wrong on this machine knows better what to do than who met with it; and one hint ends before the next begins.
func TestAdviceOfTheCause(t *testing.T) {
	x := &mail.Trouble{Kind: mail.Local, Err: fmt.Errorf("reading: %w", mendable{errors.New("none")}), Hint: "Look at it."}
	if a := Advice(x); a != "Put it there." {
		t.Errorf("%q", a)
	}
	x = &mail.Trouble{Kind: mail.Auth, Err: errors.New("no"), Hint: "Sign in: mailretr login jaco"}
	if a := Advice(x); a != "Sign in: mailretr login jaco. "+adviseSeldom {
		t.Errorf("%q", a)
	}
}

// A consent that has ended is no wrong password, and nobody is told to enter one.
func TestConsentEnded(t *testing.T) {
	s := folded(mail.Event{Op: mail.OpPoll, Attempt: 1, Err: &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth,
		Err: signIn{errors.New("it has ended")}, Hint: "Sign in: mailretr login jaco"}})
	if s.State != Login || s.Wrong != "The provider wants somebody to sign in." ||
		!strings.HasPrefix(s.Advice, "Sign in: mailretr login jaco") || strings.Contains(s.Advice, "password") {
		t.Errorf("%v: %q, %q", s.State, s.Wrong, s.Advice)
	}
}
