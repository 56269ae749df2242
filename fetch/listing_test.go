package fetch

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/fetch/budget"
	"mailretr/store/mail"
)

// meteredGlance tells what was added; that costs nothing worth counting.
type meteredGlance struct{ meteredDrop }

func (d *meteredGlance) Glance(ctx context.Context) (string, error) {
	return glancing{d.dialogue}.Glance(ctx)
}

func (d *meteredGlance) Since(ctx context.Context, glance string) ([]mail.UID, bool, error) {
	return glancing{d.dialogue}.Since(ctx, glance)
}

// A long listing is reserved for before it is asked for, whatever the session before it has cost.
func TestListingHasToFit(t *testing.T) {
	for _, c := range []struct {
		month int64
		comes bool
	}{{300 << 10, false}, {500 << 10, true}} {
		inBubble(t, func(t *testing.T, w *world) {
			b := w.line("jaco", "isp")
			b.listing = 400 << 10
			b.put("small", 1000)
			book := w.budget(budget.Rules{Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: c.month}})
			w.p.Set(t.Context(), w.drops("jaco"))
			defer w.run()()
			after(time.Minute)
			spent := b.up.Load() + b.down.Load()
			if s := w.state("jaco"); spent > c.month || w.queue.has("small") != c.comes || (s.Kind == mail.Spent) == c.comes {
				t.Errorf("%d octets of %d on the line; %+v", spent, c.month, s)
			}
			if sheet := book.Sheets()[0]; sheet.Month.Line() != spent {
				t.Errorf("%d octets are counted, of %d", sheet.Month.Line(), spent)
			}
		})
	}
}

// A listing that no budget has room for costs one look a day, not one at each interval.
func TestListingThatNeverFits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		b.listing = 400 << 10
		b.put("small", 1000)
		w.budget(budget.Rules{Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: 300 << 10}})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(23 * time.Hour)
		if s := w.state("jaco"); b.logins() != 1 || s.Kind != mail.Spent {
			t.Errorf("%d logins for a listing that is not paid for; %+v", b.logins(), s)
		}
		if v := w.visit("jaco"); !strings.Contains(fmt.Sprint(v.Err), "cannot be listed, which takes 400K") {
			t.Errorf("somebody who asks for it is told: %v", v.Err)
		}
		b.mu.Lock()
		b.listing = 0 // somebody has tidied up
		b.mu.Unlock()
		after(25 * time.Hour)
		if !w.queue.has("small") {
			t.Errorf("it did not come a day later; %+v", w.state("jaco"))
		}
	})
}

// Where the listing that is due is not paid for, what was added comes all the same.
func TestNewMailWithoutListing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		b.glances, b.listing = true, 400<<10
		b.put("first", 1000)
		w.budget(budget.Rules{Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: 700 << 10}})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(3 * time.Hour)
		b.put("second", 1000)
		after(10 * time.Minute)
		if spent := b.up.Load() + b.down.Load(); !w.queue.has("second") || spent > 700<<10 {
			t.Errorf("it did not come, or passed the cap: %d octets; %+v", spent, w.state("jaco"))
		}
	})
}
