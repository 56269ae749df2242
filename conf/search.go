package conf

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Search is a search expression of IMAP (RFC 9051, 6.4.4) as a filter: all keys have to hold. The zero
// value lets everything through.
type Search struct {
	Text string // as it was written
	Keys []SearchKey
}

// A SearchKey is one condition.
type SearchKey struct {
	Name   string      // in capitals: FROM, NOT …; "" for keys in parentheses: all have to hold
	Field  string      // of HEADER
	Text   string      // of FROM and its like, and of KEYWORD
	Date   time.Time   // of SINCE and its like, midnight UTC
	Number int64       // of LARGER and SMALLER
	Keys   []SearchKey // of NOT one, of OR two, of parentheses any number
}

// Bounds of an expression: it is sent with each visit.
const (
	maxSearch     = 2000 // octets
	maxSearchKeys = 100
	maxSearchDeep = 10
)

// What a search key has behind it.
const (
	nothing = iota
	aText
	aWord
	aDate
	aNumber
	aField
	aKey
	twoKeys
)

// searchKeys are those that say something about a message itself. Numbers and UIDs are mailretr's to know,
// and OLD, NEW and RECENT are gone with RFC 9051.
var searchKeys = map[string]int{
	"ALL": nothing, "ANSWERED": nothing, "DELETED": nothing, "DRAFT": nothing, "FLAGGED": nothing, "SEEN": nothing,
	"UNANSWERED": nothing, "UNDELETED": nothing, "UNDRAFT": nothing, "UNFLAGGED": nothing, "UNSEEN": nothing,
	"BCC": aText, "BODY": aText, "CC": aText, "FROM": aText, "SUBJECT": aText, "TEXT": aText, "TO": aText,
	"KEYWORD": aWord, "UNKEYWORD": aWord,
	"BEFORE": aDate, "ON": aDate, "SINCE": aDate, "SENTBEFORE": aDate, "SENTON": aDate, "SENTSINCE": aDate,
	"LARGER": aNumber, "SMALLER": aNumber, "HEADER": aField, "NOT": aKey, "OR": twoKeys,
}

// ParseSearch reads an expression. The errors say what to write instead.
func ParseSearch(s string) (Search, error) {
	switch {
	case len(s) > maxSearch:
		return Search{}, fmt.Errorf("the expression is longer than %d octets", maxSearch)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, control):
		return Search{}, fmt.Errorf("the expression has a character that no command can carry")
	}
	p := &searchParser{rest: strings.TrimSpace(s)}
	keys, err := p.all(0)
	if err == nil && p.rest != "" {
		err = fmt.Errorf("there is a ) without its (")
	}
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("the expression is empty; write e.g. UNSEEN SINCE 1-Jan-2026")
	}
	if err != nil {
		return Search{}, err
	}
	return Search{Text: s, Keys: keys}, nil
}

// String returns what was written.
func (s Search) String() string { return s.Text }

type searchParser struct {
	rest string
	keys int
}

// all reads keys up to the end or a closing parenthesis.
func (p *searchParser) all(deep int) (keys []SearchKey, err error) {
	for p.rest != "" && p.rest[0] != ')' {
		k, err := p.key(deep)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
		p.rest = strings.TrimLeft(p.rest, " ")
	}
	return keys, nil
}

func (p *searchParser) key(deep int) (k SearchKey, err error) {
	if p.keys++; p.keys > maxSearchKeys || deep > maxSearchDeep {
		return k, fmt.Errorf("the expression has too many keys, or is nested too deeply")
	}
	if strings.HasPrefix(p.rest, "(") {
		p.rest = strings.TrimLeft(p.rest[1:], " ")
		k.Keys, err = p.all(deep + 1)
		if err == nil && !strings.HasPrefix(p.rest, ")") {
			err = fmt.Errorf("there is a ( without its )")
		}
		if err == nil && len(k.Keys) == 0 {
			err = fmt.Errorf("there is nothing between ( and )")
		}
		p.rest = strings.TrimPrefix(p.rest, ")")
		return k, err
	}
	word, err := p.word("a key")
	if err != nil {
		return k, err
	}
	k.Name = strings.ToUpper(word)
	takes, known := searchKeys[k.Name]
	if !known {
		return k, unknownKey(word)
	}
	return k, p.behind(&k, takes, deep)
}

