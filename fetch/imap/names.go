package imap

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"mailretr/relay/imapconn"
	"mailretr/relay/utf7"
)

// Names of folders come from the server, and are as hostile as everything else. They are only ever compared,
// shown and sent back; no file is named by one.

// maxName bounds a name, in octets; real ones have at most 255.
const maxName = 1000

var (
	errNameLong    = errors.New("its name is too long")
	errNameControl = errors.New("its name has control characters")
	errNamePath    = errors.New("its name is a path that leads upwards")
	errNameCoding  = errors.New("its name is not coded as it should be")
)

// decodeName makes UTF-8 of a name as the server writes it. An error says why it cannot be used: what does
// not come back as it was when it is coded again would open another folder, or none. plain: names are UTF-8
// as they are.
func decodeName(raw string, plain bool) (string, error) {
	if len(raw) > maxName {
		return "", errNameLong
	}
	if strings.ContainsFunc(raw, unseen) {
		return "", errNameControl
	}
	name := raw
	if !plain && strings.IndexFunc(raw, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		var ok bool
		if name, ok = utf7.Decode(raw); !ok || utf7.Encode(name) != raw {
			return "", errNameCoding
		}
	}
	switch {
	case name == "" || !utf8.ValidString(name):
		return "", errNameCoding
	case strings.ContainsFunc(name, unseen):
		return "", errNameControl
	case upwards(name):
		return "", errNamePath
	}
	return name, nil
}

// unseen says whether a rune is a control.
func unseen(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// upwards says whether a part of the name is "..", whatever stands between the parts.
func upwards(name string) bool {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == ".." {
			return true
		}
	}
	return false
}

// named finds the commands that have a name of a folder in them, and nothing else that is not ASCII.
var named = regexp.MustCompile(`^T\d+ (SELECT|EXAMINE|STATUS|CREATE|SUBSCRIBE|UID MOVE|UID COPY) `)

// coded writes names in modified UTF-7 where the library leaves them in UTF-8: it does so for each server
// that offers IMAP4rev2, though one that offers IMAP4rev1 as well goes on with coded names until the other
// is enabled (RFC 9051, 6.3.1).
func (l *line) coded(p []byte) []byte {
	l.names = l.names && !bytes.HasPrefix(p, []byte("T")) || named.Match(p)
	names := l.names
	if bytes.HasSuffix(p, []byte("\r\n")) {
		l.names = false
	}
	if !names || l.utf8.Load() || bytes.IndexFunc(p, beyondASCII) < 0 {
		return p
	}
	return notASCII.ReplaceAllFunc(p, func(run []byte) []byte { return []byte(utf7.Encode(string(run))) })
}

var notASCII = regexp.MustCompile(`[^\x00-\x7f]+`)

func beyondASCII(r rune) bool { return r >= utf8.RuneSelf }

// quoted writes a name or pattern for a command of ours. Coded as it is, it has only printable ASCII.
func quoted(s string) string { return imapconn.Quote(utf7.Encode(s)) }

// An entry is a folder as LIST tells of it (RFC 9051, 7.3.1).
type entry struct {
	raw       string // as the server writes it
	delimiter string // between the parts of a name; "" where names have no parts
	attrs     []string
}

// has says whether the folder has an attribute.
func (e *entry) has(attr string) bool {
	for _, a := range e.attrs {
		if strings.EqualFold(a, attr) {
			return true
		}
	}
	return false
}

// parseList reads an untagged LIST response, its literals included. It is lenient: what stands behind the
// name is nothing to us.
func parseList(line []byte) (e entry, ok bool) {
	s, ok := strings.CutPrefix(string(line), "* ")
	if !ok || len(s) < 6 || !strings.EqualFold(s[:5], "LIST ") || s[5] != '(' {
		return e, false
	}
	attrs, s, ok := strings.Cut(s[6:], ") ")
	if !ok {
		return e, false
	}
	e.attrs = strings.Fields(attrs)
	if e.delimiter, s, ok = astring(s); !ok || !strings.HasPrefix(s, " ") {
		return e, false
	}
	if strings.EqualFold(e.delimiter, "NIL") {
		e.delimiter = ""
	}
	e.raw, _, ok = astring(s[1:])
	return e, ok && e.raw != ""
}

// astring reads a quoted string, a literal or a word, and returns what stands behind it.
func astring(s string) (value, rest string, ok bool) {
	switch {
	case strings.HasPrefix(s, `"`):
		return quotedString(s[1:])
	case strings.HasPrefix(s, "{"):
		digits, rest, found := strings.Cut(s[1:], "}\r\n")
		n, err := strconv.ParseUint(digits, 10, 31)
		if !found || err != nil || int(n) > len(rest) {
			return "", "", false
		}
		return rest[:n], rest[n:], true
	}
	end := strings.IndexAny(s, " \r\n")
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:], end > 0
}

func quotedString(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// matches says whether a name fits a pattern (RFC 9051, 6.3.9): * is anything, % anything within one part.
func matches(pattern, name, delimiter string) bool {
	// fits[i]: the pattern as far as it was read fits name[:i].
	fits := make([]bool, len(name)+1)
	fits[0] = true
	for p := range len(pattern) {
		c := pattern[p]
		before := fits[0]
		fits[0] = fits[0] && (c == '*' || c == '%')
		for i := 1; i <= len(name); i++ {
			was := fits[i]
			switch {
			case c == '*':
				fits[i] = fits[i-1] || was
			case c == '%':
				fits[i] = was || fits[i-1] && (delimiter == "" || name[i-1] != delimiter[0])
			default:
				fits[i] = before && name[i-1] == c
			}
			before = was
		}
	}
	return fits[len(name)]
}

// usual are the names under which servers that know no special uses keep such folders.
var usual = map[string]string{
	"archive": `\Archive`, "archives": `\Archive`,
	"drafts": `\Drafts`, "draft": `\Drafts`,
	"junk": `\Junk`, "junk e-mail": `\Junk`, "junk email": `\Junk`, "spam": `\Junk`, "bulk mail": `\Junk`,
	"sent": `\Sent`, "sent items": `\Sent`, "sent mail": `\Sent`, "sent messages": `\Sent`,
	"trash": `\Trash`, "deleted items": `\Trash`, "deleted messages": `\Trash`,
}

// guessed returns the use that a folder has by its name, or "".
func guessed(name, delimiter string) string {
	if i := strings.LastIndex(name, delimiter); delimiter != "" && i >= 0 {
		name = name[i+len(delimiter):]
	}
	return usual[strings.ToLower(name)]
}
