package bounce

import (
	"net/netip"
	"strings"
	"time"

	"mailretr/store/mail"
)

// A Kind says what a report tells.
type Kind string

// The kinds of reports, in the words of templates.
const (
	Failed     Kind = "failed"     // to the sender: it could not be delivered
	Delayed    Kind = "delayed"    // to the sender: it waits
	Succeeded  Kind = "succeeded"  // to the sender, who asked for it
	Unreturned Kind = "unreturned" // to the postmaster, whole: the sender may not be told
	Redirected Kind = "redirected" // to whom the configuration says, whole
)

// A Letter is what the template of a report's text is given. What strangers wrote is escaped, bounded, and without line
// breaks.
type Letter struct {
	Kind       Kind
	Host       string // ours
	Postmaster string // ""; or whom to ask for help
	Maildrop   string // where it was collected; ""
	IsReport   bool   // the message is itself a report of ours

	Subject    string     // of the message; "" where it has none
	Received   *time.Time // when it was queued; nil where it never was
	Until      *time.Time // of Delayed: when it is given up
	Reason     string     // of Unreturned: an English clause that follows "because"
	TooLarge   bool       // it was left with the provider for its size
	Whole      bool       // the message is attached, not only its header
	Cut        bool       // its header is so long that it was cut
	Final      bool       // of Succeeded: it is in the mailbox of each recipient
	Recipients []Addressee
	Several    bool // there are several recipients
	More       int  // recipients that are not among Recipients
}

// An Addressee is one recipient in a Letter.
type Addressee struct {
	Address string // in angle brackets
	How     string // refused, expired, given up, too large, circle, delayed, delivered, relayed
	Said    string // the server's last words; "" where it said nothing, or was not asked
	Server  string // who said it, or us
	Ours    bool   // Server is this machine: strangers cannot do anything with "localhost"
	Why     string // of given up: the administrator's reason
	For     *Age   // how long it was tried; nil where nobody knows
	Tries   int
	Size    string // of the message
}

// An Age is a duration for people: so many of the largest unit that fits, day, hour or minute; Unit "" is less than one
// minute.
type Age struct {
	N    int
	Unit string
}

func ageOf(d time.Duration) *Age {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int(d / u.unit); n > 0 {
			return &Age{n, u.name}
		}
	}
	return &Age{}
}

// maxTold is how many recipients are told to people; programs get all.
const maxTold = 50

// letter is what people are told.
func (r *Reporter) letter(a *about) *Letter {
	l := &Letter{
		Kind: a.kind, Host: r.Host, Postmaster: strings.Trim(string(r.Postmaster), "<>"),
		Maildrop: mail.Printable(a.m.Origin.Maildrop, 100), IsReport: !a.m.Parent.Zero(), Subject: Subject(a.header),
		Received: a.local(a.m.Queued), Until: a.local(a.until), Reason: a.why, TooLarge: a.tooLarge(), Whole: a.whole,
		Cut: len(a.header) > maxHeader, Several: len(a.list) > 1, More: max(len(a.list)-maxTold, 0), Final: true,
	}
	for i := range a.list {
		x := &a.list[i]
		l.Final = l.Final && x.Custody == mail.Final
		if i < maxTold {
			l.Recipients = append(l.Recipients, r.addressee(a, x))
		}
	}
	return l
}

func (r *Reporter) addressee(a *about, x *told) Addressee {
	to := Addressee{
		Address: mail.Printable(x.Forward.String(), maxAddress),
		Said:    mail.Printable(strings.Join(strings.Fields(x.Reply), " "), maxReply),
		Tries:   a.m.Attempts, Size: amount(a.m.Content.Size()),
	}
	to.Server, to.Ours = r.server(x.RemoteMTA)
	if !a.m.Queued.IsZero() && a.now.After(a.m.Queued) {
		to.For = ageOf(a.now.Sub(a.m.Queued))
	}
	why, byHand := x.givenUp()
	switch {
	case a.kind == Succeeded:
		to.How, to.Said = x.Custody.String(), ""
	case a.kind == Delayed:
		to.How = "delayed"
	case byHand:
		to.How, to.Why = "given up", strings.TrimSuffix(why, ".")
	case x.expired():
		to.How = "expired"
	case to.Said == "" && tooLarge(x):
		to.How = "too large"
	case to.Said == "" && x.Enhanced == "5.4.6": // RFC 3463, 3.5: routing loop detected
		to.How = "circle"
	default:
		to.How = "refused"
	}
	return to
}

// tooLarge says whether a recipient was refused for the size (RFC 3463, 3.3 and 3.4).
func tooLarge(x *told) bool { return x.Enhanced == "5.2.3" || x.Enhanced == "5.3.4" }

// tooLarge says whether that is so for each, by our own word.
func (a *about) tooLarge() bool {
	for i := range a.list {
		if !tooLarge(&a.list[i]) || a.list[i].Reply != "" {
			return false
		}
	}
	return true
}

// server names the MTA that was asked; ours where it is on this machine.
func (r *Reporter) server(mta string) (name string, ours bool) {
	host := hostOf(mta)
	a, err := netip.ParseAddr(host)
	if host == "" || strings.EqualFold(host, "localhost") || err == nil && a.Unmap().IsLoopback() {
		return r.Host, true
	}
	return host, false
}
