package imap

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"mailretr/relay/utf7"
)

// TestModifiedUTF7 has the examples of RFC 3501, 5.1.3, and what does not come back as it was.
func TestModifiedUTF7(t *testing.T) {
	for raw, name := range map[string]string{
		"~peter/mail/&U,BTFw-/&ZeVnLIqe-": "~peter/mail/台北/日本語",
		"Entw&APw-rfe":                    "Entwürfe",
		"R&-D":                            "R&D",
		"&2D3eAA-":                        "\U0001f600",
		"INBOX":                           "INBOX",
		"Gel&APY-scht/Ärger":              "Gel&APY-scht/Ärger", // UTF-8 as it is: nothing is coded
	} {
		got, err := decodeName(raw, false)
		if err != nil || got != name {
			t.Errorf("%q: %q, %v, want %q", raw, got, err, name)
		}
		if strings.Contains(raw, "Ä") {
			continue
		}
		if again := utf7.Encode(name); again != raw {
			t.Errorf("%q is coded %q, want %q", name, again, raw)
		}
	}
}

// TestR21_Names: what cannot be a name, or could leave its place.
func TestR21_Names(t *testing.T) {
	for raw, want := range map[string]error{
		"":                        errNameCoding,
		"&":                       errNameCoding,
		"&Jjo":                    errNameCoding, // not ended
		"&Jjo!":                   errNameCoding,
		"&U,BTFw-&ZeVnLIqe-":      errNameCoding, // two shifts where one is enough
		"&AGE-":                   errNameCoding, // an "a" in disguise
		"&AC4ALgAv-x":             errNameCoding, // "../" in disguise
		"&2D0-":                   errNameCoding, // half a surrogate
		"&AAA-":                   errNameControl,
		"&AA0ACg-":                errNameControl,
		"&AIU-":                   errNameControl,
		"INBOX\r\n":               errNameControl,
		"INBOX\r\nx LOGOUT":       errNameControl,
		"a\x00b":                  errNameControl,
		"caf\xe9":                 errNameCoding,
		"../../x":                 errNamePath,
		`Lists\..\x`:              errNamePath,
		"Lists/..":                errNamePath,
		strings.Repeat("x", 10e3): errNameLong,
	} {
		if name, err := decodeName(raw, false); !errors.Is(err, want) {
			t.Errorf("%.40q: %q, %v, want %v", raw, name, err, want)
		}
	}
	for _, raw := range []string{"a..b", "...", "Lists/x..", "`id`", "$(id)", "-x", "|x"} {
		if name, err := decodeName(raw, false); err != nil || name != raw {
			t.Errorf("%q: %q, %v", raw, name, err)
		}
	}
}

// TestNamesInUTF8: where UTF8=ACCEPT was enabled, nothing is coded.
func TestNamesInUTF8(t *testing.T) {
	for raw, want := range map[string]error{"R&D": nil, "Entw&APw-rfe": nil, "Entwürfe": nil, "a\nb": errNameControl,
		"\xe9": errNameCoding} {
		if name, err := decodeName(raw, true); !errors.Is(err, want) || err == nil && name != raw {
			t.Errorf("%q: %q, %v", raw, name, err)
		}
	}
}

// TestNamesOfBothRevisions: a server that offers IMAP4rev2 beside IMAP4rev1 has coded names like one that does not.
func TestNamesOfBothRevisions(t *testing.T) {
	target := "Fertig & " + strings.Repeat("日本語", 20) // shorter when it is coded
	coded := utf7.Encode(target)
	for caps, name := range map[string]string{goodCaps + " IMAP4rev2": "Entw&APw-rfe &- &,,8-", goodCaps: "Entw&APw-rfe &- &,,8-",
		strings.Replace(goodCaps, "IMAP4rev1", "IMAP4rev2", 1): "Entwürfe &- \uffff"} {
		s := newServer(t)
		s.caps = caps
		s.put(name, letterOf(1, "one"))
		s.put(coded)
		s.put(strings.Replace(target, "&", "&-", 1))
		r := s.retriever(nil)
		r.Folders, r.Memory = []string{"Entwürfe & \uffff"}, &Memory{}
		r.After, r.Target = Move, target
		for n := range 3 {
			x, err := collect(t.Context(), r)
			if err != nil || len(x.gone) != 1 || len(s.left(name)) != 0 || s.saw("CREATE") {
				t.Errorf("%s, session %d: %v, %v, %q", caps, n, x.gone, err, s.said())
			}
			s.put(name, letterOf(n+2, "another"))
		}
		equal(t, "moved", len(s.left(coded))+len(s.left(strings.Replace(target, "&", "&-", 1))), 3)
	}
}

