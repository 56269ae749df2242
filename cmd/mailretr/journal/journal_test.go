package journal

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// TestR17_ServerTextStaysInItsLine: escapes, line ends, invalid UTF-8, overrides and a megabyte of text make one line.
func TestR17_ServerTextStaysInItsLine(t *testing.T) {
	evil := "\x1b[2J\r\nid=FORGED\x00\xff%s\u202e" + strings.Repeat("A", 1<<20)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			j := Journal{Log: slog.New(handler(&b))}
			j.Observe(mail.Event{At: time.Now(), Op: mail.OpDeliver, Reply: evil, Err: errors.New(evil), Text: evil,
				Origin: mail.Origin{Maildrop: evil, UID: mail.UID(evil)}, From: mail.Path(evil), To: mail.Path(evil), Relay: evil})
			out := b.String()
			if strings.Count(out, "\n") != 1 || len(out) > 12<<10 {
				t.Errorf("%d lines, %d octets", strings.Count(out, "\n"), len(out))
			}
			for _, bad := range []string{"\x1b", "\x00", "\u202e", "\r"} {
				if strings.Contains(out, bad) {
					t.Errorf("%q got through", bad)
				}
			}
		})
	}
}

// Every step has a sentence of its own; none is a bare gerund.
func TestEveryStepHasASentence(t *testing.T) {
	for op := mail.OpResolve; op.String() != "none"; op++ {
		for _, err := range []error{nil, errors.New("no")} {
			e := mail.Event{Op: op, Messages: 1, Err: err}
			if s := sentence(e); s == "" || s == op.Doing() {
				t.Errorf("%s, %v: %q", op, err, s)
			}
		}
	}
	if s := sentence(mail.Event{Op: mail.OpPoll, Messages: 2}); s != "collected" {
		t.Error(s)
	}
	if s := sentence(mail.Event{Op: mail.OpPoll, Err: errors.New("x")}); s != "not collected" {
		t.Error(s)
	}
}

// A poll that finds nothing is no line of an ordinary log, and a reply is not said twice.
func TestLinesAreFewAndShort(t *testing.T) {
	var b bytes.Buffer
	j := Journal{Log: slog.New(slog.NewTextHandler(&b, nil))}
	j.Observe(mail.Event{Op: mail.OpPoll})
	j.Observe(mail.Event{Op: mail.OpList})
	if b.Len() > 0 {
		t.Errorf("an empty poll says %s", b.String())
	}
	j.Observe(mail.Event{Op: mail.OpList, Text: "first contact: 3 messages stay in the maildrop"})
	j.Observe(mail.Event{Op: mail.OpDeliver, Reply: "451 Try later", Err: errors.New("SMTP error 451: Try later")})
	j.Observe(mail.Event{Op: mail.OpDeliver, Reply: "451 Try later", Err: errors.New("the line broke")})
	if out := b.String(); strings.Count(out, "\n") != 3 || strings.Contains(out, "SMTP error") ||
		!strings.Contains(out, `error="the line broke"`) {
		t.Error(out)
	}
}

func TestKeysStandInTheirOrder(t *testing.T) {
	var b bytes.Buffer
	j := Journal{Log: slog.New(slog.NewTextHandler(&b, nil))}
	j.Observe(mail.Event{At: time.Unix(0, 0), Op: mail.OpDeliver, ID: mail.NewID(time.Unix(1, 0), strings.NewReader("12345678")),
		Origin: mail.Origin{Maildrop: "jaco", UID: "7"}, From: "a@b.example", To: "c@d.example", Relay: "localhost:25",
		Attempt: 2, Delay: time.Second, Outcome: mail.Deferred, Enhanced: "4.3.0", Reply: "451 later"})
	at := -1
	for _, key := range []string{"id=", "maildrop=", "uid=", "from=", "to=", "relay=", "attempt=", "delay=", "dsn=", "status="} {
		i := strings.Index(b.String(), " "+key)
		if i <= at {
			t.Errorf("%s stands at %d, before its predecessor at %d:\n%s", key, i, at, b.String())
		}
		at = i
	}
}
