package bounce

import (
	"regexp"
	"strings"

	"mailretr/store/mail"
)

// What the collecting provider found out about the sender (Authentication-Results, RFC 8601). Only its own fields are
// read: those with its authserv-id that stand together at the top. Anybody may have written what is below, so a result
// there can make a sender forged, which is the safe side, and never genuine.

// A finding is one method with its result.
type finding struct {
	method, result string // in lower case
	domains        map[string]string
}

// method is how a result begins (RFC 8601, 2.2).
var method = regexp.MustCompile(`(?i)^\s*([a-z0-9-]+)\s*(?:/\s*\d+\s*)?=\s*([a-z]+)\b(.*)$`)

// property is one of its properties: what was examined.
var property = regexp.MustCompile(`(?i)\b(smtp\.mailfrom|header\.(?:d|i|from))\s*=\s*(\S+)`)

// findings returns what a field says; ok is false where it is not of that server.
func findings(value, server string) (all []finding, ok bool) {
	id, rest, _ := strings.Cut(plain(value), ";")
	if f := strings.Fields(id); server == "" || len(f) == 0 || !strings.EqualFold(f[0], server) {
		return nil, false
	}
	for _, x := range strings.Split(rest, ";") {
		m := method.FindStringSubmatch(strings.ReplaceAll(x, "\t", " "))
		if m == nil {
			continue
		}
		f := finding{strings.ToLower(m[1]), strings.ToLower(m[2]), map[string]string{}}
		for _, p := range property.FindAllStringSubmatch(m[3], -1) {
			f.domains[strings.ToLower(p[1])] = strings.ToLower(p[2][strings.LastIndexByte(p[2], '@')+1:])
		}
		all = append(all, f)
	}
	return all, true
}

// forged returns the method by which the provider found the reverse-path forged, as "spf=fail"; "" if it did not.
//
// dmarc=fail is one: whoever is named there has not sent it. spf=fail is one if it speaks of this reverse-path, unless the
// same field says that a domain which answers for the reverse-path has signed the message: it was forwarded then.
// dkim=fail alone means nothing, since every mailing list breaks signatures.
func (p Policy) forged(header []byte, reverse mail.Path) string {
	var found []finding
	genuine, top := false, true
	for name, value := range fields(header) {
		if name == "received" && len(found) > 0 {
			break
		}
		if name != "authentication-results" {
			continue
		}
		some, ok := findings(value, p.AuthServ)
		if !ok {
			break
		}
		for _, f := range some {
			genuine = genuine || top && f.signed(reverse)
		}
		found, top = append(found, some...), false
	}
	said := map[string]bool{}
	for _, f := range found {
		if said[f.method] { // what the provider said first counts
			continue
		}
		said[f.method] = true
		switch {
		case f.result != "fail":
		case f.method == "dmarc", f.method == "spf" && f.speaksOf(reverse) && !genuine:
			return f.method + "=fail"
		}
	}
	return ""
}

// signed says whether a passed check proves that the domain of the reverse-path had to do with the message.
func (f *finding) signed(reverse mail.Path) bool {
	if f.result != "pass" || f.method != "dkim" && f.method != "dmarc" {
		return false
	}
	for _, key := range []string{"header.d", "header.i", "header.from"} {
		if related(f.domains[key], reverse.Domain()) {
			return true
		}
	}
	return false
}

// speaksOf says whether an SPF result is about this reverse-path; one that does not say about whom is.
func (f *finding) speaksOf(reverse mail.Path) bool {
	d := f.domains["smtp.mailfrom"]
	return d == "" || d == reverse.Domain()
}

// related says whether one of two domains is the other or above it. A top-level domain is related to nobody.
func related(a, b string) bool {
	if !strings.Contains(a, ".") || !strings.Contains(b, ".") {
		return false
	}
	return a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a)
}
