package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"mailretr/store/mail"
)

// line is a content that goes on where it broke, over a line that is cut.
type line struct {
	text
	at      []int64 // where each transfer began
	moved   int64   // octets that crossed the line
	refuses error   // what it says of a beginning in the middle
	cause   error   // why it breaks; nil: it is cut
	dies    func()  // called when it breaks
	clock   *clock  // a second passes with each 100,000 octets
}

func (l *line) Resumes() bool { return true }

func (l *line) Open(ctx context.Context) (io.ReadCloser, error) { return l.OpenAt(ctx, 0) }

func (l *line) OpenAt(_ context.Context, n int64) (io.ReadCloser, error) {
	l.at = append(l.at, n)
	if l.refuses != nil && n > 0 {
		return nil, l.refuses
	}
	rest := l.b[n:]
	end := io.Reader(bytes.NewReader(nil))
	if l.cut > 0 && len(rest) > l.cut {
		rest, end = rest[:l.cut], failing{cmpErr(l.cause, io.ErrUnexpectedEOF), l.dies}
	}
	return io.NopCloser(&ticking{io.MultiReader(bytes.NewReader(rest), end), l}), nil
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

type failing struct {
	err  error
	dies func()
}

func (f failing) Read([]byte) (int, error) {
	if f.dies != nil {
		f.dies()
	}
	return 0, f.err
}

type ticking struct {
	r io.Reader
	l *line
}

func (t *ticking) Read(b []byte) (int, error) {
	n, err := t.r.Read(b[:min(len(b), 10_000)])
	before := t.l.moved / 100_000
	t.l.moved += int64(n)
	if t.l.clock != nil && t.l.moved/100_000 > before {
		t.l.clock.add(time.Second)
	}
	return n, err
}

// long makes a message of about n octets; every tenth line has a bare LF, which the queue makes longer.
func long(n int) []byte {
	b := []byte("From: a@example.org\r\nSubject: long\r\n\r\n")
	for i := 0; len(b) < n; i++ {
		end := "\r\n"
		if i%10 == 0 {
			end = "\n"
		}
		b = fmt.Appendf(b, "line %d of the body%s", i, end)
	}
	return b
}

func normalOf(t *testing.T, b []byte) []byte {
	var out []byte
	_, _, err := normalize(bytes.NewReader(b), make([]byte, 4096), new(reach), func(p []byte) error {
		out = append(out, p...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) deliverLine(l *line) mail.Report {
	m := message("INBOX/1/7", "a@example.org", "jaco@example.net")
	m.Content = l
	return w.Deliver(w.Context(), m)
}

// once checks that the message is queued once, octet for octet, and that nothing is left of its beginnings.
func (w *world) once(l *line) {
	w.Helper()
	all := w.records()
	if len(all) != 1 {
		w.Fatalf("%d records, want 1", len(all))
	}
	if want := normalOf(w.T, l.b); !bytes.Equal(w.mem.disk.bodies[all[0].Body], want) {
		w.Fatalf("%d octets differ from the %d that were sent", all[0].Size, len(want))
	}
	for p := range w.Partials(w.Context(), "") {
		w.Fatalf("a note is left: %+v", p)
	}
	if len(w.mem.disk.partial) > 0 || w.mem.staged > 1 {
		w.Fatalf("left: %d partial files, %d staged", len(w.mem.disk.partial), w.mem.staged)
	}
}

// TestCutLine: a body of ten pieces comes over a line that is cut at each of them, with a restart each time.
func TestCutLine(t *testing.T) {
	w := newWorld(t)
	l := &line{text: text{b: long(3_000_000), cut: 300_000}}
	for range 20 {
		if w.deliverLine(l).Done(1) {
			break
		}
		w.use(w.mem.reopen())
	}
	w.once(l)
	if waste := l.moved - int64(len(l.b)); waste > 20*100 {
		t.Errorf("%d octets crossed the line more than once; each cut may cost the line it fell in", waste)
	}
}

// TestKilledInBody: what was synced a second ago survives a death that nobody could announce.
func TestKilledInBody(t *testing.T) {
	w := newWorld(t)
	l := &line{text: text{b: long(3_000_000), cut: 1_500_000}, clock: w.clock}
	var after *mem
	l.dies = func() { after = w.mem.reopen() } // the one before is dead from now on
	if w.deliverLine(l).Done(1) {
		t.Fatal("delivered")
	}
	w.use(after)
	l.cut, l.dies = 0, nil
	if r := w.deliverLine(l); !r.Done(1) {
		t.Fatalf("not delivered: %+v", r)
	}
	w.once(l)
	if at := l.at[1]; at < 1_300_000 {
		t.Errorf("went on at %d, though %d had come at 100,000 a second", at, 1_500_000)
	}
}

// TestPartialNotBuiltUpon: where what is here cannot be the beginning of what is there, it is fetched anew.
func TestPartialNotBuiltUpon(t *testing.T) {
	for name, spoil := range map[string]func(*world, *line){
		"another size": func(_ *world, l *line) { l.b = append(l.b, "more\r\n"...) },
		"no file":      func(w *world, _ *line) { clear(w.mem.disk.partial) },
		"nonsense": func(w *world, l *line) {
			l.cause = &mail.Trouble{Kind: mail.Protocol, Err: errors.New("nonsense")}
			w.deliverLine(l)
			l.cause = nil
		},
		"refused there": func(w *world, l *line) {
			l.refuses = &mail.Trouble{Kind: mail.Protocol, Alone: true, Err: errors.New("no such part")}
			if w.deliverLine(l).Done(1) {
				w.Fatal("delivered")
			}
			l.refuses = nil
		},
		"unlisted": func(w *world, _ *line) {
			if _, err := w.Choose(w.Context(), Listing{Maildrop: "jaco", Account: "acc", Complete: true}); err != nil {
				w.Fatal(err)
			}
		},
		"old": func(w *world, _ *line) {
			w.clock.add(31 * 24 * time.Hour)
			if err := w.DropOld(w.Context()); err != nil {
				w.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := &line{text: text{b: long(900_000), cut: 500_000}}
			w.deliverLine(l)
			spoil(w, l)
			l.at, l.cut = nil, 0
			if !w.deliverLine(l).Done(1) || l.at[0] != 0 {
				t.Fatalf("transfers began at %v, want 0", l.at)
			}
			w.once(l)
		})
	}
}

// TestPartialTellsWhatIsKept: who counts waste is told what is none, and who counts savings what was saved.
func TestPartialTellsWhatIsKept(t *testing.T) {
	w := newWorld(t)
	l := &line{text: text{b: long(900_000), cut: 500_000}}
	var k interface{ Kept() int64 }
	if err := w.deliverLine(l).Of(0).Err; !errors.As(err, &k) || k.Kept() < 499_900 || k.Kept() > 500_000 {
		t.Fatalf("%v", err)
	}
	w.deliverLine(l)
	if e := w.events.of(mail.OpQueue); len(e) != 1 || e[0].Saved != k.Kept() {
		t.Fatalf("saved: %+v, want %d", e, k.Kept())
	}
	// A small one is not worth a file.
	small := &line{text: text{b: long(100_000), cut: 50_000}}
	if err := w.deliverLine(small).Of(0).Err; errors.As(err, &k) {
		t.Fatal("a small body was kept")
	}
}
