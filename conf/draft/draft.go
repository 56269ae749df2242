// Package draft gathers a configuration from the files of other programs: what conf/fetchmailrc, conf/getmailrc and
// conf/mpoprc have in common.
//
// It promises that maildrops have names of their own, that equal destinations are one, that a password goes nowhere but
// into a [conf.Secret], and that notes are bounded. It leaves to the kinds what their options mean.
//
// Read [Draft] first.
package draft

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"mailretr/conf"
)

// Options say what the files of other programs do not.
type Options struct {
	Hostname string // of this machine, as others know it
	Domain   string // of local names; "": as the kind says
}

// A Draft is a configuration that grows. Make one with [New].
type Draft struct {
	Options

	config       conf.Config
	notes        []conf.Problem
	said         map[conf.Problem]bool
	names        map[string]bool
	numbers      map[string]int // how many names were made of one
	destinations map[string]int // by all they are
}

// maxNotes bounds the notes on one file.
const maxNotes = 10_000

// New returns an empty one.
func New(o Options) *Draft {
	d := &Draft{
		Options: o, config: conf.Default(), said: make(map[conf.Problem]bool), names: make(map[string]bool),
		numbers: make(map[string]int), destinations: make(map[string]int),
	}
	d.config.Hostname = o.Hostname
	return d
}

// Config is what is changed directly: all but maildrops and destinations.
func (d *Draft) Config() *conf.Config { return &d.config }

// Note says that something has no equal, or is not quite the same; hint says what can be done.
func (d *Draft) Note(pos conf.Pos, hint, format string, args ...any) {
	d.note(conf.Problem{Pos: pos, Severity: conf.Warning, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// Fail says that something is not in the configuration that would have to be.
func (d *Draft) Fail(pos conf.Pos, hint, format string, args ...any) {
	d.note(conf.Problem{Pos: pos, Severity: conf.Error, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// note takes one, once.
func (d *Draft) note(p conf.Problem) {
	switch {
	case d.said[p]:
	case len(d.notes) < maxNotes:
		d.notes, d.said[p] = append(d.notes, p), true
	case len(d.notes) == maxNotes:
		pos := p.Pos
		d.notes = append(d.notes, conf.Problem{Pos: pos, Severity: conf.Error,
			Text: fmt.Sprintf("there are more than %d notes; the others are not shown", maxNotes), Hint: "split the file"})
	}
}

// Destination adds a destination, or finds the equal one, and returns its place among them. Its password is Password,
// given apart so that two can be compared; "" is none.
func (d *Draft) Destination(x conf.Destination, password string) int {
	at := x.At
	x.At, x.TLS.At, x.Name = conf.Where{}, conf.Where{}, ""
	b, err := json.Marshal(x)
	if err != nil {
		panic("draft: " + err.Error()) // plain data can be marshalled
	}
	id := string(b) + "\x00" + password
	if i, known := d.destinations[id]; known {
		return i
	}
	x.At = at
	if password != "" {
		x.Password = conf.SecretPlain(password)
	}
	d.config.Deliver = append(d.config.Deliver, x)
	d.destinations[id] = len(d.config.Deliver) - 1
	return len(d.config.Deliver) - 1
}

// Maildrop adds a maildrop, whose mail goes to the destination at that place. It gets a name from its own, its user, or
// its host.
func (d *Draft) Maildrop(m conf.Maildrop, destination int) {
	local, _, _ := strings.Cut(m.User, "@")
	d.name(&m.Name, m.Name, local, word(local)+"-"+word(m.Host), "mail")
	m.Deliver = strconv.Itoa(destination)
	d.config.Maildrops = append(d.config.Maildrops, &m)
}

// name is the first of these that is free, or the first good one with a number.
func (d *Draft) name(s *string, candidates ...string) {
	first := ""
	for _, c := range candidates {
		if c = word(c); c == "" {
			continue
		}
		if first == "" {
			first = c
		}
		if !d.names[c] {
			d.names[c] = true
			*s = c
			return
		}
	}
	first = first[:min(len(first), 58)]
	for n := d.numbers[first] + 2; ; n++ {
		d.numbers[first]++
		if c := first + "-" + strconv.Itoa(n); !d.names[c] {
			d.names[c] = true
			*s = c
			return
		}
	}
}

// word makes a name of a text.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, strings.ToLower(s[:min(len(s), 64)]))
	return strings.Trim(s[:min(len(s), 64)], "-.")
}

// Done names the destinations and returns the configuration with the notes. The draft is not used afterwards.
func (d *Draft) Done() (conf.Config, []conf.Problem) {
	c := &d.config
	used := map[string]bool{}
	for i := range c.Deliver {
		x := &c.Deliver[i]
		x.Name = x.Kind
		if len(c.Deliver) == 1 {
			x.Name = "default"
		}
		for n := 2; used[x.Name]; n++ {
			x.Name = x.Kind + "-" + strconv.Itoa(max(n, i+1))
		}
		used[x.Name] = true
	}
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		n, err := strconv.Atoi(m.Deliver)
		if m.Deliver = ""; err == nil && n > 0 && n < len(c.Deliver) {
			m.Deliver = c.Deliver[n].Name
		}
	}
	return *c, d.notes
}

// Local makes the address of a local name.
func Local(name, domain string) string {
	if strings.Contains(name, "@") || domain == "" {
		return name
	}
	return name + "@" + domain
}