func TestParseList(t *testing.T) {
	for line, want := range map[string]string{
		"* LIST (\\HasNoChildren \\Junk) \"/\" \"Spam \\\"x\\\\\"\r\n": `/|Spam "x\|\HasNoChildren \Junk`,
		"* list () NIL INBOX\r\n":                                      `|INBOX|`,
		"* LIST (\\Noselect) \".\" {8}\r\na\r\n\"b{3}\r\n":             ".|a\r\n\"b{3}|\\Noselect",
		"* LIST () \"/\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n":       `/|x|`,
		"* LIST () \"\\\\\" a\\b\r\n":                                  `\|a\b|`,
		"* LIST () \"/\" \"\"\r\n":                                     "",
		"* LIST () \"/\" \"open\r\n":                                   "",
		"* LIST () \"/\" {99}\r\nshort\r\n":                            "",
		"* LIST () \"/\"\r\n":                                          "",
		"* LIST ( \"/\" x\r\n":                                         "",
		"* LIST\r\n":                                                   "",
		"* LSUB () \"/\" x\r\n":                                        "",
	} {
		e, ok := parseList([]byte(line))
		got := ""
		if ok {
			got = e.delimiter + "|" + e.raw + "|" + strings.Join(e.attrs, " ")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, x := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b/c", true}, {"%", "a/b", false}, {"%", "a", true}, {"Lists/*", "Lists/a/b", true},
		{"Lists/%", "Lists/a/b", false}, {"Lists/%", "Lists/a", true}, {"Lists/*", "Lists", false},
		{"%/b/*", "a/b/", true}, {"*a*b*", "xaxxbx", true}, {"*a*b", "xaxxbx", false}, {"a", "A", false},
		{"", "", true}, {"*", "", true}, {"Entw*", "Entwürfe", true}, {"%ü%", "Entwürfe", true},
	} {
		if got := matches(x.pattern, x.name, "/"); got != x.want {
			t.Errorf("%q, %q: %v", x.pattern, x.name, got)
		}
	}
	if !matches("%", "a/b", "") || matches("%", "a.b", ".") {
		t.Error("the delimiter is the server's")
	}
	matches(strings.Repeat("*a", 500), strings.Repeat("a", 999)+"b", "/") // ends
}

// FuzzList: no response makes a name that does not come back as it was sent, or that could leave its place.
func FuzzList(f *testing.F) {
	f.Add([]byte("* LIST (\\Junk) \"/\" \"Entw&APw-rfe\"\r\n"))
	f.Add([]byte("* LIST () NIL {3}\r\na\r\n\r\n"))
	f.Add([]byte("* LIST () \"/\" \"a\\\"b\" (x (y))\r\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, ok := parseList(line)
		if !ok {
			return
		}
		name, err := decodeName(e.raw, false)
		if err != nil {
			return
		}
		if strings.ContainsAny(name, "\r\n\x00") || !utf8.ValidString(name) || len(name) > 4*maxName {
			t.Errorf("%q", name)
		}
		if utf8.ValidString(e.raw) && utf7.Encode(name) != e.raw && name != e.raw {
			t.Errorf("%q is %q and comes back as %q", e.raw, name, utf7.Encode(name))
		}
		guessed(name, e.delimiter)
		matches("*%a*", name, e.delimiter)
	})
}
