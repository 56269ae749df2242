// Package domain compares domains as people write them: in either case, and internationalised ones in either form.
//
// It promises that what is the same domain in the DNS is the same here, as far as that can be told without asking
// it. It leaves to others what is a domain at all. RFC 5890 (A-labels and U-labels), RFC 5891.
//
// Read first: [In].
package domain

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// In says whether a domain is the one that is meant, or lies below *.domain. Both are in lower case, and
// internationalised ones the same in either form. No domain, "", is in none.
func In(pattern, domain string) bool {
	pattern, domain = ALabels(pattern), ALabels(domain)
	if below, ok := strings.CutPrefix(pattern, "*"); ok {
		return len(domain) > len(below) && strings.HasSuffix(domain, below)
	}
	return domain != "" && domain == pattern
}

// ALabels returns the form of a domain in which all its spellings are the same: with A-labels (RFC 5890, 2.3.2.1), which
// is how it stands in a header of before RFC 6532, and in the DNS. It is given in lower case; "*." in front stays. One
// that cannot be written so is returned as it is.
func ALabels(domain string) string {
	if strings.IndexFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return domain
	}
	name, below := strings.CutPrefix(domain, "*.")
	a, err := idna.Lookup.ToASCII(name)
	switch {
	case err != nil:
		return domain
	case below:
		return "*." + a
	}
	return a
}
