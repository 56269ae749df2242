package mail

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Path is a reverse-path or forward-path without its angle brackets; "" is the null reverse-path.
//
// It holds the octets as they were given. A Path from a network is hostile until Check has passed: no
// deliverer is given one that has not.
type Path string

// MaxPath is the longest path that is accepted, in octets. RFC 5321, 4.5.3.1.3 asks for 256; longer ones are in
// use (VERP), and every limit of ours is only there to bound memory.
const MaxPath = 1000

// Null says whether this is the null reverse-path (RFC 5321, 4.5.5).
func (p Path) Null() bool { return p == "" }

// Local returns what stands before the last at sign; the whole path where there is none ("postmaster").
func (p Path) Local() string {
	if i := strings.LastIndexByte(string(p), '@'); i >= 0 {
		return string(p[:i])
	}
	return string(p)
}

// Domain returns what stands behind the last at sign, in lower case; "" where there is none.
func (p Path) Domain() string {
	if i := strings.LastIndexByte(string(p), '@'); i >= 0 {
		return strings.ToLower(string(p[i+1:]))
	}
	return ""
}

// CheckForward says why a path is no forward-path: what [Path.Check] says, or that it is the null reverse-path.
func (p Path) CheckForward() error {
	if p.Null() {
		return errNull
	}
	return p.Check()
}

var errNull = errors.New("the null reverse-path is no recipient")

// Same says whether two paths differ in the case of letters at most. It is for what people write; whether it is the
// same mailbox only its MTA knows.
func (p Path) Same(q Path) bool { return strings.EqualFold(string(p), string(q)) }

// ORCPT returns the path as the parameter of RCPT that keeps what the sender wrote when the recipient is rewritten
// (RFC 3461, 4.2): he knows no other address. "" for one beyond ASCII, which has an encoding of its own (RFC 6533, 3);
// a DSN does without.
func (p Path) ORCPT() string {
	if !p.ASCII() || p == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("rfc822;")
	for i := 0; i < len(p); i++ {
		if c := p[i]; c <= ' ' || c == '+' || c == '=' || c == 0x7f {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// ASCII says whether the path can be sent without SMTPUTF8 (RFC 6531).
func (p Path) ASCII() bool {
	for i := 0; i < len(p); i++ {
		if p[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// String returns the path in angle brackets, escaped where it holds anything that is not printable.
func (p Path) String() string { return "<" + Printable(string(p), MaxPath) + ">" }

// Check returns nil if the path may be written into MAIL or RCPT between angle brackets: a mailbox of RFC 5321,
// 4.1.2 (or RFC 6531), or the bare word postmaster. The null reverse-path passes too; who needs a recipient asks
// Null as well. It is strict about what could leave its place (blanks, controls, angle brackets, a source route,
// a leading hyphen, which a command would take for an option) and lenient about the rest, since the MTA judges.
func (p Path) Check() error {
	s := string(p)
	switch {
	case s == "":
		return nil
	case len(s) > MaxPath:
		return fmt.Errorf("address is longer than %d octets", MaxPath)
	case !utf8.ValidString(s):
		return errors.New("address is not valid UTF-8")
	case s[0] == '-' || s[0] == '@' || s[0] == '|' || s[0] == '/':
		return fmt.Errorf("address begins with %q", s[0])
	}
	local, domain := p.Local(), p.Domain()
	if domain == "" {
		if strings.EqualFold(s, "postmaster") {
			return nil
		}
		return errors.New("address has no domain")
	}
	if err := checkLocal(local); err != nil {
		return err
	}
	return checkDomain(domain)
}

func checkLocal(s string) error {
	if s == "" {
		return errors.New("address has nothing before the at sign")
	}
	quoted := len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"'
	if quoted {
		return checkQuoted(s[1 : len(s)-1])
	}
	for _, r := range s {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`()<>[]:;@\,"`, r) {
			return fmt.Errorf("address has %q before the at sign", r)
		}
	}
	return nil
}

// checkQuoted checks the inside of a quoted local part (RFC 5321, 4.1.2, Quoted-string).
func checkQuoted(s string) error {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return fmt.Errorf("address has %q in its quoted part", c)
		case c == '\\':
			if i++; i == len(s) || s[i] < ' ' || s[i] >= 0x7f {
				return errors.New("address ends its quoted part with a backslash")
			}
		case c == '"':
			return errors.New("address has a quotation mark in its quoted part")
		}
	}
	return nil
}

func checkDomain(s string) error {
	if s[0] == '[' {
		if s[len(s)-1] != ']' || strings.ContainsAny(s[1:len(s)-1], "[]<> \t\r\n\x00\\") {
			return errors.New("address literal is malformed")
		}
		return nil
	}
	for _, r := range s {
		ok := r == '.' || r == '-' || r == '_' || r >= utf8.RuneSelf ||
			r >= '0' && r <= '9' || r >= 'a' && r <= 'z'
		if !ok {
			return fmt.Errorf("domain has %q", r)
		}
	}
	if s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return errors.New("domain has an empty label")
	}
	return nil
}

// Printable makes s fit to be shown on one line of a log or a terminal: controls, invalid UTF-8, line and
// paragraph separators and bidirectional overrides become escapes, and what is longer than max octets is cut
// with an ellipsis. It is idempotent on its own output.
func Printable(s string, max int) string {
	cut := false
	if len(s) > max {
		s, cut = s[:max], true
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if r, n := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && n == 1 {
			s = s[:len(s)-1] // the first octet of the rune that was cut
		}
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < ' ' || r >= 0x7f && r < 0xa0:
			fmt.Fprintf(&b, `\x%02x`, r)
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	if cut {
		b.WriteString("…")
	}
	return b.String()
}

// hidden says whether a rune changes how its neighbours are shown without being seen itself.
func hidden(r rune) bool {
	return r == 0x61c || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e ||
		r >= 0x2060 && r <= 0x206f || r == 0xfeff || r >= 0xfff9 && r <= 0xfffb
}
