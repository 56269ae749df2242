package fetch

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/fetch/pop3"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// provider is a maildrop on a scripted POP3 server.
func (w *world) provider(s *fetchtest.POP3, change func(*Drop)) (up func() int64) {
	line := &fetchtest.Line{}
	d := Drop{
		Name: "jaco", Account: "acc", Server: "pop.test:110", Queue: w.queue,
		Resolve: Single{To: []mail.Path{"jaco@kroon.co.za"}}.Resolve,
		From: &pop3.Retriever{Options: pop3.Options{
			Dial: wire.Options{Address: "pop.test:110", TLS: wire.TLS{Mode: wire.Plain},
				DialContext: line.Dialer(s.Dial)},
			User: "jaco", Password: func(context.Context) (string, error) { return "secret", nil },
			After: pop3.Delete, Name: "jaco", Account: "acc",
		}},
		Meter: line.Octets,
	}
	if change != nil {
		change(&d)
	}
	w.p.Set(w.t.Context(), []Drop{d})
	return func() int64 { _, down := line.Octets(); return down }
}

func letterOf(size int, date time.Time) []byte {
	b := fmt.Appendf(nil, "Received: by mx;\r\n\t%s\r\n%s", date.Format("Mon, 2 Jan 2006 15:04:05 -0700"), head)
	for len(b) < size {
		b = append(b, "0123456789012345678901234567890123456789\r\n"...)
	}
	return b
}

// The real kind: small before large in sessions of their own, each octet once, old mail left alone.
func TestPOP3(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := fetchtest.NewPOP3(t)
		now := time.Now()
		s.Put(letterOf(2<<20, now), letterOf(5000, now), letterOf(800, now.AddDate(0, 0, -40)), letterOf(3000, now))
		down := w.provider(s, func(d *Drop) { d.First.Within = 30 * 24 * time.Hour })
		v := w.p.Poll(t.Context())[0]
		if v.Err != nil || v.Tally.Messages != 3 || v.Sessions != 2 || len(s.Left()) != 1 {
			t.Errorf("%+v, %d left", v, len(s.Left()))
		}
		if n := down(); n > (2<<20)*102/100 || v.Down != n {
			t.Errorf("%d octets on the line, %d told", n, v.Down)
		}
		s.Put(letterOf(700, now))
		if v = w.p.Poll(t.Context())[0]; v.Err != nil || v.Tally.Messages != 1 || v.Sessions != 1 {
			t.Errorf("%+v", v)
		}
	})
}

// A message that the MTA defers costs its header once, however often the MTA is asked. Another message under the same
// unique-id is told by its size.
func TestDeferredHeaderIsPaidOnce(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		inBubble(t, func(t *testing.T, w *world) {
			s := fetchtest.NewPOP3(t)
			m := &fetchtest.Mail{Octets: letterOf(100<<10, time.Now()), UID: "1"}
			s.Add(m)
			ask := &asker{say: func(mail.Path, mail.Path) mail.Result { return mail.Result{Reply: "450 later"} }}
			w.provider(s, func(d *Drop) { d.Ask, d.Above = ask, 32<<10 })
			stop := w.run()
			after(7 * time.Minute)
			if replaced {
				s.Clear()
				s.Add(&fetchtest.Mail{Octets: letterOf(120<<10, time.Now()), UID: "1"})
			}
			after(2 * time.Hour)
			stop()
			tops := map[bool]int{false: 1, true: 2}[replaced]
			if n := s.Count("TOP"); n != tops || len(ask.asked) < 3 || len(s.Left()) > 0 {
				t.Errorf("%d TOP for %d questions, %d left", n, len(ask.asked), len(s.Left()))
			}
		})
	}
}

// A server without TOP gives no headers first: what would be asked about is collected whole, once.
func TestPOP3WithoutTOP(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := fetchtest.NewPOP3(t)
		s.Caps, s.NoTOP = []string{"UIDL", "USER"}, true
		now := time.Now()
		s.Put(letterOf(100<<10, now), letterOf(5000, now), letterOf(200<<10, now))
		ask := &asker{say: func(mail.Path, mail.Path) mail.Result { return mail.Result{Outcome: mail.Delivered} }}
		down := w.provider(s, func(d *Drop) { d.Ask, d.Above = ask, 32<<10 })
		stop := w.run()
		after(time.Minute)
		stop()
		if n := w.queue.count(); n != 3 || len(s.Left()) != 0 {
			t.Errorf("%d collected, %d left", n, len(s.Left()))
		}
		if n := down(); n > 320_000 {
			t.Errorf("%d octets on the line", n)
		}
		if s := w.state("jaco"); s.Bare.IsZero() || s.Failures != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A server that announces how long it wants to be left alone is: everything comes in one session, small before large,
// and no visit is planned sooner.
func TestR23_LoginDelayAnnounced(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := fetchtest.NewPOP3(t)
		s.Caps = append(s.Caps, "LOGIN-DELAY 900 USER")
		var last time.Time
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"PASS": func(c *fetchtest.POP3Conn, _ string) bool {
			early := time.Since(last) < 15*time.Minute
			if last = time.Now(); early {
				c.Say("-ERR [LOGIN-DELAY] wait")
			}
			return early
		}}
		now := time.Now()
		s.Put(letterOf(2<<20, now), letterOf(5000, now), letterOf(3<<20, now))
		w.provider(s, nil)
		stop := w.run()
		after(time.Minute)
		if n := w.queue.count(); n != 3 || s.Count("PASS") != 1 {
			t.Errorf("%d collected in %d sessions", n, s.Count("PASS"))
		}
		after(3 * time.Hour)
		stop()
		if n := s.Count("PASS"); n < 10 || n > 13 {
			t.Errorf("%d logins in three hours", n)
		}
		if len(w.events.of(mail.OpPoll)) == 0 || w.state("jaco").Failures > 0 {
			t.Errorf("a login was refused: %+v", w.state("jaco"))
		}
	})
}

// R24: a server that hides what was asked for, as Gmail does, loses nothing to who lists hidden mail too, and nothing comes
// twice, whether mail is kept or deleted, and wherever a session is cut.
func TestR24_HiddenMail(t *testing.T) {
	for _, hides := range []fetchtest.Hiding{fetchtest.HidesAtRETR, fetchtest.HidesAtQUIT} {
		for _, after := range []pop3.After{pop3.Keep, pop3.Delete} {
			inBubble(t, func(t *testing.T, w *world) {
				s := fetchtest.NewPOP3(t)
				s.Caps, s.Hides = append(s.Caps, "EXPIRE 0"), hides
				for i := range 9 {
					s.Put(letterOf(2000+i, time.Now()))
				}
				retr := 0
				s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"RETR": func(c *fetchtest.POP3Conn, arg string) bool {
					if retr++; retr%4 == 0 && retr < 20 {
						c.Hide(arg)
						c.Raw("+OK\r\nSubject: half\r\n")
						c.Cut()
					}
					return retr%4 == 0 && retr < 20
				}}
				w.provider(s, func(d *Drop) {
					k := *d.From.(*pop3.Retriever)
					if k.After = after; hides == fetchtest.HidesAtRETR {
						k.User = "recent:jaco"
					}
					d.From = &k
				})
				stop := w.run()
				after := 5 * time.Hour
				<-time.After(after)
				stop()
				if n := w.queue.count(); n != 9 || len(w.queue.twice) > 0 {
					t.Errorf("hides %d: %d collected, twice %q", hides, n, w.queue.twice)
				}
			})
		}
	}
}
