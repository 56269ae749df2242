package conf

import (
	"fmt"
	"strconv"
	"strings"
)

// Multidrop says how recipients are found in a maildrop that holds the mail of many.
type Multidrop struct {
	At Where `json:"-"`

	Envelope    []Envelope // where the provider writes the recipient, in the order in which it is looked for
	StripPrefix []string   // of the local part; the longest goes
	Domains     []string   // lower case; others are not ours. "*.example.org" is all below example.org
	Map         []Alias    // who gets the mail of an address instead of it
	MapFile     string     // where some of Map are from; their At says which
	Otherwise   string     // who gets mail without a recipient of ours; "": it stays
	Copies      Envelope   // the Received field that tells copies of one mail; no Field: each is collected
}

// An Envelope names a header field that holds the recipient.
type Envelope struct {
	Field string // of Received, the for clause is meant
	Nth   int    // which, from the top, counting from 1; 0: the topmost, and none may contradict it
	All   bool   // the topmost and those that follow it directly
	By    string // of Received: the host that wrote it, lower case; "*.example.org" is any below example.org
}

// An Alias is one line of a map: user@domain, user@* or *@domain, and the addresses that get its mail; of
// *@domain, *@other keeps the user. The domain may be *.domain.
type Alias struct {
	At   Pos `json:"-"`
	From string
	To   []string
}

// ParseEnvelope reads the name of a header field, and behind it nothing, a number, all, or by and a host.
func ParseEnvelope(s string) (e Envelope, err error) {
	words := strings.Fields(s)
	bad := fmt.Errorf("%q is not known; write e.g. X-Envelope-To, Delivered-To 2, X-Envelope-To all, "+
		"or Received by mx.isp.example", s)
	if len(words) == 0 || len(words) > 3 {
		return e, bad
	}
	e.Field = words[0]
	switch n, wrong := 0, error(nil); {
	case len(words) == 1:
	case len(words) == 3 && words[1] == "by":
		e.By = strings.ToLower(words[2])
	case len(words) == 3:
		return e, bad
	case words[1] == "all":
		e.All = true
	default:
		if n, wrong = strconv.Atoi(words[1]); wrong != nil || n < 1 || strconv.Itoa(n) != words[1] {
			return e, bad
		}
		e.Nth = n
	}
	return e, nil
}

// ParseCopies reads each, or which Received field.
func ParseCopies(s string) (Envelope, error) {
	if s == "each" {
		return Envelope{}, nil
	}
	e, err := ParseEnvelope(s)
	if err != nil || !strings.EqualFold(e.Field, "Received") || e.All {
		return Envelope{}, fmt.Errorf("%q is not known; write each, Received, Received 2, or "+
			"Received by mx.isp.example", s)
	}
	return e, nil
}

// Copies writes it as ParseCopies reads it.
func Copies(e Envelope) string {
	if e.Field == "" {
		return "each"
	}
	return e.String()
}

// String writes it as ParseEnvelope reads it.
func (e Envelope) String() string {
	switch {
	case e.By != "":
		return e.Field + " by " + e.By
	case e.All:
		return e.Field + " all"
	case e.Nth > 0:
		return e.Field + " " + strconv.Itoa(e.Nth)
	}
	return e.Field
}

func (v *validator) multidrop(d *Multidrop) {
	hint := "write the field in which the provider puts the recipient, e.g. envelope: X-Envelope-To"
	if len(d.Envelope) == 0 {
		v.fail(d.At.Of("envelope"), hint, "envelope is missing")
	}
	for _, e := range d.Envelope {
		v.envelope(d, e, hint)
	}
	for _, x := range d.StripPrefix {
		if v.need(d.At, "strip_prefix", x, "write it, or remove the key") && strings.ContainsAny(x, "@ <>") {
			v.fail(d.At.Of("strip_prefix"), "write what stands before the name, e.g. \"mbox-user-\"",
				"strip_prefix: %q cannot stand before the at sign", x)
		}
	}
	if len(d.Domains) == 0 {
		v.fail(d.At.Of("domains"), "write domains: [example.org]",
			"domains is missing: what is ours would be guessed")
	}
	for _, x := range d.Domains {
		if !domainPattern(x) {
			v.fail(d.At.Of("domains"), "write it as example.org, or *.example.org for all below it",
				"domains: %q is no domain", x)
		}
	}
	if v.aliases(d.Map, d.StripPrefix); d.MapFile != "" {
		v.absolute(d.At, "map", d.MapFile)
	}
	if d.Copies.Field != "" && v.clean(d.At, "copies", d.Copies.By) && d.Copies.By != "" && !domainPattern(d.Copies.By) {
		v.fail(d.At.Of("copies"), "write it as Received by mx.isp.example", "copies: %q is no host", d.Copies.By)
	}
	v.number(d.At, "copies", int64(d.Copies.Nth), 0, 100)
	if d.Otherwise != "" {
		v.address(d.At, "otherwise", d.Otherwise)
	}
}

