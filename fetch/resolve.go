package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailretr/store/mail"
)

// Single says who mail of a single-drop maildrop is for: always the same.
type Single struct {
	To     []mail.Path
	Sender string // header field with the reverse-path; "" means Return-Path
}

// Resolve fills the envelope. It reads the header, for the reverse-path only.
func (d Single) Resolve(ctx context.Context, m *mail.Message) error {
	header, err := m.Content.Header(ctx)
	if err != nil {
		return err
	}
	if len(d.To) == 0 {
		return noEnvelope("no recipient is configured")
	}
	m.Envelope = envelope(header, d.Sender, d.To)
	return nil
}

// Multi finds who mail of a multi-drop maildrop is for in one header field that the provider's last MTA
// has written. It never looks at To, Cc or Received: a message whose field is missing, or says nothing
// of ours, stays where it is or goes to Otherwise.
type Multi struct {
	Field  string   // "X-Envelope-To"
	Nth    int      // which occurrence, from the top, counting from 1; 0 means 1
	Prefix string   // taken off the local part where it is there, in any case of letters
	Local  []string // domains that are ours, lower case; recipients of others are somebody else's

	Otherwise mail.Path // who gets what has no recipient of ours; "": it stays
	Sender    string    // header field with the reverse-path; "" means Return-Path
}

// Resolve fills the envelope, or returns a *mail.Trouble of kind NoEnvelope.
func (d Multi) Resolve(ctx context.Context, m *mail.Message) error {
	header, err := m.Content.Header(ctx)
	if err != nil {
		return err
	}
	to, err := d.recipients(header)
	if err != nil {
		if d.Otherwise == "" {
			return noEnvelope(err.Error())
		}
		to = []mail.Path{d.Otherwise}
	}
	m.Envelope = envelope(header, d.Sender, to)
	return nil
}

// recipients reads the field. An error says why there is no recipient that one could be sure of.
func (d Multi) recipients(header []byte) ([]mail.Path, error) {
	value, ok := nth(header, d.Field, max(d.Nth, 1))
	if !ok {
		return nil, fmt.Errorf("it has no header field %s%s", d.Field, ordinal(d.Nth))
	}
	list, err := addresses(value)
	if err != nil {
		return nil, fmt.Errorf("its header field %s cannot be read: %w", d.Field, err)
	}
	var to []mail.Path
	seen := map[mail.Path]bool{}
	for _, s := range list {
		p, err := d.recipient(s)
		if err != nil {
			return nil, fmt.Errorf("its header field %s has a bad address: %w", d.Field, err)
		}
		if p != "" && !seen[p] {
			seen[p] = true
			to = append(to, p)
		}
	}
	if len(to) == 0 {
		return nil, fmt.Errorf("its header field %s names no recipient of ours", d.Field)
	}
	return to, nil
}

// recipient returns the path of one address, "" where it is none of ours. It is checked before the
// prefix goes and after.
func (d Multi) recipient(s string) (mail.Path, error) {
	p := mail.Path(s)
	if p.Null() {
		return "", errors.New("address is empty")
	}
	if err := p.Check(); err != nil {
		return "", err
	}
	if !slices.Contains(d.Local, p.Domain()) {
		return "", nil
	}
	local := p.Local()
	if n := len(d.Prefix); n > 0 && len(local) >= n && strings.EqualFold(local[:n], d.Prefix) {
		p = mail.Path(local[n:] + "@" + p.Domain())
	} else {
		p = mail.Path(local + "@" + p.Domain())
	}
	return p, p.Check()
}

func nth(header []byte, name string, n int) (string, bool) {
	for value := range fields(header, name) {
		if n--; n == 0 {
			return value, true
		}
	}
	return "", false
}

func ordinal(n int) string {
	if n <= 1 {
		return ""
	}
	return fmt.Sprintf(" number %d", n)
}

// envelope makes the envelope. The reverse-path is the first address of the topmost field: what the
// provider's final delivery has written stands above whatever came with the message (RFC 5321, 4.4).
// What is missing, or could leave its place, is the null reverse-path.
func envelope(header []byte, sender string, to []mail.Path) mail.Envelope {
	if sender == "" {
		sender = "Return-Path"
	}
	e := mail.Envelope{Recipients: make([]mail.Recipient, len(to))}
	for i, p := range to {
		e.Recipients[i].Forward = p
	}
	value, _ := nth(header, sender, 1)
	list, err := addresses(value)
	if err != nil || len(list) != 1 {
		return e
	}
	if p := mail.Path(list[0]); p.Domain() != "" && p.Check() == nil {
		e.Reverse = p
	}
	return e
}

func noEnvelope(why string) *mail.Trouble {
	return &mail.Trouble{
		Op: mail.OpHeader, Kind: mail.NoEnvelope, Alone: true, Err: errors.New(why),
		Hint: "Set multidrop.envelope to the field in which the provider writes the recipient, " +
			"list your domains, or say with otherwise: who gets such mail.",
	}
}
