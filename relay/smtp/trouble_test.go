package smtp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// The table of DESIGN, "Delivering", as judge has it.
func TestS9_Judge(t *testing.T) {
	const none = 0
	for _, x := range []struct {
		op           mail.Op
		code         int
		enhanced     string
		others, lmtp bool
		outcome      mail.Outcome
		scope        mail.Scope
	}{
		{mail.OpDial, none, "", false, false, mail.Deferred, mail.OfLane},
		{mail.OpTLS, none, "", false, false, mail.Deferred, mail.OfLane},
		{mail.OpTLS, 454, "4.7.0", false, false, mail.Deferred, mail.OfLane},
		{mail.OpTLS, 502, "", false, false, mail.Deferred, mail.OfLane},
		{mail.OpGreeting, none, "", false, false, mail.Deferred, mail.OfLane},
		{mail.OpGreeting, 421, "", false, false, mail.Deferred, mail.OfLane},
		{mail.OpGreeting, 554, "5.7.1", false, false, mail.Deferred, mail.OfLane},
		{mail.OpEHLO, 550, "", false, false, mail.Deferred, mail.OfLane},
		{mail.OpLogin, 454, "4.7.0", false, false, mail.Deferred, mail.OfLane},
		{mail.OpLogin, 535, "5.7.8", false, false, mail.Deferred, mail.OfLane},

		{mail.OpMail, 530, "5.7.0", false, false, mail.Deferred, mail.OfLane},
		{mail.OpMail, 535, "", false, false, mail.Deferred, mail.OfLane},
		{mail.OpRcpt, 538, "5.7.11", true, false, mail.Deferred, mail.OfLane},
		{mail.OpRcpt, 550, "5.7.8", true, false, mail.Deferred, mail.OfLane},
		{mail.OpData, 530, "", true, false, mail.Deferred, mail.OfLane},
		{mail.OpDot, 550, "5.7.8", true, true, mail.Deferred, mail.OfLane},

		{mail.OpMail, none, "", false, false, mail.Deferred, mail.OfMessage},
		{mail.OpMail, 421, "", false, false, mail.Deferred, mail.OfMessage},
		{mail.OpMail, 451, "4.7.1", false, false, mail.Deferred, mail.OfMessage},
		{mail.OpMail, 452, "4.3.1", false, false, mail.Deferred, mail.OfMessage},
		{mail.OpMail, 550, "5.1.8", false, false, mail.Failed, mail.OfMessage},
		{mail.OpMail, 552, "5.3.4", false, false, mail.Failed, mail.OfMessage},

		{mail.OpRcpt, none, "", true, false, mail.Deferred, mail.OfMessage},
		{mail.OpRcpt, 421, "", true, false, mail.Deferred, mail.OfMessage},
		{mail.OpRcpt, 450, "4.2.1", true, false, mail.Deferred, mail.OfRecipient},
		{mail.OpRcpt, 452, "", false, false, mail.Deferred, mail.OfRecipient},
		{mail.OpRcpt, 452, "", true, false, mail.Deferred, mail.OfSession},
		{mail.OpRcpt, 452, "4.5.3", true, false, mail.Deferred, mail.OfSession},
		{mail.OpRcpt, 451, "4.5.3", true, false, mail.Deferred, mail.OfSession},
		{mail.OpRcpt, 452, "4.2.2", true, false, mail.Deferred, mail.OfRecipient},
		{mail.OpRcpt, 552, "", true, false, mail.Deferred, mail.OfSession},
		{mail.OpRcpt, 550, "5.5.3", true, false, mail.Deferred, mail.OfSession},
		{mail.OpRcpt, 552, "5.2.2", true, false, mail.Failed, mail.OfRecipient},
		{mail.OpRcpt, 552, "", false, false, mail.Failed, mail.OfRecipient},
		{mail.OpRcpt, 550, "5.1.1", true, false, mail.Failed, mail.OfRecipient},

		{mail.OpData, none, "", true, false, mail.Deferred, mail.OfMessage},
		{mail.OpData, 451, "", true, false, mail.Deferred, mail.OfMessage},
		{mail.OpData, 554, "", true, false, mail.Failed, mail.OfMessage},
		{mail.OpBody, none, "", true, false, mail.Deferred, mail.OfMessage},
		{mail.OpBody, 552, "", true, false, mail.Failed, mail.OfMessage},
		{mail.OpDot, none, "", true, false, mail.Deferred, mail.OfMessage},
		{mail.OpDot, 451, "4.3.0", true, false, mail.Deferred, mail.OfMessage},
		{mail.OpDot, 452, "", true, false, mail.Deferred, mail.OfMessage},
		{mail.OpDot, 550, "5.6.0", true, false, mail.Failed, mail.OfMessage},
		{mail.OpDot, 550, "5.2.2", true, true, mail.Failed, mail.OfRecipient},
		{mail.OpDot, none, "", true, true, mail.Deferred, mail.OfMessage},

		{mail.OpMail, 250, "", false, false, mail.Deferred, mail.OfMessage}, // nonsense
		{mail.OpDot, 354, "", false, false, mail.Deferred, mail.OfMessage},
		{mail.OpRcpt, 999, "", false, false, mail.Deferred, mail.OfRecipient},
		{mail.OpRcpt, 650, "", false, false, mail.Deferred, mail.OfRecipient},
	} {
		o, s := judge(x.op, reply{code: x.code, enhanced: x.enhanced}, x.others, x.lmtp)
		if o != x.outcome || s != x.scope {
			t.Errorf("%v %d %s: %v, scope %d; want %v, scope %d", x.op, x.code, x.enhanced, o, s, x.outcome, x.scope)
		}
	}
}

