package fetch

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// A message that breaks each session in which it is asked for stops nobody, and is set aside after three
// times alone.
func TestPoison(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.put("a", 1000)
		b.put("bad", 1500).breaks = nonsense()
		b.put("c", 2000)
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(11 * time.Minute) // broken at bad; then the others, and bad alone
		if !w.queue.has("a") || !w.queue.has("c") {
			t.Error("the others do not flow")
		}
		b.put("d", 100)
		after(6 * time.Minute)
		if !w.queue.has("d") {
			t.Error("new mail does not flow")
		}
		after(time.Hour)
		a := w.aside("bad")
		if a == nil || a.Kind != AsideBroken || !strings.Contains(a.Why, "3 times") || a.Trouble == nil {
			t.Fatalf("aside: %+v", a)
		}
		if d := a.Next.Sub(a.since); d != 24*time.Hour {
			t.Errorf("tried again after %s", d)
		}
		count := func() (n int) {
			for _, uid := range b.bodies() {
				if uid == "bad" {
					n++
				}
			}
			return n
		}
		if n := count(); n != 4 {
			t.Errorf("asked for %d times, want 1 and 3 alone", n)
		}
		b.put("e", 100)
		after(24 * time.Hour)
		if n := count(); n != 5 || w.aside("bad").tries != 2 {
			t.Errorf("a day later asked for %d times, set aside %d times", n, w.aside("bad").tries)
		}
		if s := w.state("jaco"); s.Failures != 0 {
			t.Errorf("the maildrop is well: %+v", s)
		}
		b.mu.Lock()
		for _, l := range b.msgs {
			l.breaks = nil
		}
		b.mu.Unlock()
		after(24 * time.Hour)
		if !w.queue.has("bad") || len(w.state("jaco").Suspects) != 0 {
			t.Error("mended, and not collected")
		}
		stop()
	})
}

// Where nothing else waits the maildrop is well all the same: new mail must not wait for the back-off of a
// bad message.
func TestPoisonOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.put("bad", 1500).breaks = nonsense()
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(11 * time.Minute)
		if a := w.aside("bad"); a == nil || len(b.bodies()) != 3 || w.state("jaco").Failures != 0 {
			t.Errorf("aside %+v, asked for %v", a, b.bodies())
		}
		stop()
	})
}

// A line that is cut is no fault of the message at which it is cut.
func TestCutLineIsNoPoison(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		l := b.put("big", 10_000)
		l.grows, l.breaks = true, &mail.Trouble{Op: mail.OpFetch, Server: "isp", Err: io.ErrUnexpectedEOF}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(10 * time.Hour)
		if a := w.aside("big"); a != nil {
			t.Errorf("set aside: %+v", a)
		}
		polls := w.events.of(mail.OpPoll)
		if e := polls[0]; e.Wasted != 5_500 || kindOf(e.Err) != mail.Unreachable {
			t.Errorf("the waste was told as %d, %v", e.Wasted, e.Err)
		}
		b.mu.Lock()
		l.grows = false // a cut at the same place each time is none of the line
		b.mu.Unlock()
		after(24 * time.Hour)
		if a := w.aside("big"); a == nil {
			t.Error("not set aside")
		}
		stop()
	})
}

// A reply that concerns one message only ends no session; after three of them it is set aside.
func TestRefusedAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.put("odd", 100).breaks = &mail.Trouble{
			Op: mail.OpFetch, Kind: mail.Protocol, Alone: true, Reply: "-ERR cannot"}
		b.put("big", 100).breaks = &mail.Trouble{
			Op: mail.OpFetch, Kind: mail.Local, Alone: true, Err: errors.New("too big")}
		b.put("z", 200)
		for i := range 4 {
			if v := w.visit("jaco"); v.Err != nil {
				t.Errorf("visit %d: %+v", i, v)
			}
		}
		if !w.queue.has("z") {
			t.Error("the other one does not flow")
		}
		if a := w.aside("odd"); a == nil || a.Trouble.Reply != "-ERR cannot" {
			t.Errorf("odd: %+v", a)
		}
		if a := w.aside("big"); a == nil || a.tries != 1 || a.Kind != AsideRefused {
			t.Errorf("big: %+v", a)
		}
	})
}

// What is listed under an old UID but is another message is not deleted by the old one's mark.
func TestR13_OtherMessageUnderSameUID(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.put("1", 500)
		b.closed = &mail.Trouble{Op: mail.OpQuit, Err: io.ErrUnexpectedEOF}
		w.visit("jaco")
		b.closed, b.msgs = nil, nil
		other := b.put("1", 700)
		w.visit("jaco")
		if got := w.queue.got["1"]; len(got) != len(other.data) {
			t.Errorf("the other message was not collected: %d octets", len(got))
		}
	})
}

// What was taken, and whose deletion was lost with QUIT, is let go of later and crosses the line once.
func TestR24_LostQuit(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		l := b.put("1", 500)
		b.closed = &mail.Trouble{Op: mail.OpQuit, Err: io.ErrUnexpectedEOF}
		v := w.visit("jaco")
		if v.Err == nil || w.state("jaco").Failures != 0 {
			t.Errorf("a cut with progress is no failure: %+v", v)
		}
		b.closed, b.msgs = nil, []*letter{l}
		w.visit("jaco")
		if len(b.bodies()) != 1 || len(b.uids()) != 0 {
			t.Errorf("asked for %v, left %v", b.bodies(), b.uids())
		}
	})
}
