package smtpd

import (
	"fmt"
	"strings"

	"github.com/emersion/go-smtp"

	"mailretr/store/mail"
)

// quoted makes a path of what the library has parsed: it takes the quotation marks off a local part that
// needs them.
func quoted(s string) mail.Path {
	p := mail.Path(s)
	local := p.Local()
	if s == "" || !strings.ContainsAny(local, " ()<>[]:;@\\,\"\t") && local != "" && !dots(local) {
		return p
	}
	local = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local)
	return mail.Path(`"` + local + `"` + s[strings.LastIndexByte(s, '@'):])
}

// dots says whether the dots of a local part are where only a quoted one can have them.
func dots(local string) bool {
	return local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..")
}

// xtext is RFC 3461, 4: the records have DSN parameters as they were given, and the library has decoded them.
func xtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= '!' && c <= '~' && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "+%02X", c)
		}
	}
	return b.String()
}

// original is ORCPT.
func original(kind smtp.DSNAddressType, address string) string {
	if kind == smtp.DSNAddressTypeUTF8 { // RFC 6533, 3: not xtext
		return "utf-8;" + address
	}
	return "rfc822;" + xtext(address)
}

func notify(list []smtp.DSNNotify) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = string(n)
	}
	return strings.Join(words, ",")
}

// provenance is what a Received field says of the client and the way (RFC 5321, 4.4; RFC 3848, RFC 6531,
// 3.7.3). What the client calls itself is a claim, and stays where it is.
func (s *session) provenance(utf8 bool) string {
	from := "unix socket"
	if s.addr.IsValid() {
		from = "[" + s.addr.String() + "]"
		if s.addr.Is6() {
			from = "[IPv6:" + s.addr.String() + "]"
		}
	}
	with := "SMTP"
	switch {
	case s.gen.LMTP && utf8:
		with = "UTF8LMTP"
	case s.gen.LMTP:
		with = "LMTP"
	case utf8:
		with = "UTF8SMTP"
	case s.polite:
		with = "ESMTP"
	}
	if s.tls != nil {
		with += "S"
	}
	if s.user != "" {
		with += "A"
	}
	return fmt.Sprintf("from %s (%s)\r\n\tby %s (mailretr) with %s", claim(s.asked), from, s.gen.Hostname, with)
}

// claim is the name that a client has given itself, without what could leave its place.
func claim(s string) string {
	if s, _, _ = strings.Cut(s, " "); s == "" {
		return "unknown"
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`()\"<>;,@`, r) {
			return '_'
		}
		return r
	}, s)
}
