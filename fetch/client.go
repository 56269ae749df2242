package fetch

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"mailretr/store/mail"
)

// A Border says how to find in a header who handed the message to the provider: in the Received field of the host that
// takes mail for it. Whoever sent the message may have written such a field himself, but only below those of the provider.
type Border struct {
	By      []string // names of the hosts that take mail from outside, as they call themselves; * stands for any letters
	Through []string // hosts behind them that a message passes on its way to the maildrop
}

// maxHops bounds how many fields are looked at.
const maxHops = 20

// Client returns who it was. ours is our own host, whose field may stand at the top. Anything that is not understood, or
// is not said by the host that has to say it, gives nobody.
func (b Border) Client(header []byte, ours string) mail.Client {
	n := 0
	for body := range fields(header, "Received") {
		r := readReceived(body)
		n++
		switch {
		case r.odd || r.by == "" || n > maxHops:
			return mail.Client{}
		case matches(b.By, r.by):
			return handed(body)
		case n == 1 && strings.EqualFold(r.by, ours), matches(b.Through, r.by):
		default:
			return mail.Client{} // what is below may be anybody's
		}
	}
	return mail.Client{}
}

func matches(patterns []string, host string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(strings.ToLower(p), host)
		return ok && err == nil
	})
}

var (
	// said is what the client said of itself, in a comment: Exim, and qmail.
	said = regexp.MustCompile(`(?i)(?:\bhelo=\S*|^\s*(?:HELO|EHLO)\s.*)`)
	// literal is an address in brackets, perhaps with a port behind it.
	literal = regexp.MustCompile(`\[(?i:IPv6:)?([0-9A-Fa-f.:]+)\]`)
	helo    = regexp.MustCompile(`(?i)(?:\bhelo=|^\s*(?:HELO|EHLO)\s+)(\S+)`)
)

// handed reads the from clause of a Received field, in the forms of Postfix, Exim, Sendmail, qmail and Exchange. The
// address is the one that stands in a comment and was not said by the client: outside of comments stands what it called
// itself, but for Exim, which has the address there when it knows no name.
func handed(body string) mail.Client {
	value, comments, ok := fromClause(body)
	if !ok {
		return mail.Client{}
	}
	var found []netip.Addr
	c, exim := mail.Client{Hello: value}, false
	for _, text := range comments {
		if m := helo.FindStringSubmatch(text); m != nil {
			c.Hello, exim = m[1], exim || strings.Contains(strings.ToLower(text), "helo=")
		}
		rest := strings.TrimSpace(said.ReplaceAllString(text, ""))
		all := literal.FindAllStringSubmatchIndex(rest, -1)
		for _, at := range all {
			found = add(found, rest[at[2]:at[3]])
		}
		if len(all) == 0 {
			found = add(found, rest) // (192.0.2.1)
		} else if name := strings.TrimSuffix(strings.TrimSpace(rest[:all[0][0]]), "."); name != "" && !exim {
			c.Name = name
		}
	}
	if m := literal.FindStringSubmatch(value); exim && m != nil && m[0] == value {
		found = add(found, m[1])
	} else if exim && len(found) > 0 {
		c.Name = value // Exim has looked it up and back
	}
	if len(found) != 1 || !outside(found[0]) {
		return mail.Client{}
	}
	c.Addr = found[0]
	if c.Name = hostName(c.Name); strings.EqualFold(c.Name, "unknown") {
		c.Name = ""
	}
	c.Hello = helloName(c.Hello)
	return c
}

// add adds an address that is not there yet; what is none is passed over.
func add(all []netip.Addr, s string) []netip.Addr {
	a, err := netip.ParseAddr(s)
	if a = a.Unmap(); err != nil || a.Zone() != "" || slices.Contains(all, a) {
		return all
	}
	return append(all, a)
}

// outside says whether an address can be that of a client: one within the provider is none.
func outside(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback()
}

// hostName returns a name that may be told to others, or "".
func hostName(s string) string {
	bad := func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if len(s) > 253 || s == "" || s[0] == '-' || s[0] == '.' || strings.ContainsFunc(s, bad) {
		return ""
	}
	return s
}

// helloName is hostName, or an address literal (RFC 5321, 4.1.3).
func helloName(s string) string {
	if m := literal.FindString(s); m == s && s != "" && len(s) < 60 {
		return s
	}
	return hostName(s)
}

// fromClause returns the value of the from clause, which has to be the first, and the comments up to the next.
func fromClause(s string) (value string, comments []string, ok bool) {
	for words := 0; ; {
		s = strings.TrimLeft(s, " \t")
		if words > 1 && s != "" && s[0] == '(' {
			n, err := comment(s)
			if err != nil {
				return "", nil, false
			}
			comments, s = append(comments, s[1:n-1]), s[n:]
			continue
		}
		word, rest, found := receivedWord(s)
		if words++; !found || words == 1 && !strings.EqualFold(word, "from") {
			return "", nil, false
		}
		switch words {
		case 2:
			value = word
		case 3:
			return value, comments, strings.EqualFold(word, "by")
		}
		s = rest
	}
}
