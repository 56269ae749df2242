package utf7

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// names are folders as people call them, and as servers write them.
var names = map[string]string{
	"":                   "",
	"INBOX":              "INBOX",
	"Junk & Spam":        "Junk &- Spam",
	"Entwürfe":           "Entw&APw-rfe",
	"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-", // the example of RFC 3501, 5.1.3
	"Папка/*":            "&BB8EMAQ,BDoEMA-/*",
	"a\U0001F4E7b":       "a&2D3c5w-b",
	"\x7f\t":             "&AH8ACQ-",
}

func TestNames(t *testing.T) {
	for name, coded := range names {
		if got := Encode(name); got != coded {
			t.Errorf("%q is written %q, not %q", name, got, coded)
		}
		if got, ok := Decode(coded); got != name || !ok {
			t.Errorf("%q is read as %q, %v", coded, got, ok)
		}
	}
	for _, bad := range []string{"&", "&AP", "&APw", "&A-", "&AP-", "&APx-", "&AP w-", "&AP/w-", "a&b"} {
		if name, ok := Decode(bad); ok && Encode(name) == bad {
			t.Errorf("%q is taken for %q", bad, name)
		}
	}
}

// FuzzNames: what is written is printable ASCII, and comes back as it was.
func FuzzNames(f *testing.F) {
	for name, coded := range names {
		f.Add(name)
		f.Add(coded)
	}
	f.Fuzz(func(t *testing.T, s string) {
		coded := Encode(s)
		if strings.IndexFunc(coded, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			t.Errorf("%q is written %q", s, coded)
		}
		if name, ok := Decode(coded); utf8.ValidString(s) && (!ok || name != s) {
			t.Errorf("%q comes back as %q", s, name)
		}
	})
}
