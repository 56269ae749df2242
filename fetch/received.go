package fetch

import "strings"

// A received is what one Received field says (RFC 5321, 4.4), as far as we ask for it.
type received struct {
	by  string // host that wrote it, lower case; "" where it does not say
	id  string // under which that host had the message
	to  string // the address of its for clause, without brackets
	odd bool   // it says something twice, or behind its end: somebody may have brought his own clauses
}

// readReceived reads the body of a Received field. Whoever says HELO can have words of his choice put into
// the from clause, so a word that stands where a value is due is a value, and a clause that comes twice,
// or before by, makes the field odd.
func readReceived(s string) (r received) {
	due, ended := "", false
	for {
		var word string
		var ok bool
		if word, s, ok = receivedWord(s); !ok {
			r.odd = r.odd || due != ""
			return r
		}
		switch key := strings.ToLower(word); {
		case due != "":
			r.set(due, word)
			ended, due = due == "for", ""
		case ended: // "for <a>, <b>", "for multiple recipients"
			r.odd = true
		case key == "from" || key == "by" || key == "via" || key == "with" || key == "id" || key == "for":
			due = key
		}
	}
}

func (r *received) set(clause, value string) {
	switch clause {
	case "from":
		r.odd = r.odd || r.by != ""
	case "by":
		r.odd = r.odd || r.by != ""
		r.by = strings.ToLower(strings.TrimSuffix(value, "."))
	case "id":
		r.odd = r.odd || r.by == "" || r.id != ""
		r.id = value
	case "for":
		r.odd = r.odd || r.by == "" || r.to != ""
		if n := len(value); n > 1 && value[0] == '<' && value[n-1] == '>' {
			value = value[1 : n-1]
		}
		r.to = value
	}
}

// receivedWord returns the next word before the semicolon that ends the clauses; an address in brackets,
// or something in quotation marks, is part of one. Comments are passed over; what does not end, ends the
// clauses.
func receivedWord(s string) (word, rest string, ok bool) {
	i, begin := 0, -1
	for i < len(s) {
		n, err := 1, error(nil)
		switch s[i] {
		case ' ', '\t', '(', ';':
			if begin >= 0 {
				return s[begin:i], s[i:], true
			}
			if s[i] == ';' {
				return "", "", false
			}
			if s[i] == '(' {
				n, err = comment(s[i:])
			}
			if err != nil {
				return "", "", false
			}
			i += n
			continue
		case '"':
			n, err = quoted(s[i:])
		case '<':
			n, err = bracket(s[i:])
		}
		if err != nil {
			return "", "", false
		}
		if begin < 0 {
			begin = i
		}
		i += n
	}
	if begin < 0 {
		return "", "", false
	}
	return s[begin:], "", true
}
