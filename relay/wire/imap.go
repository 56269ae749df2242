package wire

import (
	"bytes"
	"strconv"
)

const (
	maxLogical = 1 << 20  // of a logical line, in octets, its small literals included
	maxLiteral = 64 << 10 // of a literal that is no body
	maxAnswer  = 64 << 20 // of all lines between two writes of ours: the tagged line may never come
	edge       = 48       // octets kept of both ends of a line: "* n FETCH" and "BODY[TEXT]<n> {n}" fit
)

// A logical follows the lines of an IMAP server (RFC 9051, 9) closely enough to bound what a parser above has
// to hold. It allows a literal of any size only as the value of BODY[…], BINARY[…] or RFC822… in a FETCH
// response, which is streamed. Quoted strings are followed too: a parser that lets them run over line ends
// could be fed for ever.
type logical struct {
	n     int   // octets of the logical line so far, small literals included
	total int64 // octets of all lines since something was asked

	head, tail []byte // both ends: of the logical line, of its last physical line
	quoted     bool   // within a quoted string
	escaped    bool   // behind its backslash
	bracket    bool   // a "]" was seen
	literal    int64  // octets of the literal to come
	big        bool   // it is a body
}

// body says whether the next octet belongs to a body.
func (l *logical) body() bool { return l.big && l.literal > 0 }

// follow takes the next octets; an error says which limit they break. It shows what is not a body.
func (l *logical) follow(b []byte, show func([]byte)) error {
	for len(b) > 0 {
		if l.literal > 0 {
			n := int(min(l.literal, int64(len(b))))
			l.literal -= int64(n)
			if !l.big {
				show(b[:n])
				if err := l.count(n); err != nil {
					return err
				}
			}
			b = b[n:]
			continue
		}
		part := oneLine(b, Lines)
		b = b[len(part):]
		show(part)
		if err := l.count(len(part)); err != nil {
			return err
		}
		l.keep(part)
		if part[len(part)-1] == '\n' {
			if err := l.end(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *logical) count(n int) error {
	l.n += n
	l.total += int64(n)
	switch {
	case l.n > maxLogical:
		return foreign("a line is longer than %d octets", maxLogical)
	case l.total > maxAnswer:
		return foreign("an answer is longer than %d octets", maxAnswer)
	}
	return nil
}

// keep remembers both ends of the line and follows its quotation marks.
func (l *logical) keep(part []byte) {
	if room := edge - len(l.head); room > 0 {
		l.head = append(l.head, part[:min(room, len(part))]...)
	}
	l.tail = append(l.tail, part[max(0, len(part)-edge):]...)
	if extra := len(l.tail) - edge; extra > 0 {
		l.tail = append(l.tail[:0], l.tail[extra:]...)
	}
	l.bracket = l.bracket || bytes.IndexByte(part, ']') >= 0
	if l.free() {
		return
	}
	for _, c := range part {
		switch {
		case l.escaped:
			l.escaped = false
		case l.quoted && c == '\\':
			l.escaped = true
		case c == '"':
			l.quoted = !l.quoted
		}
	}
}

// free says whether the line ends in text for people, in which quotation marks mean nothing.
func (l *logical) free() bool {
	typ := l.head
	if i := bytes.IndexByte(typ, ' '); i >= 0 {
		typ = typ[i+1:]
	}
	if len(l.head) > 0 && l.head[0] == '+' {
		return true
	}
	for _, w := range []string{"OK", "NO", "BAD", "BYE", "PREAUTH"} {
		if len(typ) > len(w) && typ[len(w)] <= ' ' && bytes.EqualFold(typ[:len(w)], []byte(w)) {
			return true
		}
	}
	return false
}

// end is called at a line end: either a literal follows, or the logical line is over.
func (l *logical) end() error {
	if l.quoted {
		return foreign("a line ends within a quoted string")
	}
	if free := l.free(); free || !bytes.HasSuffix(chomp(l.tail), []byte("}")) {
		w := bytes.SplitN(l.head, []byte(" "), 3)
		if free && !l.bracket && len(w) == 3 && bytes.HasPrefix(w[2], []byte("[")) {
			return foreign("a line ends within a response code")
		}
		*l = logical{total: l.total, head: l.head[:0], tail: l.tail[:0]}
		return nil
	}
	t := bytes.TrimSuffix(bytes.TrimSuffix(chomp(l.tail), []byte("}")), []byte("+"))
	i := bytes.LastIndexByte(t, '{')
	n, err := strconv.ParseInt(string(t[i+1:]), 10, 64)
	if i < 0 || err != nil || n < 0 {
		return foreign("a line ends with %.64q, which is no literal", chomp(l.tail))
	}
	l.literal, l.big = n, l.streamed(bytes.TrimSuffix(t[:i], []byte("~")))
	l.tail = l.tail[:0]
	if !l.big && n > maxLiteral {
		return foreign("a literal of %d octets is no body", n)
	}
	return nil
}

// streamed says whether a literal behind this is one that no parser holds: the body in "* n FETCH (…
// BODY[…]".
func (l *logical) streamed(before []byte) bool {
	f := bytes.Fields(l.head)
	if len(f) < 3 || string(f[0]) != "*" || !bytes.EqualFold(f[2], []byte("FETCH")) ||
		f[1][0] < '0' || f[1][0] > '9' {
		return false
	}
	before, ok := bytes.CutSuffix(before, []byte(" "))
	if !ok || len(before) == 0 {
		return false
	}
	if c := before[len(before)-1]; c == ']' || c == '>' {
		return true
	}
	word := before[bytes.LastIndexAny(before, " (")+1:]
	return len(word) >= 6 && bytes.EqualFold(word[:6], []byte("RFC822"))
}
