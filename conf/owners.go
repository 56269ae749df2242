package conf

import (
	"fmt"
	"strings"
	"time"

	"mailretr/relay/domain"
)

// Owners says what one owner may have: all maildrops together that a source holds for him. See Maildrop.Owner.
type Owners struct {
	At     Where  `json:"-"`
	Source string // the name of the source; by Complete

	Maildrops  int           // that are collected; those of later rows are left out. 0: no limit
	Sessions   int           // at once; 0: no limit but those of all
	Poll       time.Duration // the least time between two looks; less is raised to it. 0: none
	Month, Day int64         // octets on the line; 0: no limit
	To         []string      // patterns of addresses that rows may name; see Route. nil: any
}

// mostOwner bounds the name of an owner, in octets: an address with 64 before its @ and 255 behind it.
const mostOwner = 320

func (s *Source) completeOwners() {
	if s.Owners != nil {
		s.Owners.At.inherit(s.At, "owners")
		s.Owners.Source = s.Name
	}
}

// Group names those maildrops that share limits with this one; "": it shares none.
func (m *Maildrop) Group() string {
	if m.Owners == nil {
		return ""
	}
	user, of := split(m.Owner)
	if of != "" {
		user += "@" + domain.ALabels(of)
	}
	return m.Owners.Source + " " + PlainName(user)
}

// owners checks what is written of them.
func (v *validator) owners(o *Owners) {
	if o == nil {
		return
	}
	v.number(o.At, "maildrops", int64(o.Maildrops), 0, MaxRows)
	v.number(o.At, "sessions", int64(o.Sessions), 0, 10000)
	if o.Poll != 0 {
		v.span(o.At, "poll", o.Poll, time.Second, 24*time.Hour)
	}
	v.limit(o.At, "month", o.Month)
	v.limit(o.At, "day", o.Day)
	v.patterns(o.At, "to", o.To)
}

// owned checks a maildrop by what its owner may have, as far as that concerns it alone.
func (v *validator) owned(m *Maildrop) {
	if v.clean(m.At, "owner", m.Owner); len(m.Owner) > mostOwner {
		v.fail(m.At.Of("owner"), "write a shorter one", "owner: is longer than %d octets", mostOwner)
	}
	o := m.Owners
	if o == nil {
		return
	}
	for _, a := range m.To {
		if !holds(o.To, a, likeAddress) {
			v.fail(m.At.Of("to"), "write an address as: "+strings.Join(o.To, ", "),
				"to: %s may not be named here", short(a))
		}
	}
	if m.Enabled && m.Poll < o.Poll {
		if m.At.Has("poll") && m.Row != nil && m.Row.Columns["interval"] != "" {
			v.warn(m.At.Of("poll"), "", "interval: %s is less than is allowed; it is looked at every %s", Duration(m.Poll),
				Duration(o.Poll))
		}
		m.Poll = o.Poll
	}
}

// sharing leaves out what an owner has too much of, among the maildrops from the first-th on: those that come later. What has
// mistakes does not count.
func (c *Config) sharing(first int, problems []Problem) []Problem {
	wrong := map[Pos]bool{}
	for _, p := range problems {
		if p.Severity == Error {
			wrong[p.Entry] = true
		}
	}
	v, count := &validator{c: c}, map[string]int{}
	for i := first; i < len(c.Maildrops); i++ {
		m := c.Maildrops[i]
		if m.Owners == nil || m.Owners.Maildrops == 0 || !m.Enabled || wrong[m.At.Self] {
			continue
		}
		if count[m.Group()]++; count[m.Group()] > m.Owners.Maildrops {
			v.drop = m
			v.fail(m.At.Of("owner"), "remove one of them, or raise owners: {maildrops: …}", "owner: %s has %s here already, and may have no more",
				short(m.Owner), fmt.Sprint(m.Owners.Maildrops))
		}
	}
	return append(problems, v.problems...)
}
