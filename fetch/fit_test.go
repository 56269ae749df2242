package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/fetch/budget"
	"mailretr/store/mail"
)

// bookNotes are the notes of a book, in memory.
type bookNotes struct {
	mu    sync.Mutex
	notes map[[2]string][]byte
}

func (n *bookNotes) Notes(_ context.Context, owner string) iter.Seq2[budget.Note, error] {
	return func(yield func(budget.Note, error) bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for k, v := range n.notes {
			if (owner == "" || owner == k[0]) && !yield(budget.Note{Owner: k[0], Key: k[1], Value: v}, nil) {
				return
			}
		}
	}
}

func (n *bookNotes) Save(_ context.Context, all []budget.Note) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, x := range all {
		n.notes[[2]string{x.Owner, x.Key}] = x.Value
	}
	return nil
}

// What a session without mail costs at this provider, and how fast a connection is.
const (
	login = 3000
	speed = 1e6 // octets a second
)

// metered is a box at the end of a line with a speed, and a meter.
type metered struct {
	*box
	up, down atomic.Int64
	squeeze  int64 // compression leaves one octet of so many; 0: there is none
	listing  int64 // octets of a listing; 0: they are not worth counting
	added    int64 // the same, of what was added
	sizes    int64 // of each message whose size is asked for
	blind    bool  // nothing of this is known before
	ask      atomic.Pointer[func() (int64, error)]
}

