package bounce

import (
	"strings"

	"mailretr/store/mail"
)

// A Decision says who is told that a message failed.
type Decision uint8

const (
	ToPostmaster Decision = iota // no DSN may go: the postmaster, or nobody
	ToSender                     // a DSN to the reverse-path
	ToNobody                     // the sender wants none (RFC 3461, 4.1)
)

// String returns the word used in logs: postmaster, sender or nobody.
func (d Decision) String() string {
	return [...]string{"postmaster", "sender", "nobody"}[d]
}

// A Policy is what Decide has to know beside the message.
type Policy struct {
	// Own is the address that reports come from. Mail that claims to come from it gets none.
	Own mail.Path
	// AuthServ is the authserv-id of the provider where the message was collected (RFC 8601, 2.5); ""
	// means that nobody's Authentication-Results are believed.
	AuthServ string
}

// Decide says who is told of the failure of a message with this header, and why not the sender if it is
// not. why is a clause that completes "no report may go to the sender, because …". It is a pure function,
// and judges by the envelope and by what automatic senders write of themselves (RFC 3834, 2 and 5.2):
// anything that could answer a report, or was never sent by who seems to have sent it, gets none.
func (p Policy) Decide(header []byte, e mail.Envelope) (d Decision, why string) {
	return p.decide("FAILURE", header, e)
}

// decide is Decide for reports that NOTIFY has this word for.
func (p Policy) decide(word string, header []byte, e mail.Envelope) (d Decision, why string) {
	switch rev := e.Reverse; {
	case len(wanting(e.Recipients, word)) == 0:
		return ToNobody, "the sender asked for none"
	case rev.Null():
		return ToPostmaster, "the message has no return address"
	case rev.Check() != nil || rev.Domain() == "":
		return ToPostmaster, "its return address cannot be used"
	case strings.EqualFold(string(rev), string(p.Own)):
		return ToPostmaster, "its return address is that of our own reports"
	}
	for name, value := range fields(header) {
		switch name {
		case "auto-submitted": // RFC 3834, 5
			if word := firstWord(value); word != "" && word != "no" {
				return ToPostmaster, "the message was sent by a program (Auto-Submitted)"
			}
		case "precedence":
			if word := firstWord(value); word == "bulk" || word == "junk" {
				return ToPostmaster, "the message is bulk mail (Precedence)"
			}
		}
	}
	if method := p.forged(header, e.Reverse); method != "" {
		return ToPostmaster, "its sender is forged according to the provider (" + method + ")"
	}
	return ToSender, ""
}

// wanting returns the indices of the recipients of whom the sender wants reports of a kind: FAILURE, DELAY or SUCCESS
// (RFC 3461, 4.1: with NOTIFY it has to be named; without it is so of failures, and of delays as we choose).
func wanting(list []mail.Recipient, kind string) (index []int) {
	for i, r := range list {
		if r.Notify == "" && kind != "SUCCESS" || word(r.Notify, kind) {
			index = append(index, i)
		}
	}
	return index
}

// word says whether a word is in a comma separated list.
func word(list, w string) bool {
	for _, x := range strings.Split(list, ",") {
		if strings.EqualFold(strings.TrimSpace(x), w) {
			return true
		}
	}
	return false
}

// firstWord returns the first word of a field, in lower case, comments and parameters left out.
func firstWord(value string) string {
	value, _, _ = strings.Cut(plain(value), ";")
	if f := strings.Fields(value); len(f) > 0 {
		return strings.ToLower(f[0])
	}
	return ""
}

// plain returns a field without its comments (RFC 5322, 3.2.2) and without what stands in quotation marks:
// neither may be taken for what the field says.
func plain(s string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case quoted:
			quoted = c != '"'
		case depth > 0 && c == ')':
			depth--
		case c == '(':
			depth++
		case depth > 0:
		case c == '"':
			quoted = true
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
