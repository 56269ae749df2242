package fetch

import (
	"errors"
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
