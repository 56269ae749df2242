package fetch

import (
	"fmt"
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// R25: a server offers more mail that has to be left than is noted. What is beyond costs a header a day, not one a visit;
// small mail flows, and somebody who names the maildrop has all looked at. When there are fewer that is said too.
func TestR25_CrowdIsLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		const most, n = 10, 40
		w.ledger.most = most
		s := fetchtest.NewPOP3(t)
		for i := range n {
			s.Add(&fetchtest.Mail{Octets: letterOf(40<<10, time.Now()), UID: fmt.Sprint("large", i)})
		}
		spf := mail.Result{Outcome: mail.Failed, Reply: "550 spf", Enhanced: "5.7.23"}
		ask := &asker{say: func(mail.Path, mail.Path) mail.Result { return spf }}
		w.provider(s, func(d *Drop) { d.Ask, d.Above = ask, 32<<10 })
		stop := w.run()
		tops := func(want int, when string) {
			t.Helper()
			if got := s.Count("TOP"); got != want {
				t.Errorf("%s: %d TOP, want %d", when, got, want)
			}
		}
		after(time.Minute)
		tops(n, "at first")
		s.Add(&fetchtest.Mail{Octets: letterOf(1000, time.Now()), UID: "small"})
		after(23 * time.Hour)
		tops(n, "hours later")
		if !w.queue.has("small") || len(s.Left()) != n || w.state("jaco").Failures != 0 {
			t.Errorf("%d left; small mail has come: %v", len(s.Left()), w.queue.has("small"))
		}
		after(2 * time.Hour)
		tops(n+n-most, "a day later")
		w.p.Poll(t.Context(), "jaco")
		tops(n+2*(n-most), "named")
		w.ledger.mu.Lock()
		w.ledger.most = 0
		w.ledger.mu.Unlock()
		s.Clear()
		s.Add(&fetchtest.Mail{Octets: letterOf(40<<10, time.Now()), UID: "last"})
		after(50 * time.Hour)
		stop()
		told := w.events.of(mail.OpRemark)
		if len(told) != 2 || told[0].Text == "" || told[1].Text != "" || !w.state("jaco").Crowded.IsZero() {
			t.Errorf("told %+v", told)
		}
	})
}

// R25: of mail that the MTA defers, what cannot be noted is collected like the rest: nobody would know how long it waits.
func TestR25_CrowdIsDeferred(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.ledger.most = 10
		s := fetchtest.NewPOP3(t)
		for i := range 15 {
			s.Add(&fetchtest.Mail{Octets: letterOf(40<<10, time.Now()), UID: fmt.Sprint("large", i)})
		}
		ask := &asker{say: func(mail.Path, mail.Path) mail.Result { return mail.Result{Reply: "450 later"} }}
		w.provider(s, func(d *Drop) { d.Ask, d.Above = ask, 32<<10 })
		stop := w.run()
		after(time.Minute)
		if n := w.queue.count(); n != 5 {
			t.Errorf("%d collected, want 5", n)
		}
		after(2 * time.Hour)
		stop()
		if n := w.queue.count(); n != 15 || s.Count("TOP") != 15 {
			t.Errorf("%d collected in the end, with %d TOP", n, s.Count("TOP"))
		}
	})
}
