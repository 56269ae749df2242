package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailretr/relay"
	"mailretr/relay/domain"
	"mailretr/store/mail"
)

// Multi finds who mail of a multi-drop maildrop is for in header fields that the provider's last MTA has
// written. It never looks at To or Cc: they do not say who got a message. A message whose fields are
// missing, cannot be read, leave a doubt, or say nothing of ours, stays where it is or goes to Otherwise.
type Multi struct {
	Fields   []Field  // in this order: the first that names a recipient of ours decides
	Prefixes []string // the longest that is there is taken off the local part, in any case of letters
	// Local are the domains that are ours, lower case; "*.example" stands for all below example, and
	// not for example. Recipients of other domains are somebody else's.
	Local []string
	Map   relay.Aliases // asked for the address without its prefix; what it names is ours, whatever Local says

	// Copies is the Received field by whose id copies of one mail are known (see [Multi.Identity]). No name:
	// each message is collected by itself.
	Copies Field

	Otherwise mail.Path // who gets what has no recipient of ours; "": it stays
	Sender    string    // header field with the reverse-path; "" means Return-Path
}

// A Field says where a provider writes the recipient. Several in one field, separated by commas, are all
// believed.
type Field struct {
	Name string // "X-Envelope-To". Of "Received", the for clause is meant
	// Nth is which of that name, from the top, counting from 1. 0: the topmost; where those that follow it
	// directly name somebody else there is a doubt, since a provider may write a field for each recipient.
	Nth int
	All bool   // the topmost and all that follow it directly
	By  string // of Received: the topmost that this host wrote; "*.example" is any host below example
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
		to = []mail.Recipient{{Forward: d.Otherwise}}
	}
	m.Envelope = envelope(header, d.Sender, to)
	return nil
}

// recipients tries the fields. An error says why there is no recipient that one could be sure of.
func (d Multi) recipients(header []byte) ([]mail.Recipient, error) {
	var why []string
	for _, f := range d.Fields {
		values, err := f.values(header)
		if err != nil {
			return nil, fmt.Errorf("its header field %s %w", f, err)
		}
		to, err := d.read(f, values)
		switch {
		case err != nil:
			return nil, fmt.Errorf("its header field %s %w", f, err)
		case len(to) > 0:
			return to, nil
		case len(values) == 0:
			why = append(why, fmt.Sprintf("it has no header field %s", f))
		default:
			why = append(why, fmt.Sprintf("its header field %s names no recipient of ours", f))
		}
	}
	return nil, errors.New(strings.Join(why, "; "))
}

// values returns the bodies that count, none where the field is not there.
func (f Field) values(header []byte) ([]string, error) {
	switch {
	case strings.EqualFold(f.Name, "Received"):
		return f.clause(header)
	case f.Nth == 0:
		return block(header, f.Name), nil
	}
	if value, ok := nth(header, f.Name, f.Nth); ok {
		return []string{value}, nil
	}
	return nil, nil
}

// clause returns the address of the for clause of the Received field that is meant. It is found from the
// top only: below what the provider has written stands whatever the sender likes.
func (f Field) clause(header []byte) ([]string, error) {
	n := max(f.Nth, 1)
	for value := range fields(header, f.Name) {
		r := readReceived(value)
		if f.By != "" && !domain.In(f.By, r.by) {
			continue
		}
		if n--; n > 0 && f.By == "" {
			continue
		}
		if r.odd || len(value) > maxField {
			return nil, errors.New("cannot be read: its clauses are in disorder")
		}
		return []string{r.to}, nil
	}
	return nil, nil
}

// read returns the recipients of ours that the bodies name.
func (d Multi) read(f Field, values []string) ([]mail.Recipient, error) {
	if len(values) > maxAddresses {
		return nil, errors.New("stands there too often")
	}
	g := gather{d: &d}
	for i, value := range values {
		n := len(g.to)
		if err := g.add(value); err != nil {
			return nil, err
		}
		if i > 0 && !f.All && len(g.to) > n {
			return nil, fmt.Errorf("stands there several times in a row, for different recipients: write %s all if "+
				"the provider writes one for each recipient, %s 1 if only the topmost counts", f.Name, f.Name)
		}
	}
	return g.to, nil
}

// String says which field is meant, as it is configured.
func (f Field) String() string {
	switch {
	case f.By != "":
		return f.Name + " by " + f.By
	case f.All:
		return f.Name + " all"
	case f.Nth > 1:
		return fmt.Sprintf("%s %d", f.Name, f.Nth)
	}
	return f.Name
}

// gather collects recipients, each once, no more than maxAddresses.
type gather struct {
	d  *Multi
	to []mail.Recipient
}

// add reads one body. What cannot be read in it is an error for all: who is not sure of one address is not
// sure of the next.
func (g *gather) add(value string) error {
	list, err := addresses(value)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	for _, s := range list {
		some, err := g.d.recipient(s)
		if err != nil {
			return fmt.Errorf("has a bad address: %w", err)
		}
		for _, r := range some {
			g.put(r)
		}
		if len(g.to) > maxAddresses {
			return errors.New("stands for too many recipients")
		}
	}
	return nil
}

func (g *gather) put(r mail.Recipient) {
	for _, have := range g.to {
		if have.Forward == r.Forward {
			return
		}
	}
	g.to = append(g.to, r)
}

// recipient returns who gets the mail of one address, nobody where it is none of ours. It is checked before
// the prefix goes and after.
func (d *Multi) recipient(s string) ([]mail.Recipient, error) {
	p := mail.Path(s)
	if p.Null() {
		return nil, errors.New("address is empty")
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	local, domain := d.strip(p.Local()), p.Domain()
	ours := d.ours(domain)
	to, mapped := d.Map.Of(local, domain, ours)
	if !mapped && !ours {
		return nil, nil
	}
	p = mail.Path(local + "@" + domain)
	if err := p.Check(); err != nil {
		return nil, err
	}
	if !mapped {
		return []mail.Recipient{{Forward: p}}, nil
	}
	all := make([]mail.Recipient, len(to))
	for i, x := range to {
		q := mail.Path(x)
		if q.Domain() != "" {
			q = mail.Path(q.Local() + "@" + q.Domain())
		}
		if q.CheckForward() != nil {
			return nil, fmt.Errorf("%v, which stands for %v", p, q)
		}
		if all[i].Forward = q; q != p {
			all[i].Original = p.ORCPT()
		}
	}
	return all, nil
}

func (d *Multi) strip(local string) string {
	longest := 0
	for _, x := range d.Prefixes {
		if n := len(x); n > longest && len(local) >= n && strings.EqualFold(local[:n], x) {
			longest = n
		}
	}
	return local[longest:]
}

func (d *Multi) ours(of string) bool {
	return slices.ContainsFunc(d.Local, func(x string) bool { return domain.In(x, of) })
}
