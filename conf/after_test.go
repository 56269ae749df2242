package conf

import (
	"strings"
	"testing"
	"time"
)

// What a message of a size meets under each policy.
func TestAfterBySize(t *testing.T) {
	for words, want := range map[string]string{ // of -1, 5, 10 octets: k(eeps), n(ow), l(ater)
		"keep": "kkk", "seen": "nnn", "delete": "nnn", "move Old": "nnn",
		"delete after 2d": "lll", "delete above 10": "kkn", "delete above 10 after 2d": "kkl",
	} {
		a, err := ParseAfter(words)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, n := range []int64{-1, 5, 10} {
			switch {
			case a.Keeps(n):
				got += "k"
			case a.Now(n):
				got += "n"
			default:
				got += "l"
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", words, got, want)
		}
	}
	if d := (After{Delay: 36 * time.Hour}).Days(); d != 2 {
		t.Errorf("36 hours are %d days", d)
	}
}

// Every mistake in after: is told with what to do.
func TestAfterMistakes(t *testing.T) {
	for name, x := range map[string]struct {
		after After
		pop3  bool
		want  string
	}{
		"move over POP3":    {After{Act: Move, Folder: "Old"}, true, "POP3 has neither folders nor flags"},
		"seen over POP3":    {After{Act: Mark, Flag: `\Seen`}, true, "POP3 has neither folders nor flags"},
		"half a day":        {After{Act: Delete, Delay: 12 * time.Hour}, true, "out of range; write 1d to"},
		"a day and a half":  {After{Act: Delete, Delay: 36 * time.Hour}, false, "no number of whole days; write e.g. 14d"},
		"into itself":       {After{Act: Move, Folder: "inbox"}, false, "from which it is collected; choose another"},
		"into a pattern":    {After{Act: Move, Folder: "Old/*"}, false, "cannot be moved to the pattern"},
		"no such role":      {After{Act: Move, Folder: `\Spam`}, false, `\Spam is no use of a folder; write one of: \All`},
		"a long name":       {After{Act: Move, Folder: strings.Repeat("x", 1001)}, false, "longer than 1000"},
		"deleting by flag":  {After{Act: Mark, Flag: `\deleted`}, false, "write after: delete"},
		"no flag":           {After{Act: Mark, Flag: "a b"}, false, "is no flag"},
		"a flag of nobody":  {After{Act: Mark, Flag: `\Read`}, false, "is no flag"},
		"a use":             {After{Act: Move, Folder: `\Archive`}, false, ""},
		"days over POP3":    {After{Act: Delete, Delay: 14 * 24 * time.Hour, Above: 1 << 20}, true, ""},
		"a word of our own": {After{Act: Mark, Flag: "$Collected"}, false, ""},
	} {
		c := good(t)
		m := c.Maildrops[0]
		if m.After = x.after; x.pop3 {
			m.Protocol, m.Folders = "pop3", nil
		}
		got := ""
		for _, p := range c.Validate() {
			if strings.Contains(p.Text, "after:") {
				got += p.String() + "\n"
			}
		}
		if x.want == "" && got != "" || !strings.Contains(got, x.want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}
