package idfile

import (
	"fmt"
	"strings"
	"testing"
)

func TestFilesOfIDs(t *testing.T) {
	for text, want := range map[string]string{
		"": "[] 0",
		"a b@c@h id with blanks\nx@h\nx@h y\n@h z\n":           "[{h a b@c [id with blanks]} {h x [y]}] 2",
		"# c\n 2 h u\n#1\n2\n\n 1 h2 u2\nz\n":                  "[{h u [#1 2]} {h2 u2 [z]}] 0",
		" 1 h u\n 1 h u\nx\ny\n 0 h u\n 1 h\n":                 "[{h u [x]}] 4",
		"1/INBOX/2\x005\n3/4\x00x\nuid\x007\n":                 "[{  [1/2 uid]}] 1",
		"u@h a\nu@h " + strings.Repeat("x", 10000) + "\nu@h b": "[{h u [a b]}] 1",
	} {
		lists, odd, err := Read(strings.NewReader(text))
		if got := fmt.Sprint(lists, odd); got != want || err != nil {
			t.Errorf("%.60q: %.100s %v", text, got, err)
		}
	}
	if _, _, err := Read(strings.NewReader("\x7fELF")); err == nil {
		t.Error("anything is taken")
	}
}

// A file that is too long is not taken as if it ended there, not even when it is long because of lines that are left out.
func TestLongFile(t *testing.T) {
	if lists, odd, err := Read(&endless{line: "u@h " + strings.Repeat("x", 1<<20) + "\n"}); err == nil {
		t.Errorf("an endless file is taken: %d lists, %d odd lines", len(lists), odd)
	}
}

// endless says the same line again and again.
type endless struct {
	line string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.line[e.at:])
	e.at = (e.at + n) % len(e.line)
	return n, nil
}

func FuzzFilesOfIDs(f *testing.F) {
	f.Add("u@h a\n")
	f.Add(" 1 h u\nx\n")
	f.Add("1/2\x003\n")
	f.Fuzz(func(t *testing.T, text string) {
		lists, _, err := Read(strings.NewReader(text))
		n := 0
		for _, l := range lists {
			for _, id := range l.IDs {
				if n++; id == "" || strings.Contains(id, "\n") {
					t.Errorf("%q", id)
				}
			}
		}
		if err == nil && n > strings.Count(text, "\n")+1 {
			t.Errorf("%d ids", n)
		}
	})
}
