package smtp

import (
	"strings"
	"unicode/utf8"

	gosmtp "github.com/emersion/go-smtp"

	"mailretr/store/mail"
)

// params are those of MAIL. go-smtp leaves out what the server does not offer, and makes a local error of
// a malformed one; so those are left out here: a DSN parameter is no reason to fail a message.
func params(e *mail.Envelope, size int64) *gosmtp.MailOptions {
	o := &gosmtp.MailOptions{Size: max(size, 0)}
	switch ret := gosmtp.DSNReturn(strings.ToUpper(e.Ret)); ret {
	case gosmtp.DSNReturnFull, gosmtp.DSNReturnHeaders:
		o.Return = ret
	}
	if id := xtext(e.EnvID); printable(id) && len(id) <= 100 { // RFC 3461, 4.4
		o.EnvelopeID = id
	}
	return o
}

// rcptParams are those of RCPT.
func rcptParams(r *mail.Recipient) *gosmtp.RcptOptions {
	o := &gosmtp.RcptOptions{Notify: notify(r.Notify)}
	typ, address, ok := strings.Cut(r.Original, ";")
	if !ok || address == "" || len(address) > 500 { // RFC 3461, 4.2
		return o
	}
	switch typ = strings.ToUpper(strings.TrimSpace(typ)); {
	case typ == "RFC822" && printable(xtext(address)):
		o.OriginalRecipientType, o.OriginalRecipient = gosmtp.DSNAddressTypeRFC822, xtext(address)
	case typ == "UTF-8" && utf8.ValidString(address): // RFC 6533, 3: not xtext
		o.OriginalRecipientType, o.OriginalRecipient = gosmtp.DSNAddressTypeUTF8, address
	}
	return o
}

// notify parses NOTIFY: NEVER alone, or some of the others, each once. Anything else is left out.
func notify(s string) []gosmtp.DSNNotify {
	if s == "" {
		return nil
	}
	var all []gosmtp.DSNNotify
	seen := make(map[string]bool)
	for _, w := range strings.Split(strings.ToUpper(s), ",") {
		w = strings.TrimSpace(w)
		switch gosmtp.DSNNotify(w) {
		case gosmtp.DSNNotifyNever, gosmtp.DSNNotifySuccess, gosmtp.DSNNotifyFailure, gosmtp.DSNNotifyDelayed:
		default:
			return nil
		}
		if !seen[w] {
			all = append(all, gosmtp.DSNNotify(w))
		}
		seen[w] = true
	}
	if seen["NEVER"] && len(all) > 1 {
		return nil
	}
	return all
}

// xtext decodes RFC 3461, 4; go-smtp encodes it again. What is not xtext is taken as it is.
func xtext(s string) string {
	if strings.IndexByte(s, '+') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) || hex(s[i+1]) < 0 || hex(s[i+2]) < 0 {
			return s
		}
		b.WriteByte(byte(hex(s[i+1])<<4 | hex(s[i+2])))
		i += 2
	}
	return b.String()
}

// hex is the value of a digit; xtext has capitals only.
func hex(c byte) int { return strings.IndexByte("0123456789ABCDEF", c) }

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
