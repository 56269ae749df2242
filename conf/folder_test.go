package conf

import (
	"strings"
	"testing"
)

// Mistakes in folders are told at the entry, with what to do.
func TestFolderMistakes(t *testing.T) {
	at := func(f Folder) Folder {
		f.At.Self = Pos{"f", 12, 7}
		return f
	}
	for name, x := range map[string]struct {
		folders []Folder
		to      []string
		want    string
	}{
		"good": {[]Folder{{Name: "INBOX"}, {Name: "Lists/*", To: []string{"b@example.org"}}, {Name: `\Junk`},
			{Name: "Lists/x", Exclude: true}}, []string{"a@example.org"}, ""},
		"no such use":      {[]Folder{at(Folder{Name: `\Spam`})}, []string{"a@example.org"}, `f:12:7  error    folders: \Spam is no use of a folder; write one of: \All`},
		"twice":            {[]Folder{{Name: "inbox"}, at(Folder{Name: "INBOX"})}, []string{"a@example.org"}, `f:12:7  error    folders: "INBOX" is named twice; remove one`},
		"named and not":    {[]Folder{{Name: "*"}, {Name: "x"}, at(Folder{Name: "x", Exclude: true})}, []string{"a@example.org"}, `"x" is named twice`},
		"from nothing":     {[]Folder{{Name: "x"}, at(Folder{Name: "y", Exclude: true})}, []string{"a@example.org"}, `nothing that "y" could be excluded from; add a pattern`},
		"none left":        {[]Folder{at(Folder{Name: "y", Exclude: true})}, []string{"a@example.org"}, "none is left"},
		"bad address":      {[]Folder{{Name: "x", To: []string{"nobody"}}}, []string{"a@example.org"}, `to: "nobody" is no mail address`},
		"nobody for one":   {[]Folder{{Name: "x", To: []string{"b@example.org"}}, {Name: "y"}}, nil, "nobody is named"},
		"somebody for all": {[]Folder{{Name: "x", To: []string{"b@example.org"}}}, nil, ""},
		"empty":            {[]Folder{at(Folder{})}, []string{"a@example.org"}, "a name is missing"},
		"endless":          {[]Folder{at(Folder{Name: strings.Repeat("x", 1001)})}, []string{"a@example.org"}, "longer than 1000"},
	} {
		c := good(t)
		m := c.Maildrops[0]
		m.Folders, m.To = x.folders, x.to
		got := ""
		for _, p := range c.Validate() {
			got += p.String() + "\n"
		}
		if x.want == "" && got != "" || !strings.Contains(got, x.want) {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
	}
}

// The folder INBOX has one name, however it is written: beside a pattern it would be collected from twice otherwise.
func TestOneInbox(t *testing.T) {
	m := &Maildrop{Protocol: "imap", Folders: Named("Inbox", "Inbox/a", "*"), After: After{Act: Move, Folder: "inbox"}}
	(&Config{}).completeMaildrop(m)
	if got := m.Folders[0].Name + " " + m.Folders[1].Name + " " + m.After.Folder; got != "INBOX Inbox/a INBOX" {
		t.Error(got)
	}
}

// Two maildrops for one account must not collect from one folder, however it is meant.
func TestFolderOverlap(t *testing.T) {
	for _, x := range []struct {
		first, second string
		both          string
	}{
		{"INBOX", "inbox", "INBOX"}, {"INBOX", "Lists", ""}, {"*", "Lists/a", "Lists/a"}, {"Lists/a", "*", "Lists/a"},
		{"Lists/%", "Lists/a", "Lists/a"}, {"Lists/*", "INBOX", ""}, {`\Junk`, `\Junk`, `\Junk`}, {`\Junk`, "Spam", ""},
		{"* -Lists/a", "Lists/a", ""}, {"* -Lists/*", "Lists/a", ""}, {"* -Lists/* Lists/a", "Lists/a", "Lists/a"},
		{"a*", "*a", ""}, {"a*b*c", "abc", "abc"}, {"a*b*c", "acb", ""}, {"*", "*", "*"},
	} {
		make := func(s string) *Maildrop {
			m := &Maildrop{Protocol: "imap"}
			for _, w := range strings.Fields(s) {
				name, not := strings.CutPrefix(w, "-")
				m.Folders = append(m.Folders, Folder{Name: name, Exclude: not})
			}
			return m
		}
		folder, both := overlap(make(x.first), make(x.second))
		if both != (x.both != "") || both && folder != ", folder "+x.both+"," {
			t.Errorf("%s and %s: %q, %v", x.first, x.second, folder, both)
		}
	}
}