// came passes octets over the line, in pieces, as far as they are let.
func (b *metered) came(octets int64) error {
	for ; octets > 0; octets -= 1 << 10 {
		b.down.Add(min(octets, 1<<10))
		if ask := b.ask.Load(); ask != nil {
			if _, err := (*ask)(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *metered) Open(ctx context.Context) (mail.Maildrop, error) {
	drop, err := b.box.Open(ctx)
	if err != nil {
		return nil, err
	}
	b.up.Add(login / 3)
	b.down.Add(login - login/3)
	if g, ok := drop.(glancing); ok {
		return &meteredGlance{meteredDrop{g.dialogue, b}}, nil
	}
	return &meteredDrop{drop.(*dialogue), b}, nil
}

type meteredDrop struct {
	*dialogue
	b *metered
}

func (d *meteredDrop) Messages(ctx context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		if err := d.b.came(d.b.sizes * int64(len(want))); err != nil {
			yield(nil, err)
			return
		}
		for m, err := range d.dialogue.Messages(ctx, want) {
			if m != nil {
				m.Content = &meteredBody{m.Content.(*body), d.b}
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// foresees says what something will cost, where that is known.
func (d *meteredDrop) foresees(octets int64) int64 {
	if d.b.blind {
		return 0
	}
	return octets
}

func (d *meteredDrop) Listing() int64              { return d.foresees(d.b.listing) }
func (d *meteredDrop) Added(string) int64          { return d.foresees(d.b.added) }
func (d *meteredDrop) Sizes(want []mail.UID) int64 { return d.foresees(d.b.sizes * int64(len(want))) }

func (d *meteredDrop) List(ctx context.Context) ([]mail.UID, bool, error) {
	if err := d.b.came(d.b.listing); err != nil {
		return nil, false, err
	}
	return d.dialogue.List(ctx)
}

type meteredBody struct {
	*body
	b *metered
}

func (c *meteredBody) Open(ctx context.Context) (io.ReadCloser, error) {
	r, err := c.body.Open(ctx)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{&meteredReader{ctx, r, c.b}, r}, nil
}

type meteredReader struct {
	ctx context.Context
	r   io.Reader
	b   *metered
}

func (r *meteredReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p[:min(len(p), 16<<10)])
	r.b.down.Add(int64(n) / max(r.b.squeeze, 1))
	if e := pause(r.ctx, time.Duration(float64(n)/speed*float64(time.Second))); e != nil {
		return n, e
	}
	return n, err
}

// line puts a box at the end of a metered line.
func (w *world) line(name, server string) *metered {
	b := &metered{box: w.drop(name, server)}
	b.change = func(d *Drop) {
		d.From = b
		d.Meter = func() (up, down int64) { return b.up.Load(), b.down.Load() }
		d.Bound = func(ask func() (int64, error)) {
			if b.ask.Store(&ask); ask == nil {
				b.ask.Store(nil)
			}
		}
	}
	return b
}

// budget gives the poller a book with these rules.
func (w *world) budget(r budget.Rules) *budget.Book {
	r.Calendar.Zone = time.UTC
	b := &budget.Book{Store: &bookNotes{notes: map[[2]string][]byte{}}}
	if err := b.Set(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
	w.p.Budget = b
	w.p.Observe = mail.Observers{&w.events, b}
	return b
}

// at waits until this instant; a bubble begins on 2000-01-01, a Saturday.
func at(month time.Month, day, hour int) {
	after(time.Until(time.Date(2000, month, day, hour, 0, 0, 0, time.UTC)))
}

// A cap of 20 MB a month: collecting stops before it is passed, to within a small message; the status is
// told when it goes on; and it goes on on the reset day.
func TestMonthlyCap(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		const cap, small = 20 << 20, 50 << 10
		b := w.line("jaco", "isp")
		b.put("large", 5<<20)
		for i := range 500 {
			b.put(mail.UID(fmt.Sprint("m", i)), small)
		}
		book := w.budget(budget.Rules{
			Calendar: budget.Calendar{Reset: 15}, Line: budget.Limit{Month: cap}, Reserve: budget.Share{Percent: 10},
		})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		at(1, 14, 23)
		spent := b.up.Load() + b.down.Load()
		if spent > cap || spent < cap-small-small/8 {
			t.Errorf("%d octets on the line by the 14th, of %d", spent, cap)
		}
		if w.queue.has("large") {
			t.Error("the large one has taken the place of small ones")
		}
		s := w.state("jaco")
		if reset := time.Date(2000, 1, 15, 0, 0, 0, 0, time.UTC); s.Kind != mail.Spent || !s.Next.Equal(reset) {
			t.Errorf("%+v", s)
		}
		told := 0
		for _, e := range w.events.of(mail.OpPoll) {
			if e.Err != nil {
				if told++; !strings.Contains(e.Err.Error(), "cap for the month") {
					t.Error(e.Err)
				}
			}
		}
		if told != 1 {
			t.Errorf("told %d times that the cap is spent", told)
		}
		if sheet := book.Sheets()[0]; !sheet.Spent || sheet.Month.Line() != spent || sheet.Month.Messages == 0 {
			t.Errorf("%+v", sheet)
		}
		logins := b.logins()
		at(1, 15, 1)
		if b.logins() == logins {
			t.Fatal("it does not go on on the reset day")
		}
		at(1, 20, 0)
		if n := b.up.Load() + b.down.Load(); n > 2*cap || w.queue.count() != 501 {
			t.Errorf("%d messages and %d octets after the second month's beginning", w.queue.count(), n)
		}
	})
}

// Somebody who says so collects in spite of a budget; somebody who only asks does not.
func TestOverBudget(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		b.put("a", 900<<10)
		b.put("large", 2<<20)
		w.budget(budget.Rules{Drops: map[string]budget.Limit{"jaco": {Month: 500 << 10}}})
		w.p.Set(t.Context(), w.drops("jaco"))
		v := w.p.Poll(t.Context(), "jaco")[0]
		if v.Err != nil || w.queue.count() != 0 || v.Tally.Left != 2 {
			t.Errorf("%+v, %d messages", v, w.queue.count())
		}
		if a := w.aside("large"); a == nil || a.Kind != AsideBudget || !a.Next.Equal(time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%+v", a)
		}
		if v = w.p.PollOver(t.Context(), "jaco")[0]; v.Err != nil || w.queue.count() != 2 {
			t.Errorf("%+v, %d messages", v, w.queue.count())
		}
		v = w.p.Poll(t.Context(), "jaco")[0]
		if tr := mail.TroubleOf(mail.OpPoll, "", v.Err); tr == nil || tr.Kind != mail.Spent || v.Sessions != 0 {
			t.Errorf("what was collected over the budget counts: %+v", v)
		}
	})
}

// A budget that was raised is noticed at the next look, and by a reload at once.
func TestBudgetRaised(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		book := w.budget(budget.Rules{Line: budget.Limit{Month: 5000}})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(time.Hour)
		if b.logins() != 0 || w.state("jaco").Kind != mail.Spent {
			t.Fatalf("%d logins, %+v", b.logins(), w.state("jaco"))
		}
		if err := book.Set(t.Context(), budget.Rules{Line: budget.Limit{Month: 1 << 30}}); err != nil {
			t.Fatal(err)
		}
		w.p.Set(t.Context(), w.drops("jaco"))
		after(time.Second)
		if b.logins() != 1 || w.state("jaco").Failures != 0 {
			t.Errorf("%d logins, %+v", b.logins(), w.state("jaco"))
		}
	})
}

