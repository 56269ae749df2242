package sql

import (
	"fmt"
	"strings"
)

// A question is a query with the place of one value in it, as the driver wants it.
type question struct {
	text  string
	times int // how often the value has to be given
}

// named puts the driver's mark in the place of :name, wherever that stands outside of quotes and comments; what the value
// is never becomes part of the query. A name that is nowhere is an error, because everybody would be found.
func named(kind, query, name string) (question, error) {
	q, out := question{}, strings.Builder{}
	for query != "" {
		n := 1
		switch {
		case strings.HasPrefix(query, "::"): // a cast of PostgreSQL
			n = 2
		case strings.HasPrefix(query, ":"+name) && !continues(query[1+len(name):]):
			query = query[1+len(name):]
			q.times++
			out.WriteString(mark(kind))
			continue
		case query[0] == '?' && kind != "postgres":
			return q, fmt.Errorf("the query has a ? outside of quotes; write :%s", name)
		default:
			n = quoted(kind, query)
		}
		out.WriteString(query[:n])
		query = query[n:]
	}
	if q.text = out.String(); q.times == 0 {
		return q, fmt.Errorf("the query has no :%s outside of quotes, so that it would find the same for everybody", name)
	}
	if kind == "postgres" {
		q.times = 1
	}
	return q, nil
}

func mark(kind string) string {
	if kind == "postgres" {
		return "$1"
	}
	return "?"
}

// continues says whether s goes on with a letter of a name.
func continues(s string) bool {
	return s != "" && (s[0] == '_' || '0' <= s[0] && s[0] <= '9' || 'a' <= s[0]|0x20 && s[0]|0x20 <= 'z' || s[0] >= 0x80)
}

// quoted is how many octets at the beginning are a string, a name in quotes or a comment; 1 for anything else.
func quoted(kind, s string) int {
	end := ""
	switch {
	case strings.HasPrefix(s, "--"), s[0] == '#' && kind == "mysql":
		end = "\n"
	case strings.HasPrefix(s, "/*"):
		if i := strings.Index(s[2:], "*/"); i >= 0 {
			return 2 + i + 2
		}
		return len(s)
	case s[0] == '\'' || s[0] == '"' || s[0] == '`':
		return text(kind == "mysql" && s[0] != '`', s)
	case s[0] == '$' && kind == "postgres":
		if i := strings.IndexByte(s[1:], '$'); i >= 0 && strings.IndexFunc(s[1:1+i], notTag) < 0 {
			end = s[:i+2]
			if j := strings.Index(s[len(end):], end); j >= 0 {
				return len(end) + j + len(end)
			}
			return len(s)
		}
		return 1
	default:
		return 1
	}
	if i := strings.Index(s, end); i >= 0 {
		return i + 1
	}
	return len(s)
}

func notTag(r rune) bool { return r < 0x80 && !continues(string(r)) }

// text is how many octets a string in quotes has; a quote that is doubled makes two strings of one, which is the same here.
func text(backslash bool, s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case backslash && s[i] == '\\':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}
