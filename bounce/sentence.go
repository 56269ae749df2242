package bounce

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"mailretr/store/mail"
)

// maxTold is how many recipients are told to people; programs get all.
const maxTold = 50

// sentences returns the part for people: who, what the server said, and what happens now.
func (r *Reporter) sentences(f *failure) string {
	var b strings.Builder
	p := func(indent, format string, args ...any) { wrapText(&b, indent, fmt.Sprintf(format, args...)) }
	p("", "This is the mail system at %s.", r.Host)
	b.WriteString("\r\n")
	p("", "%s", f.opening())
	for i := range f.failed[:min(len(f.failed), maxTold)] {
		b.WriteString("\r\n")
		r.recipient(p, f, &f.failed[i])
	}
	if more := len(f.failed) - maxTold; more > 0 {
		b.WriteString("\r\n")
		p("", "And %d more, which are listed in the attached report.", more)
	}
	b.WriteString("\r\n")
	p("", "%s", r.closing(f))
	return b.String()
}

func (f *failure) opening() string {
	whose, what := "Your message", "the following address"
	if f.why != "" {
		whose = "A message"
	}
	if len(f.failed) > 1 {
		what = "the following addresses"
	}
	if s := subject(f.header); s != "" {
		whose += ` "` + s + `"`
	}
	if !f.m.Queued.IsZero() {
		whose += ", received on " + date(f.m.Queued, f.now) + ","
	}
	return whose + " could not be delivered to " + what + "."
}

func (r *Reporter) recipient(p func(indent, format string, args ...any), f *failure, x *failed) {
	p("  ", "%s", mail.Printable(x.Forward.String(), maxAddress))
	said := mail.Printable(strings.Join(strings.Fields(x.Reply), " "), maxReply)
	why, byHand := x.givenUp()
	switch {
	case byHand:
		if why != "" {
			why = ", who says: " + why
		}
		p("    ", "It was given up by the administrator of this mail system%s", strings.TrimSuffix(why, ".")+".")
		if said == "" {
			return
		}
		p("    ", "The last time %s said:", r.server(x.RemoteMTA))
	case x.expired() && said == "":
		p("    ", "It was tried%s. No server gave an answer. It is given up now.", f.tried())
		return
	case x.expired():
		p("    ", "It was tried%s, and is given up now. The last time %s said:", f.tried(), r.server(x.RemoteMTA))
	case said == "" && tooLarge(x):
		p("    ", "It was refused, because your message (%s) is larger than this address takes.", amount(f.m.Content.Size()))
		return
	case said == "":
		p("    ", "It was refused, without a reason.")
		return
	default:
		p("    ", "It was refused by %s, which said:", r.server(x.RemoteMTA))
	}
	p("    ", "%s", said)
}

// tooLarge says whether a recipient was refused for the size (RFC 3463, 3.3 and 3.4).
func tooLarge(x *failed) bool { return x.Enhanced == "5.2.3" || x.Enhanced == "5.3.4" }

// tooLarge says whether that is so for each, by our own word.
func (f *failure) tooLarge() bool {
	for i := range f.failed {
		if !tooLarge(&f.failed[i]) || f.failed[i].Reply != "" {
			return false
		}
	}
	return true
}

// tried says how long and how often delivery was tried, as far as known.
func (f *failure) tried() (s string) {
	if !f.m.Queued.IsZero() && f.now.After(f.m.Queued) {
		s = " for " + age(f.now.Sub(f.m.Queued))
	}
	if n := f.m.Attempts; n > 1 {
		s += fmt.Sprintf(", %d times", n)
	}
	return s
}

// age writes a duration for people.
func age(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		switch n := d / u.unit; {
		case n == 1:
			return "one " + u.name
		case n > 1:
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return "less than a minute"
}

// server names the MTA that was asked. Strangers cannot do anything with "localhost": it is ours.
func (r *Reporter) server(mta string) string {
	host := hostOf(mta)
	a, err := netip.ParseAddr(host)
	if host == "" || strings.EqualFold(host, "localhost") || err == nil && a.Unmap().IsLoopback() {
		return "the mail server of " + r.Host
	}
	return "the mail server " + host
}

func (r *Reporter) closing(f *failure) string {
	if f.why != "" {
		s := fmt.Sprintf("No report may go to the sender, because %s. You get the message instead, and nobody "+
			"else is told. It is attached as a whole.", f.why)
		if name := f.m.Origin.Maildrop; name != "" {
			s += " It was collected from the maildrop " + mail.Printable(name, 100) + "."
		}
		return s
	}
	if f.tooLarge() {
		return "It was not fetched from the provider, and nothing more will be tried. Please send it smaller, in parts, or in " +
			"another way. The header of your message is attached, its body is not."
	}
	s := "Nothing more will be tried. Please check the address, or reach its owner in another way. "
	if len(f.failed) > 1 {
		s = "Nothing more will be tried. Please check the addresses, or reach their owners in another way. "
	}
	s += "The header of your message is attached, its body is not."
	if len(f.header) > maxHeader {
		s += " The header is cut, because it is very long."
	}
	if !r.Postmaster.Null() {
		s += fmt.Sprintf(" If you need help, write to %s.", strings.Trim(r.Postmaster.String(), "<>"))
	}
	return s
}

// width is the longest line of the part for people, where its words allow it.
const width = 72

// wrapText writes a paragraph. A word that is longer than any line stays whole: quoted-printable carries
// it.
func wrapText(b *strings.Builder, indent, s string) {
	n := 0
	for _, w := range strings.Fields(s) {
		switch {
		case n == 0:
			b.WriteString(indent + w)
			n = len(indent) + len(w)
		case n+1+len(w) > width:
			b.WriteString("\r\n" + indent + w)
			n = len(indent) + len(w)
		default:
			b.WriteString(" " + w)
			n += 1 + len(w)
		}
	}
	if n > 0 {
		b.WriteString("\r\n")
	}
}
