package conf

import (
	"fmt"
	"strings"
	"testing"
)

// shape writes keys so that a test can compare them.
func shape(keys []SearchKey) string {
	var all []string
	for _, k := range keys {
		s := k.Name
		for _, x := range []string{k.Field, k.Text} {
			if x != "" {
				s += fmt.Sprintf(" %q", x)
			}
		}
		if !k.Date.IsZero() {
			s += k.Date.Format(" 2006-01-02")
		}
		if k.Number > 0 {
			s += fmt.Sprintf(" %d", k.Number)
		}
		if k.Keys != nil {
			s += "(" + shape(k.Keys) + ")"
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func TestParseSearch(t *testing.T) {
	for text, want := range map[string]string{
		"UNSEEN SINCE 1-Jan-2026":              "UNSEEN, SINCE 2026-01-01",
		`not from "x"`:                         `NOT(FROM "x")`,
		`OR (FROM a TO b) NOT SUBJECT "c \"d"`: `OR((FROM "a", TO "b"), NOT(SUBJECT "c \"d"))`,
		`HEADER List-Id "<x.example>"`:         `HEADER "List-Id" "<x.example>"`,
		`HEADER X-Spam "" LARGER 1000`:         `HEADER "X-Spam", LARGER 1000`,
		`SUBJECT "Rückmeldung" KEYWORD $Junk`:  `SUBJECT "Rückmeldung", KEYWORD "$Junk"`,
		`BODY "a{5+}\\"`:                       `BODY "a{5+}\\"`,
		"  ( UNSEEN  ) ":                       "(UNSEEN)",
		`SENTON "24-Dec-2025"`:                 "SENTON 2025-12-24",
	} {
		s, err := ParseSearch(text)
		if err != nil || shape(s.Keys) != want || s.String() != text {
			t.Errorf("%s: %s, %v, want %s", text, shape(s.Keys), err, want)
		}
	}
}

// TestR20_Search: what is no expression, would end a command, or is not for a filter, with the remedy.
func TestR20_Search(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "empty; write",
		"   ":                        "empty",
		"UNSEEN\r\nx LOGOUT":         "no command can carry",
		"FROM \"a\x00\"":             "no command can carry",
		"FROM \xff":                  "no command can carry",
		"FROM {5+}":                  "has to stand in double quotes",
		`FROM a\b`:                   "has to stand in double quotes",
		`FROM "x`:                    `a " is missing`,
		`FROM "x\`:                   `a " is missing`,
		"FROM":                       "a text behind FROM is missing",
		"FROM )":                     "a text behind FROM is missing",
		"(UNSEEN":                    "without its )",
		"UNSEEN)":                    "without its (",
		"()":                         "nothing between",
		"NOT":                        "a key is missing behind NOT",
		"OR UNSEEN":                  "a key is missing behind OR",
		"SINCE yesterday":            "write e.g. 1-Jan-2026",
		"SINCE 31-Feb-2026":          "is no date",
		"LARGER 10M":                 "is no number of octets",
		"SMALLER 0":                  "is no number of octets",
		"KEYWORD a(b":                "a blank is missing",
		"KEYWORD \"a b\"":            "is no keyword",
		`HEADER "a b" c`:             "is no name of a field",
		"HEADER X:Y c":               "is no name of a field",
		"UNREAD":                     `"UNREAD" is no search key`,
		"NEW":                        "about programs",
		"1:*":                        "no filter",
		"UID 5":                      "no filter",
		"OLDER 86400":                "write SINCE or BEFORE",
		"RETURN (ALL) ALL":           "is no search key",
		"CHARSET UTF-8 ALL":          "is no search key",
		strings.Repeat("NOT ", 50):   "nested too deeply",
		strings.Repeat("(", 50):      "nested too deeply",
		strings.Repeat("SEEN ", 150): "too many keys",
		strings.Repeat("SEEN ", 500): "longer than 2000",
	} {
		if _, err := ParseSearch(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func FuzzSearch(f *testing.F) {
	f.Add(`OR (FROM a TO b) NOT SUBJECT "c \"d"`)
	f.Add("UNSEEN SINCE 1-Jan-2026 LARGER 5")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSearch(text)
		if err != nil {
			return
		}
		again, err := ParseSearch(s.String())
		if err != nil || shape(again.Keys) != shape(s.Keys) || strings.ContainsAny(shape(s.Keys), "\r\n\x00") {
			t.Errorf("%q: %s, %s, %v", text, shape(s.Keys), shape(again.Keys), err)
		}
	})
}
