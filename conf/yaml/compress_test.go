package yaml

import (
	"errors"
	"strings"
	"testing"
)

// TestCompress: auto and off, of IMAP only.
func TestCompress(t *testing.T) {
	const drop = "maildrops:\n  - {name: a, url: \"URL://a@mail.example.org\", password: {env: X}, to: a@example.org WORD}\n"
	for _, c := range []struct {
		url, word string
		on        bool
		said      string
	}{
		{"imaps", "", true, ""},
		{"imaps", ", compress: auto", true, ""},
		{"imaps", ", compress: off", false, ""},
		{"pop3s", "", true, ""},
		{"pop3s", ", compress: off", false, "compress: POP3 has no compression; remove it, or use imap"},
		{"imaps", ", compress: on", true, `compress: "on" is not known; write auto or off`},
	} {
		dir := t.TempDir()
		text := head + strings.NewReplacer("URL", c.url, " WORD", c.word).Replace(drop)
		config, problems, err := loadIn(t, dir, map[string]string{"mailretr.yaml": text})
		if err != nil && !errors.Is(err, ErrConfig) {
			t.Fatal(err)
		}
		if out := said(dir, problems); c.said == "" && out != "" || !strings.Contains(out, c.said) {
			t.Errorf("%s%s: %q", c.url, c.word, out)
		}
		if c.said == "" && config.Maildrops[0].Compress != c.on {
			t.Errorf("%s%s: %v", c.url, c.word, config.Maildrops[0].Compress)
		}
	}
}