// behind reads what a key has behind it.
func (p *searchParser) behind(k *SearchKey, takes, deep int) (err error) {
	switch takes {
	case aText:
		k.Text, err = p.word("a text behind " + k.Name)
	case aWord:
		k.Text, err = p.word("a word behind " + k.Name)
		if err == nil && (k.Text == "" || strings.ContainsFunc(k.Text, noAtom)) {
			err = fmt.Errorf("%s: %q is no keyword", k.Name, k.Text)
		}
	case aDate:
		err = p.date(k)
	case aNumber:
		err = p.number(k)
	case aField:
		if k.Field, err = p.word("the name of a field behind HEADER"); err != nil {
			return err
		}
		if k.Field == "" || strings.ContainsFunc(k.Field, noField) {
			return fmt.Errorf("HEADER: %q is no name of a field", k.Field)
		}
		k.Text, err = p.word("a text behind HEADER " + k.Field)
	case aKey, twoKeys:
		for range takes - aKey + 1 {
			p.rest = strings.TrimLeft(p.rest, " ")
			if p.rest == "" || p.rest[0] == ')' {
				return fmt.Errorf("a key is missing behind %s", k.Name)
			}
			one, err := p.key(deep + 1)
			if err != nil {
				return err
			}
			k.Keys = append(k.Keys, one)
		}
	}
	return err
}

func noField(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }

func (p *searchParser) date(k *SearchKey) error {
	s, err := p.word("a date behind " + k.Name)
	if err != nil {
		return err
	}
	if k.Date, err = time.Parse("2-Jan-2006", s); err != nil || k.Date.Year() < 1970 {
		return fmt.Errorf("%s: %q is no date; write e.g. 1-Jan-2026", k.Name, s)
	}
	return nil
}

func (p *searchParser) number(k *SearchKey) error {
	s, err := p.word("a number of octets behind " + k.Name)
	if err != nil {
		return err
	}
	if k.Number, err = strconv.ParseInt(s, 10, 32); err != nil || k.Number < 1 {
		return fmt.Errorf("%s: %q is no number of octets; write e.g. %s 100000", k.Name, s, k.Name)
	}
	return nil
}

// word reads a quoted string, or what ends at a blank or parenthesis.
func (p *searchParser) word(what string) (s string, err error) {
	p.rest = strings.TrimLeft(p.rest, " ")
	if strings.HasPrefix(p.rest, `"`) {
		return p.quoted()
	}
	end := strings.IndexAny(p.rest, ` ()"`)
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		return "", fmt.Errorf("%s is missing", what)
	}
	s, p.rest = p.rest[:end], p.rest[end:]
	if strings.HasPrefix(p.rest, `"`) || strings.HasPrefix(p.rest, "(") {
		return "", fmt.Errorf("a blank is missing behind %q", s)
	}
	if strings.ContainsAny(s, `\{`) {
		return "", fmt.Errorf("%q has to stand in double quotes", s)
	}
	return s, nil
}

func (p *searchParser) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf(`a " is missing`)
}

// unknownKey says why a word is no key.
func unknownKey(word string) error {
	switch w := strings.ToUpper(word); {
	case w == "NEW", w == "OLD", w == "RECENT":
		return fmt.Errorf("%s says something about programs, not about the message; "+
			"what mailretr has collected it knows by itself", w)
	case w == "UID", strings.Trim(word, "0123456789:,*") == "":
		return fmt.Errorf("numbers and UIDs are no filter: they mean something for one folder only")
	case w == "YOUNGER", w == "OLDER", w == "MODSEQ":
		return fmt.Errorf("%s is not known to every server; write SINCE or BEFORE with a date", w)
	}
	return fmt.Errorf("%q is no search key of RFC 9051; "+
		"write e.g. UNSEEN, SINCE 1-Jan-2026, NOT FROM \"x\"", word)
}
