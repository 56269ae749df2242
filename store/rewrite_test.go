package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"mailretr/store/mail"
)

// swap rewrites a to b and b to a, so that doing it twice shows, and makes several of one.
func swap(_ context.Context, _ mail.Origin, r mail.Recipient) ([]mail.Recipient, error) {
	to := map[mail.Path][]mail.Path{
		"a@a.example": {"b@b.example"}, "b@b.example": {"a@a.example"}, "all@a.example": {"x@a.example", "b@b.example"},
	}[r.Forward]
	if len(to) == 0 {
		return []mail.Recipient{r}, nil
	}
	var all []mail.Recipient
	for _, p := range to {
		all = append(all, mail.Recipient{Forward: p, Original: r.Forward.ORCPT(), Notify: r.Notify})
	}
	return all, nil
}

// recipients are those of all records, in order.
func (w *world) recipients() (all []mail.Path) {
	for _, r := range w.records() {
		for _, x := range r.Recipients {
			all = append(all, x.Forward)
		}
	}
	slices.Sort(all)
	return all
}

// Recipients are rewritten when a message comes in, before it is routed, and never again: not when it is routed anew,
// not by a restart.
func TestRewriteOnce(t *testing.T) {
	w := newWorld(t)
	w.Rewrite = swap
	w.put(message("1", "s@b.example", "a@a.example", "all@a.example"))
	want := []mail.Path{"b@b.example", "x@a.example"}
	if got := w.recipients(); !slices.Equal(got, want) || !slices.Equal(w.where(), []mail.Lane{"b.example", "main"}) {
		t.Fatalf("queued for %v in %v", got, w.where())
	}
	for _, r := range w.records() {
		if err := w.Retry(t.Context(), r.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.use(w.mem.reopen())
	w.Rewrite = swap
	if _, err := w.Reroute(t.Context(), func(mail.Lane) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if got := w.recipients(); !slices.Equal(got, want) {
		t.Errorf("later: %v", got)
	}
	for _, r := range w.records() {
		for _, x := range r.Recipients {
			if x.Original == "" {
				t.Errorf("%v: nobody knows what the sender wrote", x.Forward)
			}
		}
	}
}

// While nobody can say who gets a message, it stays where it is: nothing is staged, and nothing refused.
func TestNothingIsTakenWithoutTheTable(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("the table is away")
	w.Rewrite = func(context.Context, mail.Origin, mail.Recipient) ([]mail.Recipient, error) { return nil, broken }
	m := message("1", "s@b.example", "a@a.example")
	var trouble *mail.Trouble
	if r := w.Deliver(t.Context(), m); r.Of(0).Outcome != mail.Deferred || !errors.Is(r.Of(0).Err, broken) ||
		!errors.As(r.Of(0).Err, &trouble) || trouble.Kind != mail.Local {
		t.Errorf("%v", r)
	}
	if err := w.Refuse(t.Context(), m, mail.Report{no}); !errors.Is(err, broken) {
		t.Errorf("refused: %v", err)
	}
	for name, f := range map[string]mail.Rewrite{
		"nobody": func(context.Context, mail.Origin, mail.Recipient) ([]mail.Recipient, error) { return nil, nil },
		"S5, out of its place": func(_ context.Context, _ mail.Origin, r mail.Recipient) ([]mail.Recipient, error) {
			return []mail.Recipient{{Forward: "x>\r\nRCPT TO:<y@a.example"}}, nil
		},
	} {
		w.Rewrite = f
		if r := w.Deliver(t.Context(), m); r.Of(0).Outcome != mail.Deferred {
			t.Errorf("%s: %v", name, r)
		}
	}
	if w.mem.staged != 0 || len(w.records()) != 0 {
		t.Error("something was taken")
	}
}

// A refusal by a probe is told for those who would have got the message, and a report about a queued one names them
// too.
func TestRefusedAfterRewriting(t *testing.T) {
	w := newWorld(t)
	w.Rewrite = swap
	told := []mail.Path{"b@b.example", "x@a.example"}
	m := message("1", "s@z.example", "all@a.example", "a@a.example")
	if err := w.Refuse(t.Context(), m, mail.Report{no, no}); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(w.report.told); !slices.Equal(w.report.told, told) {
		t.Errorf("told %v", w.report.told)
	}
	w.report.told = nil
	w.put(message("2", "s@z.example", "a@a.example"))
	w.pass("b.example", always(no))
	w.clock.add(20 * time.Minute)
	w.pass("b.example", always(yes))
	if !slices.Equal(w.report.told, told[:1]) {
		t.Errorf("told %v", w.report.told)
	}
}
