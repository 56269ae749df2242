// Package journal writes events into the log: one line per step, and one per recipient and attempt, with keys that never
// change their name or order (id maildrop uid from to relay attempt delay dsn status), so that whoever can read Postfix's log
// can read this one.
//
// It promises that nothing a server said can leave its line: all of it is escaped and cut. It decides nothing.
package journal

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"mailretr/store/mail"
)

// A Journal is a mail.Observer that logs. Safe for concurrent use.
type Journal struct{ Log *slog.Logger }

// widest is how much of a server's text a line may hold, in octets.
const widest = 512

// Observe writes one line.
func (j Journal) Observe(e mail.Event) {
	level := levelOf(e)
	if !j.Log.Enabled(context.Background(), level) {
		return
	}
	r := slog.NewRecord(e.At, level, sentence(e), 0)
	r.AddAttrs(identity(e)...)
	r.AddAttrs(outcome(e)...)
	r.AddAttrs(amounts(e)...)
	// The handler's error is that of standard error: there is nobody left to tell.
	_ = j.Log.Handler().Handle(context.Background(), r)
}

// levelOf: what an admin has to look at is an error, what did not work out for now a warning, what happens for every
// poll without mail is for debugging.
func levelOf(e mail.Event) slog.Level {
	switch {
	case e.Alarm:
		return slog.LevelError
	case e.Err != nil, e.Op == mail.OpDeliver && e.Outcome != mail.Delivered:
		return slog.LevelWarn
	case (e.Op == mail.OpPoll || e.Op == mail.OpList) && e.Messages == 0 && e.Text == "", e.Op == mail.OpProbe,
		e.Op == mail.OpRemark && e.Text == "":
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func identity(e mail.Event) (a []slog.Attr) {
	if !e.ID.Zero() {
		a = append(a, slog.String("id", e.ID.String()))
	}
	text := func(key, value string) {
		if value != "" {
			a = append(a, slog.String(key, mail.Printable(value, widest)))
		}
	}
	text("maildrop", e.Origin.Maildrop)
	text("uid", string(e.Origin.UID))
	if e.Op == mail.OpDeliver || e.Op == mail.OpQueue || e.From != "" {
		a = append(a, slog.String("from", e.From.String()))
	}
	if e.To != "" {
		a = append(a, slog.String("to", e.To.String()))
	}
	text("relay", e.Relay)
	text("lane", string(e.Lane))
	return a
}

func outcome(e mail.Event) (a []slog.Attr) {
	if e.Attempt > 0 {
		a = append(a, slog.Int("attempt", e.Attempt))
	}
	if e.Delay > 0 {
		a = append(a, slog.Duration("delay", e.Delay.Round(time.Millisecond)))
	}
	if e.Enhanced != "" {
		a = append(a, slog.String("dsn", mail.Printable(e.Enhanced, 20)))
	}
	if e.Op == mail.OpDeliver || e.Op == mail.OpLane {
		a = append(a, slog.String("status", e.Outcome.String()))
	}
	if e.Reply != "" {
		a = append(a, slog.String("reply", mail.Printable(e.Reply, widest)))
	}
	if e.Err != nil && !repeats(e) {
		a = append(a, slog.String("error", mail.Printable(e.Err.Error(), widest)))
		var t *mail.Trouble
		if errors.As(e.Err, &t) {
			a = append(a, slog.String("kind", t.Kind.String()))
		}
	}
	return a
}

// repeats says whether the error of an attempt says no more than the reply: "SMTP error 451: later" for "451 later".
func repeats(e mail.Event) bool {
	_, said, _ := strings.Cut(e.Reply, " ")
	return e.Err.Error() == e.Reply || e.Op == mail.OpDeliver && said != "" && strings.HasSuffix(e.Err.Error(), ": "+said)
}

func amounts(e mail.Event) (a []slog.Attr) {
	for _, x := range []struct {
		key string
		n   int64
	}{
		{"messages", int64(e.Messages)}, {"octets", e.Octets}, {"up", e.Up}, {"down", e.Down},
		{"saved", e.Saved}, {"wasted", e.Wasted},
	} {
		if x.n != 0 {
			a = append(a, slog.Int64(x.key, x.n))
		}
	}
	if !e.Next.IsZero() {
		a = append(a, slog.Time("next", e.Next))
	}
	return a
}
