package fetch

import (
	"context"
	"errors"

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
	to := make([]mail.Recipient, len(d.To))
	for i, p := range d.To {
		to[i].Forward = p
	}
	m.Envelope = envelope(header, d.Sender, to)
	return nil
}

// envelope makes the envelope. The reverse-path is the first address of the topmost field: what the
// provider's final delivery has written stands above whatever came with the message (RFC 5321, 4.4).
// What is missing, or could leave its place, is the null reverse-path.
func envelope(header []byte, sender string, to []mail.Recipient) mail.Envelope {
	if sender == "" {
		sender = "Return-Path"
	}
	e := mail.Envelope{Recipients: to}
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