// Each verb with 421, 451, 550, a cut and a reset, on the first message of a connection.
func TestS9_EachStage(t *testing.T) {
	stages := []string{relaytest.Connect, "EHLO", "MAIL", "RCPT", "DATA", relaytest.Dot}
	answers := map[string]relaytest.Answer{
		"421":   {Reply: "421 4.3.2 closing", Cut: true},
		"451":   {Reply: "451 4.3.0 Zip module failure"},
		"550":   {Reply: "550 5.7.1 no"},
		"cut":   {Cut: true},
		"reset": {Reset: true},
	}
	for i := range len(stages) * len(ways) {
		stage, way := stages[i%len(stages)], slices.Sorted(maps.Keys(ways))[i/len(stages)]
		for name, a := range answers {
			t.Run(stage+" "+name+" "+way, func(t *testing.T) {
				mta := relaytest.New(t, relaytest.Script{Offers: ways[way].offers, Answer: relaytest.At(stage, a)})
				c := client(t, nil, mta)
				r := c.Deliver(t.Context(), ways[way].message("x@y.example", "z@y.example"))
				lane := stage == relaytest.Connect || stage == "EHLO"
				want := mail.Deferred
				if name == "550" && !lane {
					want = mail.Failed
				}
				if !r.All(want) || (r.Sick() != nil) != lane || len(mta.Mails()) > 0 {
					t.Fatalf("%+v", r)
				}
				if a.Reply != "" && (r[0].Reply != a.Reply || r[0].Enhanced == "") {
					t.Fatalf("%+v", r[0])
				}
				if n := mta.Connections(); n != 1 {
					t.Fatalf("%d connections", n)
				}
				for _, x := range r {
					if x.RemoteMTA != mta.Address() || x.At.IsZero() || x.After == mail.OpNone || x.Err == nil {
						t.Fatalf("%+v", x)
					}
				}
			})
		}
	}
}

