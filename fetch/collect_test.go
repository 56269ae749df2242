package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// visit polls one maildrop without a Run.
func (w *world) visit(name string) Visit {
	w.t.Helper()
	if w.p.drops[name] == nil {
		w.p.Set(w.t.Context(), w.drops(name))
	}
	return w.p.Poll(w.t.Context(), name)[0]
}

// Small mail goes first and is let go of before the first large body, which comes in a session of its own.
func TestSmallBeforeLarge(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.put("L", 3<<20)
		b.put("s1", 5000)
		b.put("M", 2<<20)
		b.put("s2", 100)
		var atLarge []mail.UID
		b.msgs[2].slow = time.Second
		b.w.p.Observe = mail.Observers{&w.events, mail.ObserverFunc(func(e mail.Event) {
			if e.Op == mail.OpPoll && atLarge == nil {
				atLarge = b.uids()
			}
		})}
		v := w.visit("jaco")
		if v.Err != nil || v.Tally.Messages != 4 || v.Sessions != 3 {
			t.Errorf("%+v", v)
		}
		if !slices.Equal(atLarge, []mail.UID{"L", "M"}) {
			t.Errorf("after the first session %v are left", atLarge)
		}
		if want := []mail.UID{"s2", "s1", "M", "L"}; !slices.Equal(b.bodies(), want) {
			t.Errorf("asked for %v, want %v", b.bodies(), want)
		}
		list := w.events.of(mail.OpList)
		if len(list) != 1 || list[0].Messages != 4 || list[0].Octets < 5<<20 ||
			!strings.Contains(list[0].Text, "4 messages, 5.0M, will be collected") {
			t.Errorf("the cost was told as %+v", list)
		}
		w.visit("jaco")
		w.visit("jaco")
		if list = w.events.of(mail.OpList); len(list) != 2 || list[1].Messages != 0 || list[1].Text != "" {
			t.Errorf("that nothing waits was told as %+v", list[1:])
		}
		b.put("s3", 100)
		w.visit("jaco")
		if list = w.events.of(mail.OpList); len(list) != 3 || list[2].Messages != 1 || list[2].Text != "" {
			t.Errorf("there is one first contact: %+v", list[2:])
		}
	})
}

// Where only large mail waits, the first body needs no second login.
func TestOnlyLarge(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.put("L", 3<<20)
		b.put("M", 2<<20)
		if v := w.visit("jaco"); v.Err != nil || v.Sessions != 2 || v.Tally.Messages != 2 {
			t.Errorf("%+v", v)
		}
		if w.slots() != 0 {
			t.Errorf("%d large slots are not given back", w.slots())
		}
	})
}

// Large bodies take few slots, and give way to small mail of others.
func TestLargeSlots(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, name := range names(6) {
			b := w.drop(name, name)
			b.put(mail.UID(name+"/L"), 2<<20).slow = time.Hour
		}
		small := w.drop("small", "small")
		w.p.Overall = 3
		w.p.Set(t.Context(), w.drops(append(names(6), "small")...))
		stop := w.run()
		after(30 * time.Minute)
		if w.live() != 2 || w.slots() != 2 {
			t.Errorf("%d sessions with large bodies, %d slots", w.live(), w.slots())
		}
		small.put("s", 100)
		after(5 * time.Minute)
		if !w.queue.has("s") {
			t.Error("small mail has to wait for large bodies")
		}
		after(4 * time.Hour)
		if n := w.queue.count(); n != 7 {
			t.Errorf("%d of 7 collected", n)
		}
		stop()
	})
}

// Who waits for a large slot keeps the place, however often small mail is looked for meanwhile.
func TestLargeInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.p.Large = 1
		all := []string{"busy", "often", "seldom"}
		for i, name := range all {
			b := w.drop(name, name)
			b.put(mail.UID(name), 2<<20).slow = time.Hour
			b.change = func(d *Drop) { d.Every = []time.Duration{time.Hour, time.Minute, time.Hour}[i] }
		}
		stop := w.run()
		for i := range all {
			w.p.Set(t.Context(), w.drops(all[:i+1]...))
			after(10 * time.Second)
		}
		after(2*time.Hour + time.Minute)
		if !w.queue.has("busy") || !w.queue.has("often") || w.queue.has("seldom") {
			t.Error("who came later goes before")
		}
		stop()
	})
}

