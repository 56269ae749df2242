package fetch

import (
	"context"
	"strings"
	"testing"
	"time"

	"mailretr/fetch/budget"
	"mailretr/fetch/fetchtest"
	"mailretr/fetch/pop3"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// The real kind, and a server that answers with far more than anybody could foresee: a listing of long lines, a header
// without an end. The line counts, and the cap is not passed.
func TestCapHoldsAgainstAServer(t *testing.T) {
	long := strings.Repeat("x", 400)
	flood := func(c *fetchtest.POP3Conn) bool {
		for c.Raw(long + "\r\n") {
		}
		return true
	}
	for verb, answer := range map[string]func(*fetchtest.POP3Conn, string) bool{
		"UIDL": func(c *fetchtest.POP3Conn, _ string) bool { c.Raw("+OK\r\n"); return flood(c) },
		"TOP":  func(c *fetchtest.POP3Conn, _ string) bool { c.Raw("+OK\r\n"); return flood(c) },
		"STAT": func(c *fetchtest.POP3Conn, _ string) bool { return flood(c) },
	} {
		t.Run(verb, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				const cap = 200 << 10
				s := fetchtest.NewPOP3(t)
				s.Put(letterOf(64<<10, time.Now()))
				s.On = map[string]func(*fetchtest.POP3Conn, string) bool{verb: answer}
				meter := &wire.Meter{}
				d := Drop{
					Name: "jaco", Account: "acc", Server: "pop.test:110", Queue: w.queue,
					Resolve: Single{To: []mail.Path{"jaco@kroon.co.za"}}.Resolve,
					Ask:     &asker{say: func(mail.Path, mail.Path) mail.Result { return mail.Result{Outcome: mail.Delivered} }}, Above: 32 << 10,
					From: &pop3.Retriever{Options: pop3.Options{
						Dial: wire.Options{Address: "pop.test:110", TLS: wire.TLS{Mode: wire.Plain}, DialContext: s.Dial, Meter: meter},
						User: "jaco", Password: func(context.Context) (string, error) { return "secret", nil },
						After: pop3.Delete, Name: "jaco", Account: "acc",
					}},
					Meter: func() (up, down int64) { return meter.Up.Load(), meter.Down.Load() },
					Bound: meter.Bound,
				}
				w.budget(budget.Rules{Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: cap}})
				w.p.Set(t.Context(), []Drop{d})
				stop := w.run()
				after(13 * 24 * time.Hour)
				stop()
				if n := meter.Up.Load() + meter.Down.Load(); n > cap {
					t.Errorf("%d octets on the line, of %d; %+v", n, cap, w.state("jaco"))
				}
			})
		})
	}
}
