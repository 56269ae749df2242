package fetchmailrc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mailretr/conf"
)

// A kind of token.
type kind uint8

const (
	end    kind = iota
	key         // a keyword, in its longest form
	word        // text, quoted or not, escapes resolved
	number      // a bare number; text is its digits
	mark        // = or *
)

// A token is one word that means something; noise is left out.
type token struct {
	kind kind
	text string
	pos  conf.Pos
}

// String says what it is, without text: that may be a password.
func (t token) String() string {
	switch t.kind {
	case end:
		return "the end of the file"
	case word:
		return "a text"
	}
	return fmt.Sprintf("%.100q", t.text)
}

// is says whether it is this keyword or mark.
func (t token) is(kind kind, text string) bool { return t.kind == kind && t.text == text }

// A lexer finds tokens. What a bare word means depends on what stands before it: behind user, password, is, to and =
// it is text, even if it looks like a keyword.
type lexer struct {
	text      string
	at        int
	file      string
	line      int
	lineStart int
	name      bool    // the next bare word is text
	last      string  // the keyword right before; "" where that is something else
	ahead     []token // of a noword: the keyword behind the no
}

// noise has no meaning, in any number.
var noise = map[string]bool{"and": true, "with": true, "has": true, "wants": true, "options": true}

// short are other ways to write a keyword.
var short = map[string]string{
	"server": "poll", "local": "localdomains", "proto": "protocol", "preauth": "auth", "preauthenticate": "auth",
	"authenticate": "auth", "username": "user", "pass": "password", "folders": "folder", "smtp": "smtphost",
	"pre": "preconnect", "post": "postconnect", "pass8": "pass8bits", "mimedec": "mimedecode",
}

// joined are the keywords that may stand behind a "no" without a blank.
var joined = []string{"bouncemail", "uidl", "checkalias", "dns", "envelope", "keep", "flush", "limitflush", "fetchall",
	"rewrite", "forcecr", "stripcr", "pass8", "pass8bits", "dropstatus", "dropdelivered", "mimedec", "mimedecode",
	"spambounce", "softbounce", "idle"}

// next returns the next token. err is a quote without an end.
func (l *lexer) next() (token, error) {
	if len(l.ahead) > 0 {
		t := l.ahead[0]
		l.ahead = l.ahead[1:]
		return t, nil
	}
	for {
		l.blanks()
		t := token{pos: l.pos()}
		if l.at == len(l.text) {
			return t, nil
		}
		switch c := l.text[l.at]; {
		case c == '=':
			l.at++
			l.name = true
			t.kind, t.text = mark, "="
			return t, nil
		case c == '"' || c == '\'':
			if n := l.quoted(); n >= l.bare() {
				t.kind, t.text = word, unescape(l.text[l.at+1:l.at+n-1])
				l.skip(n)
				l.name = false
				return t, nil
			} else if n == 0 && strings.IndexByte(l.text[l.at+1:], c) < 0 {
				l.at = len(l.text)
				return t, fmt.Errorf("a quotation mark %c has no second one", c)
			}
		}
		if l.word(&t) {
			return t, nil
		}
	}
}

func (l *lexer) pos() conf.Pos {
	return conf.Pos{File: l.file, Line: l.line, Column: l.at - l.lineStart + 1}
}

// skip steps over octets among which there may be line ends.
func (l *lexer) skip(n int) {
	for ; n > 0; n-- {
		if l.at++; l.text[l.at-1] == '\n' {
			l.line++
			l.lineStart = l.at
		}
	}
}

// blanks steps over blanks, punctuation, comments, and a backslash at the end of a line.
func (l *lexer) blanks() {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case strings.IndexByte(" \t\r\n;:,", c) >= 0:
			l.skip(1)
		case c == '#':
			n := strings.IndexByte(l.text[l.at:], '\n')
			if n < 0 {
				n = len(l.text) - l.at
			}
			l.skip(n)
		case strings.HasPrefix(l.text[l.at:], "\\\n"):
			l.skip(2)
		default:
			return
		}
	}
}

// quoted is the length of what is in quotes here, with them; 0: there is no second one.
func (l *lexer) quoted() int {
	n := strings.IndexByte(l.text[l.at+1:], l.text[l.at])
	if n < 0 {
		return 0
	}
	return n + 2
}

// bare is the length of a word without quotes here.
func (l *lexer) bare() int {
	n := strings.IndexAny(l.text[l.at:], "=;:, \t\r\n")
	if n < 0 {
		n = len(l.text) - l.at
	}
	return n
}

// word reads a bare word; false: it was noise.
func (l *lexer) word(t *token) bool {
	n := l.bare()
	s := l.text[l.at : l.at+n]
	l.at += n
	named, last := l.name, l.last
	l.name, l.last = false, ""
	switch {
	case s == "*":
		t.kind, t.text = mark, s
	case named:
		t.kind, t.text = word, unescape(s)
	case noise[s]:
		return false
	case digits(s):
		t.kind, t.text = number, s
	default:
		l.keyword(t, s, last)
	}
	return true
}

// keyword tells keywords from text; last is the keyword right before.
func (l *lexer) keyword(t *token, s, last string) {
	if rest, no := strings.CutPrefix(s, "no"); no && slices.Contains(joined, rest) {
		t.kind, t.text = key, "no"
		second := token{kind: key, text: long(rest), pos: t.pos}
		second.pos.Column += 2
		l.ahead, l.last = []token{second}, second.text
		return
	}
	k := long(s)
	_, known := options[k]
	if !known && !slices.Contains(structure, k) {
		t.kind, t.text = word, unescape(s)
		return
	}
	t.kind, t.text = key, k
	switch k {
	case "user", "is", "to":
		l.name = true
	case "password":
		l.name = last != "auth" // auth password is a word of its own
	}
	l.last = k
}

// structure are the keywords that are no options.
var structure = []string{"set", "defaults", "poll", "skip", "user", "is", "to", "here", "there", "no"}

func long(s string) string {
	if k, ok := short[s]; ok {
		return k
	}
	return s
}

func digits(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// unescape resolves escapes as fetchmail does: \n \t \b \r, \x and two hexadecimal digits, \0 and three octal ones, a
// decimal number of up to three digits, and any other octet for itself. A NUL ends the text, as it does there.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		s, _, _ = strings.Cut(s, "\x00")
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		i++
		if c == '\\' && i < len(s) {
			var n int
			c, n = escape(s[i:])
			i += n
			if n == 1 && s[i-1] == '\n' {
				continue
			}
		} else if c == '\\' {
			break
		}
		if c == 0 {
			break
		}
		b.WriteByte(c)
	}
	return b.String()
}

// escape reads what stands behind a backslash, and how long it is.
func escape(s string) (c byte, n int) {
	numeral := func(from, most, base int, digits string) (byte, int) {
		n := from
		for n < len(s) && n < from+most && strings.IndexByte(digits, s[n]) >= 0 {
			n++
		}
		v, err := strconv.ParseUint(s[from:n], base, 16)
		if err != nil { // no digit behind an x
			return 0, n
		}
		return byte(v), n
	}
	switch s[0] {
	case 'x', 'X':
		return numeral(1, 2, 16, "0123456789abcdefABCDEF")
	case '0':
		return numeral(0, 3, 8, "01234567")
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return numeral(0, 3, 10, "0123456789")
	case 'n':
		return '\n', 1
	case 't':
		return '\t', 1
	case 'b':
		return '\b', 1
	case 'r':
		return '\r', 1
	}
	return s[0], 1
}
