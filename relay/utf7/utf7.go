// Package utf7 writes names of folders as IMAP before revision 2 does, and Maildir++ after it: in modified UTF-7.
//
// It promises one text for each name: what [Encode] would not write is no name, however it reads. What may stand in a name
// is left to whoever uses it. RFC 3501, 5.1.3.
//
// Read first: [Encode].
package utf7

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// coding has a comma for the slash, which separates folders.
var coding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

// Encode writes the name of a folder, which is UTF-8, in printable ASCII. What is a pattern stays one.
func Encode(s string) string {
	var b strings.Builder
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if r >= ' ' && r <= '~' {
			if b.WriteByte(byte(r)); r == '&' {
				b.WriteByte('-')
			}
			s = s[n:]
			continue
		}
		end := strings.IndexFunc(s, func(r rune) bool { return r >= ' ' && r <= '~' })
		if end < 0 {
			end = len(s)
		}
		var octets []byte
		for _, u := range utf16.Encode([]rune(s[:end])) {
			octets = append(octets, byte(u>>8), byte(u))
		}
		b.WriteString("&" + coding.EncodeToString(octets) + "-")
		s = s[end:]
	}
	return b.String()
}

// Decode reads a name; false: it is not well-formed. Only what Encode makes the same text of is a name.
func Decode(s string) (string, bool) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			b.WriteString(s)
			return b.String(), true
		}
		b.WriteString(s[:i])
		coded, rest, ended := strings.Cut(s[i+1:], "-")
		if s = rest; !ended {
			return "", false
		}
		if coded == "" {
			b.WriteByte('&')
			continue
		}
		octets, err := coding.DecodeString(coded)
		if err != nil || len(octets)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(octets)/2)
		for i := range units {
			units[i] = uint16(octets[2*i])<<8 | uint16(octets[2*i+1])
		}
		b.WriteString(string(utf16.Decode(units))) // an unpaired surrogate does not come back as it was
	}
}
