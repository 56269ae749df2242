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
