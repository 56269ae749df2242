// Package flag says which IMAP flags a message may be given.
//
// It promises that what passes is one word of a command and ends none, so that a flag which a stranger has chosen can be
// written into one. It leaves to others which flags are wanted. RFC 9051.
package flag

import (
	"slices"
	"strings"
)

// most is the longest keyword, in octets: servers have limits of their own, and none is as long.
const most = 100

// system are those that a client gives; \Deleted would have the message thrown away, \Recent is the server's.
var system = []string{"seen", "answered", "flagged", "draft"}

// Given says whether a message may be given a flag: one of the four that a client gives, or a keyword (RFC 9051, 2.3.2).
func Given(s string) bool {
	if name, ok := strings.CutPrefix(s, `\`); ok {
		return slices.Contains(system, strings.ToLower(name))
	}
	return s != "" && len(s) <= most && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r)
	}) < 0
}