// The same on a connection that has carried a message: what only says that it is dead costs no attempt.
func TestS9_KeptConnectionsThatDied(t *testing.T) {
	second := func(stage string, a relaytest.Answer) func(relaytest.Step) relaytest.Answer {
		return relaytest.Once(func(s relaytest.Step) relaytest.Answer {
			if s.Conn == 1 && s.Message == 2 {
				return relaytest.At(stage, a)(s)
			}
			return relaytest.Answer{}
		})
	}
	for _, stage := range []string{"MAIL", "RCPT", "DATA", relaytest.Body, relaytest.Dot} {
		for name, a := range map[string]relaytest.Answer{
			"421": {Reply: "421 4.4.2 idle for too long", Cut: true}, "cut": {Cut: true}, "reset": {Reset: true},
		} {
			t.Run(stage+" "+name, func(t *testing.T) {
				mta := relaytest.New(t, relaytest.Script{Answer: second(stage, a)})
				c := client(t, nil, mta)
				text := text
				if stage == relaytest.Body {
					text = sample(8 << 20) // more than sockets hold: the dot has not left when it is cut
				}
				for i := range 2 {
					m := message("x@y.example")
					s := &spooled{content{text: text, size: int64(len(text))}}
					m.Content = s
					r := one(t, c.Deliver(t.Context(), m))
					if want := stage != relaytest.Dot || i == 0; (r.Outcome == mail.Delivered) != want {
						t.Fatalf("message %d: %+v", i, r)
					}
					if s.opened != 1 || s.closed != 1 {
						t.Fatalf("opened %d, closed %d times", s.opened, s.closed)
					}
					if i == 1 && stage == relaytest.Dot && r.After != mail.OpDot {
						t.Fatalf("%+v", r)
					}
				}
				if n := len(mta.Mails()); stage != relaytest.Dot && n != 2 {
					t.Fatalf("%d messages", n)
				}
			})
		}
	}
	t.Run("MAIL out of sequence", func(t *testing.T) {
		mta := relaytest.New(t, relaytest.Script{Answer: second("MAIL", relaytest.Answer{
			Reply: "503 5.5.1 sender already given"})})
		c := client(t, nil, mta)
		c.Deliver(t.Context(), message("x@y.example"))
		if !c.Deliver(t.Context(), message("x@y.example")).Done(1) || mta.Connections() != 2 {
			t.Fatal("not delivered by a second connection")
		}
	})
	t.Run("not wound back", func(t *testing.T) {
		mta := relaytest.New(t, relaytest.Script{Answer: second(relaytest.Body, relaytest.Answer{After: 10, Cut: true})})
		c := client(t, nil, mta)
		c.Deliver(t.Context(), message("x@y.example"))
		m := message("x@y.example")
		big := strings.Repeat("some text\r\n", 1_000_000) // more than sockets hold
		m.Content = &content{text: big, size: int64(len(big))}
		if r := one(t, c.Deliver(t.Context(), m)); r.Outcome != mail.Deferred || r.After != mail.OpBody {
			t.Fatalf("%+v", r)
		}
		if n := m.Content.(*content).opened; n != 1 {
			t.Fatalf("opened %d times", n)
		}
	})
	t.Run("noticed before MAIL", func(t *testing.T) {
		mta := relaytest.New(t, relaytest.Script{})
		c := client(t, nil, mta)
		c.Deliver(t.Context(), message("x@y.example"))
		mta.Hangup()
		if !c.Deliver(t.Context(), message("x@y.example")).Done(1) || mta.Connections() != 2 {
			t.Fatal("not delivered by a second connection")
		}
	})
	t.Run("only once", func(t *testing.T) {
		mta := relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
			if s.Conn > 1 || s.Message > 1 {
				return relaytest.At("MAIL", relaytest.Answer{Cut: true})(s)
			}
			return relaytest.Answer{}
		}})
		c := client(t, nil, mta)
		c.Deliver(t.Context(), message("x@y.example"))
		r := one(t, c.Deliver(t.Context(), message("x@y.example")))
		if r.Outcome != mail.Deferred || mta.Connections() != 2 {
			t.Fatalf("%d connections, %+v", mta.Connections(), r)
		}
	})
}

