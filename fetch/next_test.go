package fetch

import (
	"testing"
	"time"

	"mailretr/store/mail"
)

// The table of what a failure means: the waits after each failure of one kind in a row.
func TestNext(t *testing.T) {
	const m, h = time.Minute, time.Hour
	busy := func(after time.Duration) *mail.Trouble { return &mail.Trouble{Kind: mail.Busy, After: after} }
	kind := func(k mail.Kind) *mail.Trouble { return &mail.Trouble{Kind: k} }
	for _, c := range []struct {
		name     string
		trouble  *mail.Trouble
		progress bool
		every    time.Duration
		waits    []time.Duration
		failures int // after the last one
	}{
		{"well", nil, false, 5 * m, []time.Duration{5 * m, 5 * m}, 0},
		{"unreachable", kind(mail.Unreachable), false, 5 * m, []time.Duration{10 * m, 20 * m, 40 * m, h, h}, 5},
		{"unreachable, long interval", kind(mail.Unreachable), false, 3 * h, []time.Duration{3 * h, 3 * h}, 2},
		{"a cut with progress", kind(mail.Unreachable), true, 5 * m, []time.Duration{5 * m, 5 * m}, 0},
		{"tls", kind(mail.Insecure), false, 5 * m, []time.Duration{10 * m, 20 * m, 40 * m, h}, 4},
		{"tls with progress", kind(mail.Insecure), true, 5 * m, []time.Duration{10 * m}, 1},
		{"auth", kind(mail.Auth), false, 5 * m, []time.Duration{h, 6 * h, 12 * h, 12 * h}, 4},
		{"auth, long interval", kind(mail.Auth), false, 24 * h, []time.Duration{24 * h, 24 * h}, 2},
		{"busy", busy(0), false, 5 * m, []time.Duration{5 * m, 5 * m}, 2},
		{"busy, asks for more", busy(15 * m), false, 5 * m, []time.Duration{15 * m, 15 * m}, 2},
		{"busy, asks for less", busy(time.Second), false, 5 * m, []time.Duration{m, m}, 2},
		{"busy, asks for less, short interval", busy(time.Second), false, 10 * time.Second,
			[]time.Duration{10 * time.Second}, 1},
		{"busy, asks for a year", busy(365 * 24 * h), false, 5 * m, []time.Duration{12 * h}, 1},
		{"protocol", kind(mail.Protocol), false, 5 * m, []time.Duration{10 * m, 20 * m, 40 * m, h}, 4},
		{"envelope", kind(mail.NoEnvelope), false, 5 * m, []time.Duration{5 * m, 5 * m}, 2},
		{"recipient", kind(mail.NoRecipient), false, 5 * m, []time.Duration{5 * m, 5 * m}, 2},
		{"local", kind(mail.Local), false, 5 * m, []time.Duration{5 * m, 5 * m}, 2},
		{"a kind of tomorrow", kind(99), false, 5 * m, []time.Duration{5 * m, 5 * m}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			var s State
			for i, want := range c.waits {
				s = Next(s, Ending{At: now, Trouble: c.trouble, Progress: c.progress, Every: c.every, Settings: "h"})
				if got := s.Next.Sub(now); got != want {
					t.Errorf("ending %d: wait %s, want %s", i+1, got, want)
				}
				now = s.Next
			}
			if s.Failures != c.failures {
				t.Errorf("%d failures, want %d", s.Failures, c.failures)
			}
			if s.Failures > 0 && (s.Settings != "h" || s.Since.IsZero() || s.Kind != c.trouble.Kind) {
				t.Errorf("not remembered: %+v", s)
			}
			s = Next(s, Ending{At: now, Every: c.every})
			if s.Failures != 0 || !s.Since.IsZero() || s.Next.Sub(now) != c.every {
				t.Errorf("a good end does not end it: %+v", s)
			}
		})
	}
}

// Each kind has its own steps; how long it has been failing at all is counted through.
func TestNextChangesKind(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	end := func(k mail.Kind) Ending {
		return Ending{At: now, Trouble: &mail.Trouble{Kind: k}, Every: 5 * time.Minute}
	}
	s := Next(State{}, end(mail.Unreachable))
	s = Next(s, end(mail.Unreachable))
	now = now.Add(time.Hour)
	s = Next(s, end(mail.Auth))
	if got := s.Next.Sub(now); got != time.Hour || s.Failures != 1 {
		t.Errorf("the first refused login waits %s, failures %d", got, s.Failures)
	}
	if now.Sub(s.Since) != time.Hour {
		t.Errorf("failing since %s", s.Since)
	}
}

// What is saved is what comes back; a maildrop that is well costs no commit per visit.
func TestStateSaved(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := Next(State{Met: now, Account: "a", Suspects: map[mail.UID]Suspect{"x\"/\x7f": {Strikes: 2, Octets: 7}}}, Ending{
		At: now, Trouble: &mail.Trouble{Kind: mail.Auth, Reply: "-ERR \x1b[2J"}, Every: time.Minute, Settings: "h"})
	b, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := decode(b)
	if err != nil || back.Failures != 1 || !back.Next.Equal(s.Next) || back.Suspects["x\"/\x7f"].Strikes != 2 {
		t.Errorf("saved %s, got %+v, %v", b, back, err)
	}
	if back.Reply != `-ERR \x1b[2J` {
		t.Errorf("R17: reply is kept as %q", back.Reply)
	}
	one, _ := Next(s, Ending{At: now, Every: time.Minute}).encode()
	two, _ := Next(s, Ending{At: now.Add(time.Hour), Every: time.Minute}).encode()
	if string(one) != string(two) {
		t.Errorf("a good visit changes what is saved: %s, %s", one, two)
	}
}

// A clock that was years ahead must not keep a maildrop from being visited after it was set right.
func TestPlausible(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for wait, want := range map[time.Duration]bool{
		-time.Hour: false, time.Hour: true, 12 * time.Hour: true, 13 * time.Hour: false, 4 * 365 * 24 * time.Hour: false,
	} {
		s := State{Failures: 1, Kind: mail.Unreachable, Next: now.Add(wait)}.plausible(now, time.Minute)
		if got := s.open(now); got != want {
			t.Errorf("a wait of %v holds: %v", wait, got)
		}
	}
	day := State{Failures: 1, Next: now.Add(20 * time.Hour)}
	if s := day.plausible(now, 24*time.Hour); !s.open(now) {
		t.Error("a maildrop that is visited once a day waits no longer than it should")
	}
}