// Large mail waits for its hours, small mail does not; a night is enough for what waits.
func TestOffPeak(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		plain := b.change
		b.change = func(d *Drop) { plain(d); d.Waits = 100 << 10 }
		w.budget(budget.Rules{OffPeak: budget.Hours{{From: 22 * 60, To: 6 * 60}}})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		at(1, 1, 7)
		b.put("small", 5000)
		b.put("large", 200<<10)
		b.put("huge", 3<<20)
		at(1, 1, 21)
		if !w.queue.has("small") || w.queue.count() != 1 {
			t.Errorf("%d messages", w.queue.count())
		}
		if sizes := b.asks(); sizes > 2 {
			t.Errorf("their sizes were asked for %d times", sizes)
		}
		at(1, 1, 23)
		if w.queue.count() != 3 {
			t.Errorf("%d messages in the night", w.queue.count())
		}
	})
}

func (b *box) asks() int { b.mu.Lock(); defer b.mu.Unlock(); return b.sizes }

// What is too large stays, and is named once a day; what is let be costs no more than that.
func TestTooLarge(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		plain := b.change
		b.change = func(d *Drop) { plain(d); d.Most, d.Oversize.Above = 10<<20, 1<<20 }
		b.put("small", 5000)
		b.put("fits", 1<<20-1)
		b.put("large", 1<<20)
		b.put("huge", 11<<20)
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(49 * time.Hour)
		if w.queue.count() != 2 {
			t.Errorf("%d messages", w.queue.count())
		}
		for _, uid := range []mail.UID{"large", "huge"} {
			if a := w.aside(uid); a == nil || a.Kind != AsideRefused || a.tries != 3 || !strings.Contains(a.Why, "too large") {
				t.Errorf("%s: %+v", uid, a)
			}
		}
		if sizes := b.asks(); sizes > 4 {
			t.Errorf("sizes were asked for %d times in two days", sizes)
		}
	})
}

// A server that announces less than it sends is cut off where the budget ends.
func TestLiarIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		b.put("liar", 10<<20).size = 100
		w.budget(budget.Rules{Line: budget.Limit{Month: 1 << 20}})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(24 * time.Hour)
		if n := b.up.Load() + b.down.Load(); n > 1<<20+64<<10 {
			t.Errorf("%d octets on the line", n)
		}
		if w.state("jaco").Kind != mail.Spent {
			t.Errorf("%+v", w.state("jaco"))
		}
	})
}

// What is too large is told of, or refused, by its header alone, once; somebody who wants it gets it.
func TestTooLargeIsToldOf(t *testing.T) {
	for _, then := range []Then{ThenNotice, ThenBounce} {
		inBubble(t, func(t *testing.T, w *world) {
			b := w.line("jaco", "isp")
			plain := b.change
			b.change = func(d *Drop) { plain(d); d.Oversize = Oversize{Above: 1 << 20, Then: then} }
			b.put("small", 5000)
			b.put("large", 3<<20)
			book := w.budget(budget.Rules{Line: budget.Limit{Month: 1 << 20}}) // the header has room in it
			w.p.Set(t.Context(), w.drops("jaco"))
			stop := w.run()
			after(25 * time.Hour)
			if got := b.bodies(); len(got) != 1 || !w.queue.has("small") {
				t.Errorf("bodies of %v were asked for", got)
			}
			for _, e := range w.events.of(mail.OpList) {
				if e.Messages > 1 {
					t.Errorf("%d messages are said to be collected", e.Messages)
				}
			}
			told, refused := len(w.ledger.noticed), w.queue.refusals()
			if then == ThenNotice && (told != 1 || refused != 0 || len(b.uids()) != 1) ||
				then == ThenBounce && (told != 0 || refused != 1 || len(b.uids()) != 0) {
				t.Errorf("%d: told %d times, refused %d times, left %v", then, told, refused, b.uids())
			}
			if s := book.Sheets()[0]; then == ThenBounce && s.Month.Saved != 3<<20 || s.Spent {
				t.Errorf("%+v", s)
			}
			if stop(); then == ThenBounce {
				return
			}
			w.ledger.known, w.ledger.wanted = map[string]bool{}, []mail.UID{"large"}
			w.p.PollOver(t.Context(), "jaco")
			if !w.queue.has("large") || len(w.ledger.noticed) != 1 {
				t.Error("somebody wants it, and does not get it")
			}
		})
	}
}

