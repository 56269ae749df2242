package yaml

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The manual has the keys of the example, in its order and as deep, since both come from the tables.
func TestManualHasEveryKey(t *testing.T) {
	var page, example bytes.Buffer
	if err := Manual(&page, "1.0-rc.1", time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if err := Describe(&example); err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(page.String(), "\n"); first != `.TH MAILRETR.YAML 5 "Mar 2026" "1.0\-rc.1" "mailretr"` {
		t.Error(first)
	}
	var want []string
	key := regexp.MustCompile(`^( *)#?((?:- )?)([a-z0-9_]+):( .*)?$`)
	for _, line := range strings.Split(example.String(), "\n") {
		if m := key.FindStringSubmatch(line); m != nil {
			want = append(want, m[2]+m[3])
		}
	}
	var got []string
	depth := 0
	entry := regexp.MustCompile(`^\\fB((?:\\- )?)([a-z0-9_]+):\\fR( .*)?$`)
	for _, line := range strings.Split(page.String(), "\n") {
		switch m := entry.FindStringSubmatch(line); {
		case m != nil:
			got = append(got, strings.TrimPrefix(m[1], `\`)+m[2])
		case line == ".RS":
			depth++
		case line == ".RE":
			depth--
		}
	}
	if len(want) < 200 || strings.Join(got, "\n") != strings.Join(want, "\n") || depth != 0 {
		t.Errorf("%d keys of %d, depth %d", len(got), len(want), depth)
	}
}

// Nothing that a table says becomes a request of roff.
func TestManualIsText(t *testing.T) {
	for in, want := range map[string]string{
		".so /etc/passwd": `\&.so /etc/passwd`, `'\Seen'`: `\&'\eSeen'`, "a-b": `a\-b`,
		strings.Repeat("a", 40) + ":b": strings.Repeat("a", 40) + `:\:b`,
	} {
		if got := roff(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