// A server that minds a second login gets one: from then on the large bodies come in the first session,
// last.
func TestLoginDelay(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.put("L", 2<<20)
		b.put("s1", 100)
		b.refuse = func(n int) error {
			if n > 1 && time.Since(b.opens[n-2]) < 15*time.Minute {
				return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Busy, After: 15 * time.Minute}
			}
			return nil
		}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(time.Minute)
		b.put("s2", 100)
		after(16 * time.Minute)
		if want := []mail.UID{"s1", "s2", "L"}; !slices.Equal(b.bodies(), want) {
			t.Errorf("asked for %v, want %v", b.bodies(), want)
		}
		if n := b.logins(); n != 3 {
			t.Errorf("%d logins", n)
		}
		stop()
	})
}

// Where the server says how long it wants to be left alone, messages that want a session of their own are no reason
// to come sooner, and new mail does not wait until each has had its own.
func TestLoginDelayHoldsForSuspects(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		const apart = 15 * time.Minute
		b := w.drop("jaco", "isp")
		b.delay = apart
		s := State{Account: "jaco", Met: time.Now(), Apart: apart, Suspects: map[mail.UID]Suspect{}}
		for _, uid := range []mail.UID{"1", "2", "3", "4"} {
			b.put(uid, 1000)
			s.Suspects[uid] = Suspect{}
		}
		note, _ := s.encode()
		w.notes.m["jaco"] = string(note)
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(time.Minute)
		b.put("new", 100)
		after(3 * apart)
		if i := slices.Index(b.bodies(), "new"); i < 0 || i > 2 {
			t.Errorf("new mail waited for suspects: asked for %v", b.bodies())
		}
		after(5 * apart)
		if len(b.bodies()) != 5 || len(b.uids()) > 0 {
			t.Errorf("asked for %v, left %v", b.bodies(), b.uids())
		}
		for i, at := range b.opens[1:] {
			if d := at.Sub(b.opens[i]); d < apart {
				t.Errorf("login %d came %v after the one before it", i+2, d)
			}
		}
		stop()
	})
}

// A message of which nobody knows who it is for stays, is named, and stops nobody.
func TestNoEnvelope(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("catchall", "isp")
		b.change = func(d *Drop) {
			d.Resolve = Multi{Fields: []Field{{Name: "X-Envelope-To"}}, Local: []string{"x"}}.Resolve
		}
		odd := b.put("odd", 200)
		l := b.put("good", 300)
		l.data = append([]byte("X-Envelope-To: a@x\r\n"), l.data...)
		if v := w.visit("catchall"); v.Err != nil || v.Tally.Messages != 1 || v.Tally.Left != 1 {
			t.Errorf("%+v", v)
		}
		if odd.forgot != 1 || l.forgot != 0 {
			t.Errorf("what is left is forgotten %d times, what is taken %d", odd.forgot, l.forgot)
		}
		a := w.aside("odd")
		if a == nil || a.Kind != AsideEnvelope || a.Why != "it has no header field X-Envelope-To" ||
			string(a.Header) != head || a.Trouble.Hint == "" {
			t.Errorf("aside: %+v", a)
		}
		after(25 * 24 * time.Hour) // its header is what it was
		w.visit("catchall")
		if n := len(b.bodies()); n != 1 {
			t.Errorf("bodies asked for: %v", b.bodies())
		}
	})
}

// What the MTA says before a large body comes, and how long a message waits upstream for it.
func TestLeave(t *testing.T) {
	for _, c := range []struct {
		name     string
		say      mail.Result
		kind     string
		collects time.Duration // after which it is collected; 0: never
	}{
		{"deferred", mail.Result{Reply: "450 later"}, AsideDeferred, time.Hour},
		{"sender", mail.Result{Outcome: mail.Failed, Reply: "550 spf", Enhanced: "5.7.23"}, AsideSender, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				b := w.drop("jaco", "isp")
				a := &asker{say: func(mail.Path, mail.Path) mail.Result { return c.say }}
				b.change = func(d *Drop) { d.Ask, d.Above = a, 32<<10 }
				l := b.put("1", 100<<10)
				w.p.Set(t.Context(), w.drops("jaco"))
				stop := w.run()
				after(time.Minute)
				if l.forgot != 1 {
					t.Errorf("what is left is forgotten %d times", l.forgot)
				}
				if x := w.aside("1"); x == nil || x.Kind != c.kind || x.Header == nil || len(b.bodies()) != 0 {
					t.Errorf("aside %+v, asked for %v", x, b.bodies())
				}
				after(4 * time.Hour)
				if got := w.queue.has("1"); got != (c.collects > 0) {
					t.Errorf("after hours collected: %v", got)
				}
				after(6 * 24 * time.Hour)
				if c.collects == 0 && (w.queue.refusals() != 1 || w.aside("1").tries != 6) {
					t.Errorf("after days refused: %v, asked %d times", w.queue.refusals(), w.aside("1").tries)
				}
				stop()
			})
		})
	}
}

