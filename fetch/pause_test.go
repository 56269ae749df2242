package fetch

import (
	"errors"
	"slices"
	"testing"

	"mailretr/store/mail"
)

// Who owns a maildrop ends what he has paused, and not what an admin has; a restart changes nothing of that, and what was
// paused before it was noted who does is an admin's.
func TestPauseByOwner(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.drop("jaco", "isp")
		again := func() { // as a restart does
			w.p.Set(t.Context(), nil)
			w.p.Set(t.Context(), w.drops("jaco"))
		}
		w.p.Set(t.Context(), w.drops("jaco"))
		ctx := t.Context()
		for i, x := range []struct {
			do   func() error
			want error
		}{
			{func() error { return w.p.PauseByOwner(ctx, "jaco") }, nil},
			{func() error { again(); return w.p.ResumeByOwner(ctx, "jaco") }, nil},
			{func() error { return w.p.ResumeByOwner(ctx, "jaco") }, nil},
			{func() error { return w.p.PauseByOwner(ctx, "jaco") }, nil},
			{func() error { return w.p.Resume(ctx, "jaco") }, nil},
			{func() error { return w.p.PauseByOwner(ctx, "jaco") }, nil},
			{func() error { return w.p.Pause(ctx, "jaco") }, nil}, // it is the admin's now
			{func() error { return w.p.ResumeByOwner(ctx, "jaco") }, ErrNotByOwner},
			{func() error { again(); return w.p.ResumeByOwner(ctx, "jaco") }, ErrNotByOwner},
			{func() error { return w.p.PauseByOwner(ctx, "jaco") }, ErrNotByOwner},
			{func() error { return w.p.Resume(ctx, "jaco") }, nil},
			{func() error { w.notes.m["jaco"] = `{"paused":true}`; again(); return w.p.ResumeByOwner(ctx, "jaco") }, ErrNotByOwner},
			{func() error { return w.p.ResumeByOwner(ctx, "nobody") }, ErrUnknown},
		} {
			if err := x.do(); !errors.Is(err, x.want) {
				t.Errorf("%d: %v, want %v", i, err, x.want)
			}
		}
		var texts []string
		for _, e := range w.events.of(mail.OpVerb) {
			texts = append(texts, e.Text)
		}
		if want := []string{PausedByOwner, PausedByOwner, Resumed, PausedByOwner, Resumed, PausedByOwner, Paused, Paused, Resumed, Paused}; !slices.Equal(texts, want) {
			t.Errorf("told: %v", texts)
		}
	})
}
