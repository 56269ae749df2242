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

// meteredGlance tells what was added.
type meteredGlance struct{ meteredDrop }

func (d *meteredGlance) Glance(ctx context.Context) (string, error) {
	return glancing{d.dialogue}.Glance(ctx)
}

func (d *meteredGlance) Since(ctx context.Context, glance string) ([]mail.UID, bool, error) {
	if err := d.b.came(d.b.added); err != nil {
		return nil, false, err
	}
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

// Whatever a server sends, unforeseen, the session ends before a cap is passed, and the next one begins when there is
// something left.
func TestCapHoldsAgainstTheUnforeseen(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		b.listing, b.blind = 400<<10, true
		b.put("small", 1000)
		book := w.budget(budget.Rules{Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: 300 << 10}})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		at(1, 14, 23)
		spent := b.up.Load() + b.down.Load()
		if s := w.state("jaco"); spent > 300<<10 || spent < 290<<10 || s.Kind != mail.Spent || b.logins() != 1 {
			t.Errorf("%d octets of %d on the line, %d logins; %+v", spent, 300<<10, b.logins(), s)
		}
		if sheet := book.Sheets()[0]; sheet.Month.Line() != spent {
			t.Errorf("%d octets are counted, of %d", sheet.Month.Line(), spent)
		}
		b.mu.Lock()
		b.listing = 1000
		b.mu.Unlock()
		at(1, 15, 1)
		if !w.queue.has("small") {
			t.Errorf("it does not go on on the reset day; %+v", w.state("jaco"))
		}
	})
}

// Somebody who says that a budget may be passed is not held up in the middle.
func TestOverBudgetIsNotBound(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		b.listing, b.blind = 400<<10, true
		b.put("small", 1000)
		w.budget(budget.Rules{Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: 300 << 10}})
		w.p.Set(t.Context(), w.drops("jaco"))
		if v := w.p.PollOver(t.Context(), "jaco")[0]; v.Err != nil || !w.queue.has("small") {
			t.Errorf("%+v", v)
		}
	})
}

// What was added is reserved for too, and so are sizes: where there is no room nothing is asked for, and it is found out
// once a day.
func TestAdditionsAndSizesHaveToFit(t *testing.T) {
	for name, cost := range map[string]func(*metered){
		"what was added": func(b *metered) { b.added = 400 << 10 },
		"sizes":          func(b *metered) { b.sizes = 400 << 10 },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				b := w.line("jaco", "isp")
				b.glances = true
				b.put("first", 1000)
				w.budget(budget.Rules{Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: 300 << 10}})
				w.p.Set(t.Context(), w.drops("jaco"))
				defer w.run()()
				after(time.Minute)
				b.mu.Lock()
				cost(b)
				b.mu.Unlock()
				b.put("second", 1000)
				before := b.logins()
				after(23 * time.Hour)
				spent := b.up.Load() + b.down.Load()
				if s := w.state("jaco"); s.Kind != mail.Spent || b.logins() != before+1 || spent > 20<<10 {
					t.Errorf("%d octets, %d logins for what is not paid for; %+v", spent, b.logins()-before, s)
				}
				b.mu.Lock()
				b.added, b.sizes = 0, 0
				b.mu.Unlock()
				after(2 * time.Hour)
				if !w.queue.has("second") {
					t.Errorf("it did not come a day later; %+v", w.state("jaco"))
				}
			})
		})
	}
}

// A listing that was refused is asked for as soon as a budget allows it, and for another account, or other folders, at the
// next visit: nobody knows what those cost.
func TestRefusedListingIsAskedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		limit  int64
		change func(b *metered, d *Drop)
	}{
		"a larger budget": {600 << 10, func(*metered, *Drop) {}},
		"another account": {300 << 10, func(b *metered, d *Drop) { d.Account, b.listing = "other", 0 }},
		"other folders":   {300 << 10, func(b *metered, d *Drop) { d.Lists, b.listing = "other", 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				b := w.line("jaco", "isp")
				b.listing = 400 << 10
				b.put("small", 1000)
				rules := budget.Rules{Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: 300 << 10}}
				book := w.budget(rules)
				w.p.Set(t.Context(), w.drops("jaco"))
				defer w.run()()
				after(time.Hour)
				if b.logins() != 1 || w.state("jaco").Unlisted.IsZero() {
					t.Fatalf("%d logins; %+v", b.logins(), w.state("jaco"))
				}
				d := w.drops("jaco")
				b.mu.Lock()
				c.change(b, &d[0])
				b.mu.Unlock()
				rules.Line.Month, rules.Calendar.Zone = c.limit, time.UTC
				if err := book.Set(t.Context(), rules); err != nil {
					t.Fatal(err)
				}
				w.p.Set(t.Context(), d)
				after(time.Minute)
				if !w.queue.has("small") {
					t.Errorf("it did not come; %+v", w.state("jaco"))
				}
			})
		})
	}
}

// An account that was changed and cannot be listed either waits as the former one did.
func TestRefusedListingOfAnotherAccount(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		b.listing = 400 << 10
		b.put("small", 1000)
		w.budget(budget.Rules{Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: 300 << 10}})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(time.Hour)
		d := w.drops("jaco")
		d[0].Account = "other"
		w.p.Set(t.Context(), d)
		after(10 * time.Hour)
		if b.logins() != 2 {
			t.Errorf("%d logins", b.logins())
		}
	})
}
