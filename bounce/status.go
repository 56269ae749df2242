package bounce

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-message/textproto"

	"mailretr/store/mail"
)

// maxReply bounds what is shown of a server's reply, in octets.
const maxReply = 512

// status returns the fields for programs (RFC 3464, 2). global allows characters beyond ASCII (RFC 6533).
func (r *Reporter) status(a *about, global bool) ([]byte, error) {
	var b bytes.Buffer
	err := section(&b,
		line{"Original-Envelope-Id", shown(unxtext(a.m.Envelope.EnvID), global)},
		line{"Reporting-MTA", "dns; " + r.Host},
		line{"Arrival-Date", date(a.m.Queued, a.now)},
	)
	for i := range a.list {
		x := &a.list[i]
		err = errors.Join(err, section(&b,
			line{"Original-Recipient", original(x.Original, global)},
			line{"Final-Recipient", address(x.Forward, global)},
			line{"Action", a.action(x)},
			line{"Status", a.statusOf(x)},
			line{"Remote-MTA", remote(x.RemoteMTA)},
			line{"Diagnostic-Code", a.diagnostic(x, global)},
			line{"Last-Attempt-Date", date(x.At, a.now)},
			line{"Will-Retry-Until", date(a.until, a.now)},
		))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\r\n")), err
}

// section writes fields and an empty line.
func section(b *bytes.Buffer, lines ...line) error { return textproto.WriteHeader(b, head(lines...)) }

// maxField bounds a value after it was escaped, which makes up to six octets of one: it has to fit into a
// line, for the fields for programs are always 7bit or 8bit (RFC 3464, 2.1).
const maxField = 900

// shown makes what a stranger wrote fit for a field: one line, bounded, ASCII unless global.
func shown(s string, global bool) string {
	s = mail.Printable(strings.Join(strings.Fields(s), " "), maxReply)
	if !global {
		s = ascii(s)
	}
	return bounded(s)
}

// bounded cuts what is too long for a field.
func bounded(s string) string {
	if len(s) <= maxField {
		return s
	}
	return strings.ToValidUTF8(s[:maxField], "") + "..."
}

// ascii escapes what is beyond ASCII.
func ascii(s string) string {
	q := strconv.QuoteToASCII(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(q[1 : len(q)-1])
}

// enhanced is a status code of RFC 3463, 2.
var enhanced = regexp.MustCompile(`^[245](\.\d{1,3}\.\d{1,3})$`)

// action is what was done for a recipient (RFC 3464, 2.3.3).
func (a *about) action(x *told) string {
	switch a.kind {
	case Delayed:
		return "delayed"
	case Succeeded:
		return x.Custody.String()
	}
	return "failed"
}

// statusOf returns the status of a recipient. Its class is that of the action: 4 of a delay, 2 of a success.
func (a *about) statusOf(x *told) string {
	m := enhanced.FindStringSubmatch(x.Enhanced)
	switch {
	case a.kind == Delayed && (m == nil || x.Enhanced[0] == '2'):
		return "4.4.1" // RFC 3463, 3.5: no answer from host
	case a.kind == Delayed:
		return "4" + m[1]
	case a.kind == Succeeded && m != nil && x.Enhanced[0] == '2':
		return x.Enhanced
	case a.kind == Succeeded:
		return "2.0.0"
	}
	return x.status()
}

// status returns the status of a failed recipient. It is one of failure, whatever the server wrote beside
// its 5xx.
func (x *told) status() string {
	m := enhanced.FindStringSubmatch(x.Enhanced)
	switch {
	case x.expired() && m != nil && m[1] == ".4.7" && x.Enhanced[0] != '2':
		return x.Enhanced
	case x.expired():
		return "4.4.7" // RFC 3463, 3.5: delivery time expired
	case m == nil:
		return "5.0.0"
	}
	return "5" + m[1]
}

// diagnostic returns the reply with its type (RFC 3464, 2.3.6); "" where nobody said anything.
func (a *about) diagnostic(x *told, global bool) string {
	if s := shown(x.Reply, global); s != "" && a.kind != Succeeded {
		return "smtp; " + s
	}
	return ""
}

// remote returns the MTA that was asked, without its port; "" where it is a path or no name.
func remote(mta string) string {
	host := hostOf(mta)
	if host == "" {
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "dns; [" + host + "]"
	}
	return "dns; " + host
}

var hostName = regexp.MustCompile(`^[0-9A-Za-z_.:-]{1,255}$`)

// hostOf returns the host of host:port; "" where it is none.
func hostOf(mta string) string {
	if host, port, err := net.SplitHostPort(mta); err == nil && !strings.Contains(port, "/") {
		mta = host
	}
	if !hostName.MatchString(mta) {
		return ""
	}
	return mta
}

func date(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(now.Location()).Format(time.RFC1123Z)
}

// address returns an address with its type: rfc822, or utf-8 where it is beyond ASCII (RFC 6533, 3), for
// whom has no SMTPUTF8 in its own ASCII form.
func address(p mail.Path, global bool) string {
	if p.ASCII() {
		return "rfc822; " + bounded(strings.Trim(p.String(), "<>"))
	}
	return "utf-8; " + bounded(unitext(string(p), global))
}

// unitext writes an address as utf-8-addr-unitext, or utf-8-addr-xtext where only ASCII may be used (RFC
// 6533, 3).
func unitext(s string, global bool) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r <= ' ' || r == 0x7f || r == '\\' || !global && (r == '+' || r == '=' || r >= 0x80):
			fmt.Fprintf(&b, `\x{%02X}`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// original returns the address of ORCPT with its type (RFC 3461, 4.2); "" where there is none that can be
// used.
func original(orcpt string, global bool) string {
	kind, text, ok := strings.Cut(orcpt, ";")
	if !ok || !hostName.MatchString(kind) || text == "" {
		return ""
	}
	return kind + "; " + shown(unxtext(text), global)
}

// unxtext decodes xtext (RFC 3461, 4); what is none stays as it is.
func unxtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
