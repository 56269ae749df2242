package fetch

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"mailretr/store/mail"
)

// One maildrop among many is added, changed or taken out; the others are not looked at for it, whatever their last visit was.
func TestUpdateDisturbsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, name := range []string{"fails", "stays", "goes", "comes"} {
			w.drop(name, name).put(mail.UID(name+"/1"), 1000)
		}
		w.boxes["fails"].refuse = away
		w.p.Set(t.Context(), w.drops("fails", "stays", "goes"))
		stop := w.run()
		after(time.Minute)
		before := [2]int{w.boxes["fails"].logins(), w.boxes["stays"].logins()}
		w.boxes["fails"].refuses(nil) // who looked would get in
		w.p.Update(t.Context(), w.drops("comes"), []string{"goes", "nobody"})
		after(time.Minute)
		if now := [2]int{w.boxes["fails"].logins(), w.boxes["stays"].logins()}; now != before {
			t.Errorf("logins %v, then %v", before, now)
		}
		if !w.queue.has("comes/1") || !slices.Equal(w.p.Names(), []string{"comes", "fails", "stays"}) {
			t.Errorf("there are %q", w.p.Names())
		}
		if v := w.p.Poll(t.Context(), "goes"); !errors.Is(v[0].Err, ErrUnknown) {
			t.Errorf("%+v", v)
		}
		stop()
	})
}

// How many sessions there are at once may change while some wait for their turn.
func TestLimitChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.p.PerServer = 1
		for i := range 10 {
			w.drop(fmt.Sprint(i), "isp").last = time.Minute
		}
		w.p.Set(t.Context(), w.drops("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"))
		stop := w.run()
		for _, x := range []struct {
			perServer, overall, live int
			later                    time.Duration
		}{{1, 20, 1, time.Second}, {5, 20, 5, time.Second}, {5, 3, 5, time.Second}, {5, 3, 3, time.Minute}} {
			w.p.Limit(x.perServer, x.overall, 2)
			after(x.later)
			if n := w.live(); n != x.live {
				t.Errorf("%+v: %d sessions", x, n)
			}
		}
		stop()
	})
}