// Where nothing can be noted the session ends: the header would be fetched again and again in it.
func TestNoticeFails(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		b.change = func(d *Drop) { d.From, d.Oversize = b, Oversize{Above: 1 << 20, Then: ThenNotice} }
		b.put("large", 3<<20)
		w.p.Set(t.Context(), w.drops("jaco"))
		w.ledger.refusing = errors.New("disk")
		v := w.p.Poll(t.Context(), "jaco")[0]
		if tr := mail.TroubleOf(mail.OpPoll, "", v.Err); tr == nil || tr.Kind != mail.Local || len(b.bodies()) != 0 {
			t.Errorf("%+v, bodies %v", v, b.bodies())
		}
	})
}

// Waiting for news costs too: where the budget is spent nobody waits, and on the next day somebody does
// again.
func TestSpentEndsWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := watchableBox(w)
		book := w.budget(budget.Rules{Line: budget.Limit{Day: 100 << 10}})
		var other atomic.Int64
		book.Meter("other", func() (up, down int64) { return 0, other.Load() })
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(time.Minute)
		if x.watches() != 1 || x.ended != 0 {
			t.Fatalf("%d watches, %d ended", x.watches(), x.ended)
		}
		other.Store(200 << 10)
		if err := book.Save(t.Context()); err != nil { // as it does each minute
			t.Fatal(err)
		}
		after(time.Hour)
		if x.ended != 1 || w.state("jaco").Kind != mail.Spent {
			t.Errorf("%d watches ended, %+v", x.ended, w.state("jaco"))
		}
		looks := x.logins()
		at(1, 1, 23)
		if x.watches() != 1 || x.logins() != looks {
			t.Errorf("%d watches, %d logins over a spent budget", x.watches(), x.logins()-looks)
		}
		at(1, 2, 1)
		if x.watches() != 2 || x.ended != 1 {
			t.Errorf("%d watches on the next day, %d ended", x.watches(), x.ended)
		}
	})
}

// What compression has saved of a reservation is had in the next visit, not in the next month; it is counted as saved.
func TestCompressedMailHasRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.line("jaco", "isp")
		b.squeeze = 4
		for i := range 60 {
			b.put(mail.UID(fmt.Sprint("m", i)), 100<<10)
		}
		book := w.budget(budget.Rules{Line: budget.Limit{Month: 2 << 20}})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(time.Hour)
		s := book.Sheets()[0]
		if w.queue.count() != 60 || s.Spent || s.Month.Saved < 4<<20 {
			t.Errorf("%d messages; %+v", w.queue.count(), s)
		}
	})
}

// What the MTA has refused by its header is not said to be collected any more.
func TestRefusedDoesNotWait(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		ask := &asker{say: func(_, to mail.Path) mail.Result {
			return mail.Result{Outcome: mail.Failed, Reply: "552 too big", Enhanced: "5.3.4"}
		}}
		b.change = func(d *Drop) { d.Ask, d.Above = ask, 1000 }
		b.put("large", 2000)
		w.visit("jaco")
		if e := w.events.of(mail.OpList); len(e) != 2 || e[0].Messages != 1 || e[1].Messages != 0 {
			t.Errorf("%+v", e)
		}
		if w.queue.refusals() != 1 {
			t.Error("it was not refused")
		}
	})
}
