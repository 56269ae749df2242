package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailretr/relay/domain"
	"mailretr/store/mail"
)

// A Table says who gets the mail of an address instead. Safe for concurrent use.
type Table interface {
	// Lookup returns who gets it; ok is false where the table says nothing of this address. An error means that the
	// table cannot be asked at the moment.
	Lookup(ctx context.Context, p mail.Path) (to []mail.Path, ok bool, err error)
}

// A Rewriter changes recipients when a message comes in. An address is looked up until the table does not know it, or
// leads to itself; where the table does not know user+detail, user is looked up; at the end the folder that the message
// was collected from may become the detail. Not changed once it is in use; safe for concurrent use then.
type Rewriter struct {
	Table  Table    // nil: none
	Strip  []string // domains, as domain.In takes them, in which the detail of an address that the table does not know goes
	Folder []string // domains to whose addresses the folder is added as detail
	Mark   string   // between user and detail: "+"
}

// Bounds of what one recipient may lead to.
const (
	maxSteps = 10   // from the address to one that gets its mail
	maxHeirs = 1000 // addresses
)

// The errors of a table that makes no sense.
var (
	ErrCircle = errors.New("the rewriting of this address goes in a circle")
	ErrLong   = fmt.Errorf("the rewriting of this address takes more than %d steps", maxSteps)
	ErrWide   = fmt.Errorf("this address stands for more than %d others", maxHeirs)
)

// Rewrite returns who gets the mail of a recipient, collected from that folder ("": from none, or it does not matter).
// Parameters of DSNs go along, and ORCPT keeps the address that the sender knows (RFC 3461, 5.2.7.1 and 4.2).
func (w *Rewriter) Rewrite(ctx context.Context, folder string, r mail.Recipient) ([]mail.Recipient, error) {
	c := chase{Rewriter: w, have: map[string]bool{}}
	if err := c.follow(ctx, r.Forward, nil); err != nil {
		return nil, fmt.Errorf("%v: %w", r.Forward, err)
	}
	all := make([]mail.Recipient, len(c.found))
	for i, p := range c.found {
		all[i] = r
		if all[i].Forward = w.detailed(p, folder); all[i].Forward != r.Forward && r.Original == "" {
			all[i].Original = r.Forward.ORCPT()
		}
	}
	return all, nil
}

// A chase follows one recipient.
type chase struct {
	*Rewriter
	found []mail.Path
	have  map[string]bool // of found, in lower case
	steps int
}

// follow adds those that p leads to. path is what led to p.
func (c *chase) follow(ctx context.Context, p mail.Path, path []mail.Path) error {
	if slices.ContainsFunc(path, p.Same) {
		return ErrCircle
	}
	if c.steps++; c.steps > maxSteps*maxHeirs {
		return ErrWide
	}
	to, err := c.step(ctx, p)
	switch {
	case err != nil:
		return err
	case len(path) >= maxSteps && len(to) > 0:
		return ErrLong
	case len(to) == 0:
		return c.add(p)
	}
	for _, x := range to {
		if x.Same(p) {
			err = c.add(p)
		} else {
			err = c.follow(ctx, x, append(path[:len(path):len(path)], p))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *chase) add(p mail.Path) error {
	k := strings.ToLower(string(p))
	switch {
	case c.have[k]:
		return nil
	case len(c.found) == maxHeirs:
		return ErrWide
	}
	c.have[k], c.found = true, append(c.found, p)
	return nil
}

// step returns what is said of one address; none: nothing, it gets its mail itself.
func (w *Rewriter) step(ctx context.Context, p mail.Path) ([]mail.Path, error) {
	if w.Table != nil {
		to, ok, err := w.Table.Lookup(ctx, p)
		if err != nil {
			return nil, err
		}
		if ok && len(to) > 0 {
			return to, nil
		}
	}
	user, _, ok := strings.Cut(p.Local(), w.Mark)
	if w.Mark == "" || !ok || user == "" || p.Local()[0] == '"' || !ofDomain(w.Strip, p) {
		return nil, nil
	}
	return []mail.Path{mail.Path(user + "@" + p.Domain())}, nil
}

func ofDomain(patterns []string, p mail.Path) bool {
	return slices.ContainsFunc(patterns, func(x string) bool { return domain.In(x, p.Domain()) })
}

// detailed adds the folder to an address that has no detail. A folder whose name cannot stand in an address that every
// MTA takes (it is beyond ASCII, or has controls) is left out, and so is INBOX.
func (w *Rewriter) detailed(p mail.Path, folder string) mail.Path {
	if folder == "" || strings.EqualFold(folder, "INBOX") || w.Mark == "" || !ofDomain(w.Folder, p) ||
		strings.Contains(p.Local(), w.Mark) || p.Local()[0] == '"' {
		return p
	}
	local := p.Local() + w.Mark + folder
	if strings.ContainsAny(local, "()<>[]:;@\\,\" ") || strings.Contains(local, "..") || local[len(local)-1] == '.' {
		local = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local) + `"` // RFC 5321, 4.1.2
	}
	q := mail.Path(local + "@" + p.Domain())
	if !q.ASCII() || q.Check() != nil {
		return p
	}
	return q
}

// Lookup makes of aliases a Table in which user@* is that user in each domain.
func (a Aliases) Lookup(_ context.Context, p mail.Path) (to []mail.Path, ok bool, err error) {
	list, ok := a.Of(p.Local(), p.Domain(), true)
	for _, x := range list {
		to = append(to, mail.Path(x))
	}
	return to, ok, nil
}