// When the queue takes nothing, the session ends: the next message would cross the line for nothing.
func TestR25_QueueFull(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(*world)
		bodies int
	}{
		{"at Add", func(w *world) { w.queue.add = errors.New("no space left on device") }, 0},
		{"at Commit", func(w *world) { w.queue.commit = errors.New("no space left on device") }, 300},
		{"before", func(w *world) {
			w.p.Room = func(context.Context) error { return errors.New("disk reserve") }
		}, 0},
		{"marks", func(w *world) { w.ledger.err = errors.New("the database") }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				b := w.drop("jaco", "isp")
				for i := range 1000 {
					b.put(mail.UID(fmt.Sprint(i)), 1000)
				}
				c.spoil(w)
				v := w.visit("jaco")
				if kindOf(v.Err) != mail.Local || len(b.uids()) != 1000 {
					t.Errorf("%+v, %d left", v, len(b.uids()))
				}
				if n := len(b.bodies()); n > c.bodies {
					t.Errorf("%d bodies crossed the line", n)
				}
				if c.name == "before" && b.logins() != 0 {
					t.Error("dialled for nothing")
				}
			})
		})
	}
}

// A panic is one maildrop's trouble, with an alarm, and leaves nothing open.
func TestPanic(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b, other := w.drop("bad", "isp"), w.drop("good", "isp")
		b.change = func(d *Drop) {
			d.Resolve = func(context.Context, *mail.Message) error { panic("at the disco") }
		}
		b.put("1", 100)
		other.put("2", 100)
		w.p.Set(t.Context(), w.drops("bad", "good"))
		v := w.p.Poll(t.Context())
		if kindOf(v[0].Err) != mail.Protocol || v[1].Err != nil || !w.queue.has("2") {
			t.Errorf("%+v", v)
		}
		alarms := w.events.of(mail.OpAlarm)
		if len(alarms) != 1 || !alarms[0].Alarm || !strings.Contains(alarms[0].Err.Error(), "collect_test.go") {
			t.Errorf("alarms: %+v", alarms)
		}
		if w.live() != 0 {
			t.Error("the session is left open")
		}
	})
}

// The event at the end of a session tells what it cost.
func TestTold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		var up, down int64
		b.change = func(d *Drop) {
			d.Meter = func() (int64, int64) { up, down = up+100, down+1000; return up, down }
		}
		b.put("1", 500)
		b.put("2", 600)
		v := w.visit("jaco")
		e := w.events.of(mail.OpPoll)[0]
		if e.Messages != 2 || e.Octets != 1100 || e.Up != 100 || e.Down != 1000 || e.Err != nil || e.Wasted != 0 ||
			e.Origin.Maildrop != "jaco" || !e.Next.Equal(time.Now().Add(5*time.Minute)) {
			t.Errorf("%+v", e)
		}
		if v.Up != 100 || v.Down != 1000 || !v.Next.Equal(e.Next) {
			t.Errorf("%+v", v)
		}
	})
}

// R13: after a new numbering the queue finds that it knows what it is given, and that it stays. That ends no session.
func TestR13_KnownMailEndsNoSession(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		for i := range 400 {
			b.put(mail.UID(fmt.Sprintf("m%03d", i)), 100)
		}
		w.queue.commit = knownMail{}
		if v := w.visit("jaco"); v.Err != nil || v.Tally.Messages != 0 || len(b.bodies()) != 400 {
			t.Errorf("%d bodies, %+v", len(b.bodies()), v)
		}
		w.queue.commit = errors.New("disk")
		if v := w.visit("jaco"); v.Err == nil || len(b.bodies()) > 800 {
			t.Errorf("%d bodies, %+v", len(b.bodies()), v)
		}
	})
}

type knownMail struct{}

func (knownMail) Error() string { return "known" }
func (knownMail) Known() bool   { return true }

// What had come when a connection was cut, and nobody has read, is wasted like what was read of the body.
func TestUnreadIsWasted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		l := b.put("big", 10_000)
		l.grows, l.breaks = true, &mail.Trouble{Op: mail.OpFetch, Server: "isp", Err: io.ErrUnexpectedEOF}
		unread := int64(3)
		b.change = func(d *Drop) { d.Unread = func() int64 { unread += 700; return unread } }
		v := w.visit("jaco")
		if e := w.events.of(mail.OpPoll)[0]; e.Wasted != 5_500+700 || v.Wasted != e.Wasted {
			t.Errorf("told as %d and %d", e.Wasted, v.Wasted)
		}
	})
}
