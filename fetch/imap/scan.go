package imap

import (
	"bytes"
	"errors"
	"strings"
)

const (
	maxLogical = 64 << 10 // octets of a logical line, literals not counted, unless something longer is expected
	maxNesting = 64       // parentheses; the library goes down one call per level, and Go's stack is not endless
	maxHead    = 512      // octets kept of a line, to know what it is and to show a BYE
)

var (
	errLong   = errors.New("the server sent a line that is too long")
	errNested = errors.New("the server sent parentheses that are nested too deeply")
)

// A scanner follows what the server sends just far enough to know lines from literals (RFC 9051, 4.3). It
// never fails on what it does not understand, the library does; it bounds what the library does not.
// relay/wire has the same bounds a size larger, and bounds literals.
type scanner struct {
	max     int   // octets of a logical line; 0 means maxLogical
	literal int64 // octets to come of a literal
	n       int   // octets of this logical line
	head    []byte
	depth   int
	quoted  bool
	escaped bool
	brace   int8   // 0, or how much of "{123}CRLF" was just seen
	size    int64  // of the literal that is being announced
	bye     string // the last line, if it is a BYE and nothing came behind it
}

// parts of "{123}CR"
const (
	braceOpen int8 = iota + 1
	braceClosed
	braceCR
)

// feed takes the next octets.
func (s *scanner) feed(b []byte) error {
	for len(b) > 0 {
		if s.literal > 0 {
			k := min(s.literal, int64(len(b)))
			s.literal -= k
			b = b[k:]
			continue
		}
		c := b[0]
		b, s.bye = b[1:], ""
		if s.n++; s.n > s.limit() {
			return errLong
		}
		if c == '\n' {
			s.endLine()
			continue
		}
		if len(s.head) < maxHead {
			s.head = append(s.head, c)
		}
		if err := s.octet(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) limit() int {
	if s.max > 0 {
		return s.max
	}
	return maxLogical
}

// endLine ends a line, or only its part before a literal.
func (s *scanner) endLine() {
	announced := s.brace >= braceClosed && !s.text()
	s.brace, s.quoted, s.escaped = 0, false, false
	if announced {
		s.literal = s.size
		return
	}
	if len(s.head) > 5 && bytes.EqualFold(s.head[:5], []byte("* BYE")) {
		s.bye = strings.TrimRight(string(s.head), "\r")
	}
	s.n, s.depth, s.head = 0, 0, s.head[:0]
}

// text says whether the line is a status response: what follows its first words is meant for people.
func (s *scanner) text() bool {
	if len(s.head) > 0 && s.head[0] == '+' {
		return true
	}
	_, rest, _ := bytes.Cut(s.head, []byte(" "))
	word, _, _ := bytes.Cut(bytes.TrimRight(rest, "\r"), []byte(" "))
	for _, w := range []string{"OK", "NO", "BAD", "BYE", "PREAUTH"} {
		if bytes.EqualFold(word, []byte(w)) {
			return true
		}
	}
	return false
}

// octet follows quoted strings, parentheses and the announcement of a literal.
func (s *scanner) octet(c byte) error {
	if s.quoted {
		switch {
		case s.escaped:
			s.escaped = false
		case c == '\\':
			s.escaped = true
		case c == '"':
			s.quoted = false
		}
		return nil
	}
	was := s.brace
	s.brace = 0
	switch {
	case c == '"':
		s.quoted = !s.text()
	case c == '(':
		if s.depth++; s.depth > maxNesting && !s.text() {
			return errNested
		}
	case c == ')':
		s.depth = max(s.depth-1, 0)
	case c == '{':
		s.brace, s.size = braceOpen, 0
	case was == braceOpen && c >= '0' && c <= '9':
		if s.brace = braceOpen; s.size < 1<<58 { // more than that never comes; the library refuses the number
			s.size = s.size*10 + int64(c-'0')
		}
	case was == braceOpen && c == '}':
		s.brace = braceClosed
	case was == braceClosed && c == '\r':
		s.brace = braceCR
	}
	return nil
}
