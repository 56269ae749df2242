package imap

import (
	"regexp"
	"strings"
	"sync"

	"mailretr/relay/utf7"
	"mailretr/store/mail"
)

// A place is how a server writes names of folders that are ours: with what in front (RFC 2342), and with what between
// their parts.
type place struct{ prefix, separator string }

// Compiled when they are needed: bounds like these make them large, and few have such a destination.
var (
	personal = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?i:NAMESPACE) \(\("((?:[^"\\]|\\.){0,200})" (?:"\\?(.)"|(?i:NIL))`)
	})
	listed = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?i:LIST) \([^)]{0,200}\) "\\?(.)" `) })
)

// places asks the server, once in a connection. One that does not say leaves names as they are.
func (a *attempt) places() (place, error) {
	if a.names != nil {
		return *a.names, nil
	}
	var p place
	ask, answers := `LIST "" ""`, listed()
	if a.conn.Can("NAMESPACE") {
		ask, answers = "NAMESPACE", personal()
	}
	_, err := a.command(mail.OpList, ask, func(said string) {
		switch m := answers.FindStringSubmatch(said); len(m) {
		case 2:
			p.separator = m[1]
		case 3:
			p.separator = m[2]
			if name, ok := utf7.Decode(strings.ReplaceAll(m[1], `\`, "")); ok && p.separator != "" {
				p.prefix = name
			}
		}
	})
	if err != nil {
		return place{}, err
	}
	a.names = &p
	return p, nil
}

// name is how a folder of another server is called here. That one's separator is not known for certain: a slash is one;
// so is a dot, where everything stands below INBOX.
func (p place) name(theirs string) string {
	if p.separator == "" || strings.EqualFold(theirs, "INBOX") {
		return theirs
	}
	const inbox = "INBOX"
	separator := "/"
	below := len(theirs) > len(inbox) && strings.EqualFold(theirs[:len(inbox)], inbox)
	if !strings.Contains(theirs, separator) && (p.separator == "." || below && theirs[len(inbox)] == '.') {
		separator = "."
	}
	parts := strings.Split(theirs, separator)
	if below && separator == "." && p.separator != "." && p.prefix == "" {
		parts = parts[1:] // everything is below INBOX there, and nothing need be here
	}
	if separator != p.separator {
		for i := range parts {
			parts[i] = strings.ReplaceAll(parts[i], p.separator, "_")
		}
	}
	ours := strings.Join(parts, p.separator)
	if !strings.HasPrefix(ours, p.prefix) {
		ours = p.prefix + ours
	}
	return ours
}
