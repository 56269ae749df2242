package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"mailretr/bounce"
	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/fetch/budget"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// What the line costs and may cost: the book of package budget, wired to the configuration and the store.

// rulesOf are the budgets of a configuration.
func rulesOf(c *conf.Config) (budget.Rules, error) {
	zone, err := c.Line.Zone()
	r := budget.Rules{
		Calendar: budget.Calendar{Zone: zone, Reset: c.Line.Reset},
		Line:     budget.Limit{Day: c.Line.Day, Month: c.Line.Month},
		Reserve:  budget.Share(c.Line.Reserve),
		Drops:    map[string]budget.Limit{},
		Groups:   map[string]budget.Group{},
	}
	for _, w := range c.Line.OffPeak {
		r.OffPeak = append(r.OffPeak, budget.Window(w))
	}
	for i := range c.Maildrops {
		if b := c.Maildrops[i].Budget; b != nil {
			r.Drops[c.Maildrops[i].Name] = budget.Limit{Day: b.Day, Month: b.Month}
		}
		if m := c.Maildrops[i]; m.Owners != nil {
			r.Groups[m.Name] = budget.Group{Name: m.Group(), Limit: budget.Limit{Day: m.Owners.Day, Month: m.Owners.Month}}
		}
	}
	return r, err
}

// budgets brings the book to a configuration.
func (h *house) budgets(ctx context.Context, c *conf.Config) error {
	r, err := rulesOf(c)
	if err != nil {
		return err
	}
	return h.book.Set(ctx, r)
}

// meter counts the octets of a maildrop, whatever becomes of its entry while the program runs.
func (h *house) meter(name string) *wire.Meter {
	m, _ := h.meters.LoadOrStore(name, &wire.Meter{})
	return m.(*wire.Meter)
}

// blind says whether the budgets of a maildrop have room for so many octets that may come unasked.
func (h *house) blind(maildrop string, octets int64) bool {
	return h.book.Room(maildrop, octets) == nil
}

// blindly is Blind of the options of a maildrop's kind.
func (s surroundings) blindly(m *conf.Maildrop) func(octets int64) bool {
	if s.blind == nil {
		return nil
	}
	name := m.Name
	return func(octets int64) bool { return s.blind(name, octets) }
}

// limited says what a maildrop may not have: mail that is too large, or has to wait.
func limited(d *fetch.Drop, c *conf.Config, m *conf.Maildrop) {
	d.LargeFrom, d.Most = c.Line.Large, c.Limits.MaxMessage
	d.Batch, d.BatchSize = c.Limits.Batch, c.Limits.BatchSize
	if o := m.Owners; o != nil && o.Sessions > 0 {
		d.Group, d.Together = m.Group(), o.Sessions
	}
	if len(c.Line.OffPeak) > 0 {
		d.Waits = c.Line.Large
	}
	switch o := m.Oversize; {
	case o == nil:
	case o.Then == conf.ThenOffPeak:
		d.Waits = o.Above
	default:
		then := map[conf.Then]fetch.Then{conf.ThenNotice: fetch.ThenNotice, conf.ThenBounce: fetch.ThenBounce}
		d.Oversize = fetch.Oversize{Above: o.Above, Then: then[o.Then]}
	}
}

// dearHeader is how much larger a message has to be for its header to come first where it comes twice, with TOP and with
// RETR again. A header has some 4 KB: above 32 KiB that would be a tenth more for a message that is nearly always wanted,
// and above 512 KiB it pays where one in a hundred is refused. A header that also tells the recipients, or a copy of what is
// here already, is worth more.
const dearHeader = 16

// headersFrom is the size from which on headers come first.
func headersFrom(c *conf.Config, m *conf.Maildrop) int64 {
	if m.Protocol == "pop3" && m.Multidrop == nil {
		return dearHeader * c.Limits.HeadersFirst
	}
	return c.Limits.HeadersFirst
}

// notice makes the message that tells the recipients of one that waits upstream.
func (r reporter) notice(d *fetch.Drop, m *mail.Message, header []byte) *mail.Message {
	return r.now().Notice(bounce.Large{
		Message: m, Header: header, Limit: d.Oversize.Above, Server: d.Server,
		Command: "mailretr seen forget " + quoted(d.Name) + " " + quoted(string(m.Origin.UID)),
	})
}

// plainWord are the characters that mean themselves to a shell.
const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.:@%+-"

// quoted is a word as a shell takes it for itself: the server chooses what a UID is, and a person copies it.
func quoted(word string) string {
	if word != "" && strings.Trim(word, plainWord) == "" && word[0] != '-' {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// limits is a hash of what decides, besides the entry of a maildrop, which of its mail waits: when it
// changes, what was put aside is looked at again.
func limits(c *conf.Config) string {
	b, err := json.Marshal([]any{c.Line.Cap, c.Limits.MaxMessage})
	if err != nil {
		panic("the configuration cannot be written as JSON: " + err.Error()) // plain data
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:4])
}

// uncounted tells that what was counted could not be kept.
func (h *house) uncounted(err error) {
	h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpStore, Err: err,
		Text: "what was counted on the line was not saved; it is tried again"})
}
