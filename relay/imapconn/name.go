package imapconn

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// base64utf7 is the base64 of modified UTF-7 (RFC 3501, 5.1.3).
var base64utf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

// EncodeName writes the name of a folder in modified UTF-7 (RFC 3501, 5.1.3), in the one form that it has. What is a
// pattern stays one.
func EncodeName(s string) string {
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
		b.WriteString("&" + base64utf7.EncodeToString(octets) + "-")
		s = s[end:]
	}
	return b.String()
}

// DecodeName reads modified UTF-7; false: it is not well-formed. Only what EncodeName makes the same text of is a name.
func DecodeName(s string) (string, bool) {
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
		octets, err := base64utf7.DecodeString(coded)
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