func (v *validator) envelope(d *Multidrop, e Envelope, hint string) {
	at := d.At.Of("envelope")
	if !v.need(d.At, "envelope", e.Field, hint) || !v.clean(d.At, "envelope", e.By) {
		return
	}
	v.field(d.At, "envelope", e.Field)
	received := false
	switch strings.ToLower(e.Field) {
	case "to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc", "apparently-to":
		v.fail(at, "write the field that the provider adds; what has none may go to otherwise:",
			"envelope: %s does not say who got the message", e.Field)
	case "received":
		received = true
	}
	switch {
	case received && e.All:
		v.fail(at, "write Received, Received 2, or Received by mx.isp.example",
			"envelope: what all Received fields say is the sender's word too")
	case !received && e.By != "":
		v.fail(at, "write "+e.Field+" alone", "envelope: by is of Received only")
	case e.By != "" && !domainPattern(e.By):
		v.fail(at, "write it as Received by mx.isp.example", "envelope: %q is no host", e.By)
	}
	v.number(d.At, "envelope", int64(e.Nth), 0, 100)
}

// aliases checks a map. Each mistake is told at its own line.
func (v *validator) aliases(list []Alias, prefixes []string) {
	seen := make(map[string]Pos, len(list))
	for _, a := range list {
		if i := strings.IndexFunc(a.From, control); i >= 0 {
			v.fail(a.At, "remove it", "map: has a control character (%U) inside", rune(a.From[i]))
			continue
		}
		key := strings.ToLower(a.From)
		if first, twice := seen[key]; twice {
			v.fail(a.At, "write it once, with a list of addresses", "map: %s is already at %s", a.From, first)
		}
		seen[key] = a.At
		if !a.sound() {
			v.fail(a.At, "write user@example.org, user@* (in each of domains), or *@example.org",
				"map: %q is no address", a.From)
		}
		for _, x := range prefixes {
			if n := len(x); n > 0 && len(key) > n && strings.EqualFold(key[:n], x) {
				v.warn(a.At, "write the address without it", "map: %s is looked for without the prefix %q", a.From, x)
			}
		}
		if len(a.To) == 0 {
			v.fail(a.At, "write who gets its mail", "map: nobody gets the mail of %s", a.From)
		}
		for _, to := range a.To {
			v.target(a, to)
		}
	}
}

// sound says whether the left side of an alias is one of the three forms.
func (a Alias) sound() bool {
	i := strings.LastIndexByte(a.From, '@')
	if i < 1 {
		return false
	}
	user, domain := a.From[:i], strings.ToLower(a.From[i+1:])
	switch {
	case user == "*":
		return domainPattern(domain)
	case domain == "*":
		return addressSyntax(user + "@example.org")
	}
	return addressSyntax(user+"@example.org") && domainPattern(domain)
}

func (v *validator) target(a Alias, to string) {
	rest, keeps := strings.CutPrefix(to, "*@")
	switch {
	case keeps && !strings.HasPrefix(a.From, "*@"):
		v.fail(a.At, "write the whole address", "map: %s: only *@domain can stand for %s", a.From, to)
	case keeps && !hostSyntax(rest), !keeps && !addressSyntax(to):
		v.fail(a.At, "write it as user@example.org", "map: %s: %q is no mail address", a.From, to)
	}
}

// domainPattern says whether s is a domain, or *. and one. Capitals are not.
func domainPattern(s string) bool {
	s = strings.TrimPrefix(s, "*.")
	return hostSyntax(s) && s == strings.ToLower(s)
}
