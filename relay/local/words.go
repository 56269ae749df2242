package local

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"mailretr/store/mail"
)

// words are what templates are filled with, by name.
type words map[string]string

// Which words there are. Those of a recipient are missing where a program sees a message with all its
// recipients.
var (
	messageWords   = []string{"sender", "maildrop", "folder", "id"}
	recipientWords = []string{"recipient", "local", "extension", "domain", "maildrop"}
	pathWords      = []string{"local", "extension", "domain", "user", "maildrop"}
	argumentWords  = []string{"recipient", "local", "extension", "domain", "user", "sender", "maildrop", "folder", "id"}
)

// separator stands between the user and the extension of an address: jaco+lists.
const separator = '+'

// wordsOf says the words of a message and one recipient.
func wordsOf(m *mail.Message, to mail.Path) words {
	w := wordsOfMessage(m)
	local := strings.ToLower(unquoted(to.Local()))
	extension := ""
	if i := strings.IndexByte(local, separator); i > 0 {
		local, extension = local[:i], local[i+1:]
	}
	maps.Copy(w, words{"recipient": string(to), "local": local, "extension": extension, "domain": to.Domain()})
	return w
}

func wordsOfMessage(m *mail.Message) words {
	w := words{"sender": string(m.Envelope.Reverse), "maildrop": m.Origin.Maildrop, "id": m.ID.String()}
	if m.Envelope.Reverse.Check() != nil {
		w["sender"] = ""
	}
	return w
}

// unquoted is a local part without the quotation marks of RFC 5321, 4.1.2.
func unquoted(local string) string {
	if len(local) < 2 || local[0] != '"' || local[len(local)-1] != '"' {
		return local
	}
	var b strings.Builder
	escaped := false
	for _, c := range []byte(local[1 : len(local)-1]) {
		if c == '\\' && !escaped {
			escaped = true
			continue
		}
		escaped = false
		b.WriteByte(c)
	}
	return b.String()
}

// A template is text with words in braces: "{local}", or "{sender|<>}" with what stands in for an empty one.
type template struct {
	text string
	used []string // the words in it
	list []piece
}

// A piece of a template is a word with its stand-in, or text.
type piece struct{ word, text string }

// parse reads a template that has some words, for a purpose that an error names. "{{" and "}}" are braces.
func parse(text, purpose string, allowed []string) (template, error) {
	t := template{text: text}
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		switch {
		case i < 0:
			t.list, rest = append(t.list, piece{text: rest}), ""
		case strings.HasPrefix(rest[i:], "{{") || strings.HasPrefix(rest[i:], "}}"):
			t.list, rest = append(t.list, piece{text: rest[:i+1]}), rest[i+2:]
		case rest[i] == '}':
			return t, fmt.Errorf("%q has } without {", text)
		default:
			end := strings.IndexByte(rest[i:], '}')
			if end < 0 {
				return t, fmt.Errorf("%q has { without }", text)
			}
			if i > 0 {
				t.list = append(t.list, piece{text: rest[:i]})
			}
			word, instead, _ := strings.Cut(rest[i+1:i+end], "|")
			if !slices.Contains(allowed, word) {
				return t, fmt.Errorf("{%s} is not known for %s; there are {%s}", word, purpose,
					strings.Join(allowed, "} {"))
			}
			t.list, t.used = append(t.list, piece{word, instead}), append(t.used, word)
			rest = rest[i+end+1:]
		}
	}
	return t, nil
}

// expand fills the words in, each made safe first.
func (t template) expand(w words, safe func(word, value string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t.list {
		if p.word == "" {
			b.WriteString(p.text)
			continue
		}
		value := w[p.word]
		if value == "" {
			b.WriteString(p.text)
			continue
		}
		value, err := safe(p.word, value)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

// longestName bounds what an address may put into one file name, in octets: most file systems have 255.
const longestName = 200

// nameSafe lets only values through that are a file name by themselves and that no reader takes for
// something else.
func nameSafe(word, value string) (string, error) {
	switch {
	case len(value) > longestName:
		return "", fmt.Errorf("{%s} is longer than %d octets", word, longestName)
	case !utf8.ValidString(value), strings.IndexFunc(value, unicode.IsControl) >= 0:
		return "", fmt.Errorf("{%s} has a control character", word)
	case strings.Contains(value, "/"):
		return "", fmt.Errorf("{%s} has a slash", word)
	case value[0] == '.', value[0] == '-', value[0] == '~':
		return "", fmt.Errorf("{%s} begins with %q", word, value[0])
	}
	return value, nil
}

// argumentSafe: an argument may hold anything but controls, which no address has. What a folder or a
// maildrop is called is nobody's fault, so these are changed instead.
func argumentSafe(word, value string) (string, error) {
	if word == "folder" || word == "maildrop" {
		return tame(value), nil
	}
	if strings.IndexFunc(value, unicode.IsControl) >= 0 || !utf8.ValidString(value) {
		return "", fmt.Errorf("{%s} has a control character", word)
	}
	return value, nil
}

var errOption = errors.New("the address would be taken for an option")

// argument expands one argument of a program. What begins with a word never begins with a hyphen.
func (t template) argument(w words) (string, error) {
	s, err := t.expand(w, argumentSafe)
	if err != nil || len(t.list) == 0 || t.list[0].word == "" || !strings.HasPrefix(s, "-") {
		return s, err
	}
	if word := t.list[0].word; word != "folder" && word != "maildrop" {
		return "", errOption
	}
	return "_" + s[1:], nil
}

// tame makes any text one printable line of at most longestName octets.
func tame(s string) string {
	s = strings.ToValidUTF8(s, "_")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '_'
		}
		return r
	}, s)
	for len(s) > longestName {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