func TestS9_QuitAndReset(t *testing.T) {
	for _, a := range []relaytest.Answer{{Reply: "421 no"}, {Reply: "554 Too many nonmail commands", Cut: true}, {Cut: true}} {
		mta := relaytest.New(t, relaytest.Script{Answer: relaytest.First(relaytest.At("RSET", a), relaytest.At("QUIT", a),
			relaytest.For("no@y.example", "RCPT", relaytest.Answer{Reply: "550 no"}))})
		c := client(t, nil, mta)
		for range 3 {
			if r := c.Deliver(t.Context(), message("no@y.example")); !r.All(mail.Failed) {
				t.Fatalf("%+v", r)
			}
			if r := c.Deliver(t.Context(), message("x@y.example")); !r.Done(1) {
				t.Fatalf("%+v", r)
			}
		}
		c.Close()
	}
}

// An MTA that is badly set up must not bounce everybody's mail.
func TestS9_TheyRefuseUs(t *testing.T) {
	for _, a := range []struct{ verb, reply string }{
		{"MAIL", "530 5.7.0 authentication required"}, {"RCPT", "538 5.7.11 encryption required"},
		{"RCPT", "550 5.7.8 bad credentials"}, {"DATA", "530 no"},
	} {
		mta := relaytest.New(t, relaytest.Script{Answer: relaytest.At(a.verb, relaytest.Answer{Reply: a.reply})})
		c := client(t, nil, mta)
		r := c.Deliver(t.Context(), message("x@y.example", "z@y.example"))
		if !r.All(mail.Deferred) || r[0].Scope != mail.OfLane || r[1].Scope != mail.OfLane || r[0].Reply != a.reply {
			t.Errorf("%+v", r)
		}
	}
}

// The refusal of us ends the transaction, although another recipient was accepted before it.
func TestS9_TheyRefuseUsInTheMiddle(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Answer: relaytest.For("z@y.example", "RCPT",
		relaytest.Answer{Reply: "530 5.7.0 who are you"})})
	c := client(t, nil, mta)
	r := c.Deliver(t.Context(), message("x@y.example", "z@y.example", "a@y.example"))
	for _, x := range r {
		if x.Outcome != mail.Deferred || x.Scope != mail.OfLane {
			t.Errorf("%+v", x)
		}
	}
	if len(mta.Mails()) > 0 {
		t.Error("sent all the same")
	}
}

func TestTooManyRecipients(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Offers: lockstep, Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb == "RCPT" && s.Rcpt >= 3 {
			return relaytest.Answer{Reply: "452 4.5.3 too many recipients"}
		}
		return relaytest.For("bad@y.example", "RCPT", relaytest.Answer{Reply: "550 5.1.1 no"})(s)
	}})
	c := client(t, nil, mta)
	r := c.Deliver(t.Context(), message("a@y.example", "bad@y.example", "b@y.example", "c@y.example", "d@y.example"))
	for i, want := range []mail.Result{{Outcome: mail.Delivered}, {Outcome: mail.Failed}, {Outcome: mail.Delivered},
		{Scope: mail.OfSession}, {Scope: mail.OfSession}} {
		if r[i].Outcome != want.Outcome || r[i].Scope == mail.OfSession != (want.Scope == mail.OfSession) {
			t.Errorf("%d: %+v", i, r[i])
		}
	}
	if n := strings.Count(strings.Join(mta.Lines(), "|"), "RCPT"); n != 4 {
		t.Errorf("%d RCPT", n)
	}
}

