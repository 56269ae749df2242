package fetch

import (
	"bytes"
	"errors"
	"iter"
	"strings"
)

// maxField bounds one unfolded field body, in octets, and maxAddresses what is read from it: an
// envelope field with more than RFC 5321, 4.5.3.1.8 asks an MTA to take is no envelope.
const (
	maxField     = 64 << 10
	maxAddresses = 1000
)

// fields yields the bodies of the fields of that name in a header section, from the top, unfolded (RFC
// 5322, 2.2.3); next says that nothing stands between one and the one before it. It takes any header:
// lines that are no field are passed over, CRLF and LF both end a line, and the first empty line ends
// the section. A body that is too long is yielded cut, one octet over the limit, so that who parses it
// refuses it.
func fields(header []byte, name string) iter.Seq2[string, bool] {
	return func(yield func(body string, next bool) bool) {
		var body []byte
		in, next := false, false
		for line := range bytes.Lines(header) {
			line = bytes.TrimRight(line, "\r\n")
			if len(line) == 0 {
				break
			}
			if line[0] == ' ' || line[0] == '\t' {
				if in {
					body = extend(body, line)
				}
				continue
			}
			if in && !yield(string(body), next) {
				return
			}
			var rest []byte
			next = in
			if rest, in = cutName(line, name); in {
				body = extend(body[:0], rest)
			}
		}
		if in {
			yield(string(body), next)
		}
	}
}

func extend(body, line []byte) []byte {
	return append(body, line[:min(len(line), max(maxField+1-len(body), 0))]...)
}

// cutName returns what stands behind "name:" on the line. Blanks before the colon are the obsolete
// syntax of RFC 5322, 4.5, which some still write.
func cutName(line []byte, name string) (rest []byte, ok bool) {
	i := bytes.IndexByte(line, ':')
	if i < 0 || !strings.EqualFold(string(bytes.TrimRight(line[:i], " \t")), name) {
		return nil, false
	}
	return line[i+1:], true
}

// nth returns the body of the nth field of that name from the top, counting from 1.
func nth(header []byte, name string, n int) (string, bool) {
	for value := range fields(header, name) {
		if n--; n == 0 {
			return value, true
		}
	}
	return "", false
}

// block returns the bodies of the topmost field of that name and of those that follow it directly; no more than one beyond
// maxAddresses, so that who reads them refuses them.
func block(header []byte, name string) (all []string) {
	for value, next := range fields(header, name) {
		if len(all) > 0 && !next || len(all) > maxAddresses {
			break
		}
		all = append(all, value)
	}
	return all
}

// addresses reads a list of addresses separated by commas: bare, or in angle brackets with a display
// name or none, with comments (RFC 5322, 3.4). Anything else is an error for the whole list, groups and
// source routes too: who is not sure of one address is not sure of the next. An empty pair of brackets
// is an empty address. The addresses are not checked.
func addresses(s string) ([]string, error) {
	if len(s) > maxField {
		return nil, errors.New("the field is too long")
	}
	var all []string
	for len(s) > 0 {
		one, rest, err := address(s)
		if err != nil {
			return nil, err
		}
		if one != nil {
			all = append(all, *one)
		}
		if len(all) > maxAddresses {
			return nil, errors.New("the field has too many addresses")
		}
		s = rest
	}
	return all, nil
}

// address reads up to the next comma. one is nil where nothing stands before it.
func address(s string) (one *string, rest string, err error) {
	var bare strings.Builder // outside of brackets and comments
	var angle *string
	odd := false // it has what no display name may have outside of quotation marks
	i := 0
scan:
	for i < len(s) {
		switch c := s[i]; c {
		case ',':
			break scan
		case '(':
			n, err := comment(s[i:])
			if err != nil {
				return nil, "", err
			}
			i += n
			bare.WriteByte(' ')
			continue
		case '"':
			n, err := quoted(s[i:])
			if err != nil {
				return nil, "", err
			}
			bare.WriteString(s[i : i+n])
			i += n
			continue
		case '<':
			n, err := bracket(s[i:])
			if err != nil || angle != nil || odd {
				return nil, "", errors.New("the brackets do not match")
			}
			inside := strings.Trim(s[i+1:i+n-1], " \t")
			angle = &inside
			bare.Reset()
			i += n
			continue
		case '>', ')', ';':
			return nil, "", errors.New("the field is no list of addresses")
		default:
			odd = odd || strings.IndexByte(`@:[]\\`, c) >= 0
			bare.WriteByte(c)
		}
		i++
	}
	rest = s[min(i+1, len(s)):]
	text := strings.Trim(bare.String(), " \t")
	switch {
	case angle != nil && text != "":
		return nil, "", errors.New("something stands behind an address")
	case angle != nil:
		return angle, rest, nil
	case text == "":
		return nil, rest, nil
	}
	return &text, rest, nil
}

// comment returns the length of a comment, nested ones included.
func comment(s string) (int, error) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		}
	}
	return 0, errors.New("a comment does not end")
}

// quoted returns the length of a quoted string, quotation marks included.
func quoted(s string) (int, error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1, nil
		}
	}
	return 0, errors.New("a quotation does not end")
}

// bracket returns the length of an address in angle brackets, brackets included.
func bracket(s string) (int, error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			n, err := quoted(s[i:])
			if err != nil {
				return 0, err
			}
			i += n - 1
		case '<':
			return 0, errors.New("a bracket within brackets")
		case '>':
			return i + 1, nil
		}
	}
	return 0, errors.New("a bracket does not end")
}
