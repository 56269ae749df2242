package relay

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

// wordless is a next hop that takes connections and never says a word.
type wordless struct{ asked int }

func (*wordless) Close() error { return nil }

func (*wordless) Deliver(context.Context, *mail.Message) mail.Report { panic("asked to deliver") }

func (c *wordless) Probe(ctx context.Context, m *mail.Message) mail.Report {
	c.asked++
	<-ctx.Done()
	return mail.Same(len(m.Envelope.Recipients), mail.Result{Scope: mail.OfSession, Err: ctx.Err()})
}

// A lane that never answers costs a visit seconds, once, and the message is collected as without an answer; whoever delivers
// waits as long as delivering does.
func TestAskIsNotKeptWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hop := &wordless{}
		a := &Ask{Dial: func(mail.Lane) (Connection, error) { return hop, nil },
			Route: func(mail.Origin, mail.Envelope, mail.Recipient) []mail.Lane { return []mail.Lane{"main"} }}
		m := &mail.Message{Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "a@b.example"}}}}
		began := time.Now()
		ask := func(took time.Duration, asked int) {
			t.Helper()
			at := time.Now()
			r := a.Probe(t.Context(), m)
			if d := time.Since(at); d != took || hop.asked != asked {
				t.Errorf("after %s: %s, asked %d times; want %s, %d", at.Sub(began), d, hop.asked, took, asked)
			}
			if len(r) != 1 || r[0].Outcome != mail.Deferred || r[0].Reply != "" {
				t.Errorf("%+v", r)
			}
		}
		ask(Patience, 1)
		ask(0, 1)
		time.Sleep(Silence - time.Second)
		ask(0, 1)
		time.Sleep(time.Second)
		ask(Patience, 2)
		a.Renew() // the next hops have changed
		ask(Patience, 3)

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		at := time.Now()
		if a.In("main").Probe(ctx, m); time.Since(at) != 5*time.Minute {
			t.Errorf("in delivering it was waited for %s", time.Since(at))
		}
		ended, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		time.Sleep(Silence)
		asked := hop.asked
		a.Probe(ended, m) // who asks has gone: that says nothing of the lane
		if a.Probe(t.Context(), m); hop.asked != asked+2 {
			t.Error("a lane is silent because nobody waited for it")
		}
	})
}