func TestS7_MixedRecipients(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		mta := relaytest.New(t, relaytest.Script{LMTP: lmtp, Answer: relaytest.First(
			relaytest.For("a@y.example", "RCPT", relaytest.Answer{Reply: "550 5.1.1 no a"}),
			relaytest.For("b@y.example", "RCPT", relaytest.Answer{Reply: "450 4.2.1 b later"}),
		)})
		c := client(t, func(o *Options) { o.LMTP = lmtp }, mta)
		r := c.Deliver(t.Context(), message("a@y.example", "b@y.example", "c@y.example"))
		if r[0].Outcome != mail.Failed || r[1].Outcome != mail.Deferred || r[2].Outcome != mail.Delivered ||
			r[0].Reply != "550 5.1.1 no a" || r[1].Reply != "450 4.2.1 b later" {
			t.Fatalf("%+v", r)
		}
		m := message("a@y.example", "b@y.example")
		if r = c.Deliver(t.Context(), m); r[0].Outcome != mail.Failed || r[1].Outcome != mail.Deferred {
			t.Fatalf("%+v", r)
		}
		if x := mta.Mails(); len(x) != 1 || len(x[0].To) != 1 || x[0].To[0].Path != "c@y.example" {
			t.Fatalf("%+v", x)
		}
		if m.Content.(*content).opened > 0 || mta.Connections() != 1 {
			t.Fatal("the content was opened for nobody")
		}
	}
}

// Silence at each stage ends after the time of that stage, and after the dot it may have been delivered.
func TestS8_Silence(t *testing.T) {
	for stage, want := range map[string]time.Duration{relaytest.Connect: 5 * time.Minute, "EHLO": 5 * time.Minute,
		"MAIL": 5 * time.Minute, "RCPT": 5 * time.Minute, "DATA": 2 * time.Minute, relaytest.Dot: 10 * time.Minute} {
		t.Run(stage, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mta := relaytest.NewPipe(t, relaytest.Script{Answer: relaytest.At(stage, relaytest.Answer{Hang: true, Keep: true})})
				var events []mail.Event
				c := client(t, func(o *Options) {
					o.Observe = mail.ObserverFunc(func(e mail.Event) { events = append(events, e) })
				}, mta)
				began := time.Now()
				r := one(t, c.Deliver(t.Context(), message("x@y.example")))
				if d := time.Since(began); d != want {
					t.Errorf("ended after %v", d)
				}
				if r.Outcome != mail.Deferred || r.Err == nil || !strings.Contains(r.Err.Error(), "nothing for") {
					t.Errorf("%+v", r)
				}
				if dot := stage == relaytest.Dot; (r.After == mail.OpDot) != dot {
					t.Errorf("%+v", r)
				} else if dot && (len(events) != 1 || events[0].Op != mail.OpDot || len(mta.Mails()) != 1) {
					t.Errorf("%+v", events)
				}
			})
		})
	}
}

func TestS8_SlowScannerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mta := relaytest.NewPipe(t, relaytest.Script{Answer: relaytest.At(relaytest.Dot,
			relaytest.Answer{Delay: 9 * time.Minute})})
		c := client(t, nil, mta)
		if r := c.Deliver(t.Context(), message("x@y.example")); !r.Done(1) {
			t.Fatalf("%+v", r)
		}
	})
}

// When the context ends, nothing is cut after the dot before the grace is over.
func TestCancel(t *testing.T) {
	why := errors.New("stop")
	for _, x := range []struct {
		stage     string
		delay     time.Duration
		delivered bool
		took      time.Duration
	}{
		{"MAIL", 5 * time.Second, false, time.Second},
		{relaytest.Body, 5 * time.Second, true, 5 * time.Second}, // the octets have left by then
		{relaytest.Dot, 5 * time.Second, true, 5 * time.Second},
		{relaytest.Dot, 5 * time.Minute, false, 11 * time.Second},
	} {
		t.Run(fmt.Sprint(x.stage, x.delay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mta := relaytest.NewPipe(t, relaytest.Script{Answer: relaytest.At(x.stage, relaytest.Answer{Delay: x.delay})})
				c := client(t, nil, mta)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(why) })
				began := time.Now()
				r := one(t, c.Deliver(ctx, message("x@y.example")))
				if took := time.Since(began); (r.Outcome == mail.Delivered) != x.delivered || took != x.took {
					t.Fatalf("after %v: %+v", took, r)
				}
				if !x.delivered && !errors.Is(r.Err, why) {
					t.Fatalf("%+v", r)
				}
				if x.stage == "MAIL" && r.Scope != mail.OfSession {
					t.Fatalf("an attempt was counted: %+v", r)
				}
			})
		})
	}
}

