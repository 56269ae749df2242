package demo

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
)

// A Summary is what the demo has shown, and whether it is what was promised.
type Summary struct {
	OK       bool     `json:"ok"`
	Failures []string `json:"failures,omitempty"` // promises that were not kept, in sentences
	Seconds  float64  `json:"seconds"`

	Delivered int `json:"delivered"` // messages that the MTA has taken, without the bounce
	Deferred  int `json:"deferred"`  // how often it said 451
	Refused   int `json:"refused"`   // messages refused for good, by their header alone

	Maildrops []Bill  `json:"maildrops"`
	Line      int64   `json:"line"`    // octets, of all maildrops
	Without   int64   `json:"without"` // what they would have been without a queue
	Saved     int64   `json:"saved"`
	Bounce    *Bounce `json:"bounce,omitempty"`
}

// A Bill says what a maildrop has cost.
type Bill struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Messages int    `json:"messages"` // in the maildrop at the beginning
	Refused  bool   `json:"refused"`  // the large one is refused; else it is deferred
	Sessions int    `json:"sessions"`
	Line     int64  `json:"line"`    // octets on the line, both ways, counted at the provider's end
	Body     int64  `json:"body"`    // octets of the large message
	Again    int    `json:"again"`   // how often more that would have crossed it without a queue
	Without  int64  `json:"without"` // octets on the line without a queue
	Saved    int64  `json:"saved"`
}

// Complete says whether everything has happened that is to happen on the stage.
func (s *Stage) Complete() bool {
	taken, _, _ := s.mta.counts()
	want := 0 // a bounce stands for the refused one
	for _, d := range s.Drops {
		want += len(d.letters)
		if n, err := d.server.left(); err != nil || n > 0 {
			return false
		}
	}
	return taken >= want
}

// Judge compares what has arrived with what was there, and makes the bill.
func (s *Stage) Judge() *Summary {
	v := &Summary{}
	got := s.mta.taken()
	byID := map[string][]delivered{}
	for _, x := range got {
		if x.from != "" {
			v.Delivered++
		}
		byID[x.id] = append(byID[x.id], x)
	}
	_, v.Deferred, _ = s.mta.counts()
	for _, d := range s.Drops {
		for _, l := range d.letters {
			v.letter(l, byID[l.id])
			delete(byID, l.id)
		}
		v.drop(s, d)
	}
	v.bounced(byID)
	if v.Deferred != s.Deferrals {
		v.fail("the MTA deferred %d times, not %d times", v.Deferred, s.Deferrals)
	}
	v.OK = len(v.Failures) == 0
	return v
}

func (v *Summary) fail(format string, args ...any) {
	v.Failures = append(v.Failures, fmt.Sprintf(format, args...))
}

// Fail adds something that went wrong elsewhere.
func (v *Summary) Fail(text string) {
	v.Failures = append(v.Failures, text)
	v.OK = false
}

// letter checks that a message arrived once and whole; one for the unknown recipient, not at all.
func (v *Summary) letter(l *letter, got []delivered) {
	if l.to == moved {
		if v.Refused++; len(got) > 0 {
			v.fail("the MTA took %s, which it refuses", l.id)
		}
		return
	}
	if len(got) != 1 {
		v.fail("%s arrived %d times", l.id, len(got))
	}
	for _, x := range got {
		switch {
		case x.from != l.from || x.to != l.to:
			v.fail("%s arrived from %s for %s, not from %s for %s", l.id, x.from, x.to, l.from, l.to)
		case sha256.Sum256(withoutReceived(x.octets)) != l.body:
			v.fail("%s was changed on its way", l.id)
		}
	}
}

// withoutReceived takes our own trace field away, which stands in front.
func withoutReceived(octets []byte) []byte {
	if !bytes.HasPrefix(octets, []byte("Received: by "+Host+" (mailretr")) {
		return octets
	}
	for first := true; ; first = false {
		line, rest, ok := bytes.Cut(octets, []byte("\r\n"))
		if !ok || !first && !strings.HasPrefix(string(line[:min(len(line), 1)]), "\t") {
			return octets
		}
		octets = rest
	}
}

// drop checks that a maildrop is empty and that nothing crossed its line for nothing, and makes its bill.
func (v *Summary) drop(s *Stage, d *Drop) {
	if n, err := d.server.left(); err != nil || n > 0 {
		v.fail("%d messages are left in the maildrop %s", n, d.Name)
	}
	b := Bill{
		Name: d.Name, Protocol: d.Protocol, Messages: len(d.letters), Sessions: int(d.line.sessions.Load()),
		Line: d.line.total(), Body: int64(len(d.large.octets)), Refused: d.large.to == moved,
	}
	due := int64(0) // what has to cross the line
	for _, l := range d.letters {
		if l.to != moved {
			due += int64(len(l.octets))
		}
	}
	// Commands, replies, the header of a large message: 1 % and 16 KB, and 1 KB for each login.
	if most := due + due/100 + 16<<10 + int64(b.Sessions)<<10; b.Line < due || b.Line > most {
		v.fail("%d octets crossed the line of %s; %d to %d had to", b.Line, d.Name, due, most)
	}
	b.Again = s.Deferrals
	if b.Refused {
		// It would have been loaded when it was refused, and at each login since, for it would still be
		// there.
		b.Again = 1 + b.Sessions - int(s.before.Load())
	}
	b.Saved = int64(b.Again) * b.Body
	b.Without = b.Line + b.Saved
	v.Maildrops = append(v.Maildrops, b)
	v.Line, v.Without, v.Saved = v.Line+b.Line, v.Without+b.Without, v.Saved+b.Saved
}

// bounced checks what else has arrived: one bounce.
func (v *Summary) bounced(rest map[string][]delivered) {
	n := 0
	for id, all := range rest {
		for _, x := range all {
			b, err := parseBounce(x.octets)
			switch {
			case err != nil || x.from != "":
				v.fail("%s arrived, and nobody knows what it is", id)
			case x.to != friend || !strings.Contains(b.From, From):
				v.fail("a bounce went from %s to %s", b.From, x.to)
			default:
				v.Bounce = b
				n++
			}
		}
	}
	if n != v.Refused {
		v.fail("%d bounces went out for %d refused messages", n, v.Refused)
	}
}
