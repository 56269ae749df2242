package store

import (
	"context"
	"fmt"

	"mailretr/store/mail"
)

// maxOfMessage bounds what a few recipients may be rewritten to: a table that is wrong would fill the disk.
const maxOfMessage = 20_000

// sound returns those who get a message, each once: its recipients, rewritten. A path that could leave its place in a
// command of SMTP is nobody's, and nothing is queued that could only fail.
func (q *Queue) sound(ctx context.Context, m *mail.Message) (list []mail.Recipient, err error) {
	if err := checked(m.Envelope.Reverse); err != nil {
		return nil, err
	}
	have := make(map[string]bool, len(m.Envelope.Recipients))
	for _, r := range m.Envelope.Recipients {
		some, err := q.rewritten(ctx, m.Origin, r)
		if err != nil {
			return nil, err
		}
		for _, x := range some {
			k := x.Forward.Local() + "@" + x.Forward.Domain()
			if !have[k] {
				have[k] = true
				list = append(list, x)
			}
		}
		if len(list) > maxOfMessage {
			return nil, local(fmt.Errorf("the message would go to more than %d recipients", maxOfMessage), "see rewrite:")
		}
	}
	return list, nil
}

// rewritten returns who gets the mail of one recipient, and at least one.
func (q *Queue) rewritten(ctx context.Context, o mail.Origin, r mail.Recipient) ([]mail.Recipient, error) {
	if err := aRecipient(r.Forward); err != nil || q.Rewrite == nil {
		return []mail.Recipient{r}, err
	}
	some, err := q.Rewrite(ctx, o, r)
	if err != nil {
		return nil, local(fmt.Errorf("finding out who gets the mail of a recipient: %w", err), "see rewrite: in the configuration")
	}
	for _, x := range some {
		if err := aRecipient(x.Forward); err != nil {
			return nil, err
		}
	}
	if len(some) == 0 {
		return nil, local(fmt.Errorf("nobody gets the mail of %v", r.Forward), "see rewrite: in the configuration")
	}
	return some, nil
}

func aRecipient(p mail.Path) error {
	if p.Null() {
		return unsound(p, errNoRecipient)
	}
	return checked(p)
}

func checked(p mail.Path) error {
	if err := p.Check(); err != nil {
		return unsound(p, err)
	}
	return nil
}

func unsound(p mail.Path, err error) error {
	return &mail.Trouble{Op: mail.OpQueue, Kind: mail.NoEnvelope, Err: fmt.Errorf("%v: %w", p, err)}
}