func TestSTARTTLS(t *testing.T) {
	ca, config := relaytest.Certificate(t, "mail.test")
	modes := func(o *Options, mode wire.Mode) {
		o.Dial[0].Address = "mail.test:25"
		o.Dial[0].TLS = wire.TLS{Mode: mode, Roots: ca}
	}
	for _, lmtp := range []bool{false, true} {
		mta := relaytest.New(t, relaytest.Script{TLS: config, LMTP: lmtp})
		c := client(t, func(o *Options) { modes(o, wire.StartTLS); o.LMTP = lmtp }, mta)
		if r := c.Deliver(t.Context(), message("x@y.example")); !r.Done(1) || !mta.Mails()[0].TLS {
			t.Fatalf("%+v", r)
		}
	}
	mta := relaytest.New(t, relaytest.Script{TLS: config, Implicit: true})
	c := client(t, func(o *Options) { modes(o, wire.Implicit) }, mta)
	for range 3 {
		if r := c.Deliver(t.Context(), message("x@y.example")); !r.Done(1) || mta.Connections() != 1 {
			t.Fatalf("%+v", r)
		}
	}
}

func TestR1_NoFallBackToPlainText(t *testing.T) {
	ca, config := relaytest.Certificate(t, "mail.test")
	for name, s := range map[string]relaytest.Script{
		"not offered": {},
		"refused":     {TLS: config, Answer: relaytest.At("STARTTLS", relaytest.Answer{Reply: "454 4.7.0 later"})},
		"injected":    {TLS: config, Answer: relaytest.At("STARTTLS", relaytest.Answer{Raw: "220 go\r\n250 evil\r\n", Hang: true})},
		"cut":         {TLS: config, Answer: relaytest.At("STARTTLS", relaytest.Answer{Cut: true})},
	} {
		mta := relaytest.New(t, s)
		c := client(t, func(o *Options) {
			o.Dial[0].Address, o.Dial[0].TLS = "mail.test:25", wire.TLS{Roots: ca}
		}, mta)
		r := one(t, c.Deliver(t.Context(), message("x@y.example")))
		if r.Outcome != mail.Deferred || r.Scope != mail.OfLane || r.After != mail.OpTLS {
			t.Errorf("%s: %+v", name, r)
		}
		if strings.Contains(strings.Join(mta.Lines(), "|"), "MAIL") {
			t.Errorf("%s: mail in plain text", name)
		}
	}
}

// An attempt gives way to somebody who wants the message before the final dot, and never after it.
func TestYield(t *testing.T) {
	for _, x := range []struct {
		stage     string
		delivered bool
		took      time.Duration
	}{
		{"MAIL", false, time.Second},
		{"DATA", false, time.Second},
		{relaytest.Dot, true, 9 * time.Minute},
	} {
		t.Run(x.stage, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				delay := relaytest.Answer{Delay: 9 * time.Minute}
				if x.stage != relaytest.Dot {
					delay.Delay = time.Minute // below the time-out of the verb
				}
				mta := relaytest.NewPipe(t, relaytest.Script{Answer: relaytest.At(x.stage, delay)})
				c := client(t, nil, mta)
				yield, give := context.WithCancel(context.Background())
				time.AfterFunc(time.Second, give)
				began := time.Now()
				r := one(t, c.Deliver(mail.WithYield(t.Context(), yield), message("x@y.example")))
				if took := time.Since(began); (r.Outcome == mail.Delivered) != x.delivered || took != x.took {
					t.Fatalf("after %v: %+v", took, r)
				}
				if !x.delivered && (!errors.Is(r.Err, mail.ErrYield) || r.Scope != mail.OfSession) {
					t.Fatalf("%+v", r)
				}
				if r := one(t, c.Deliver(t.Context(), message("x@y.example"))); r.Outcome != mail.Delivered {
					t.Fatalf("the next one: %+v", r)
				}
			})
		})
	}
}
