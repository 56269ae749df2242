package store

import (
	"context"
	"slices"

	"mailretr/store/mail"
)

// A message whose route has several lanes becomes a record for each of them, in the commit that makes it ours. Each
// is then attempted, deferred and expired by itself. Two rules keep them from doing anything twice:
//
// The sender hears of the first lane only. In the others the recipient is a copy: it asks for no report (NOTIFY=NEVER,
// so that a next hop sends none either), and where it fails the postmaster is told, or the record is held.
//
// A recipient is multiplied once. When it is routed anew, each of its records goes to one lane, and not to one that
// another of them has, as long as there is a choice.

// Sharing says what a recipient of one record has to do with the same recipient in others. Zero: there are none.
type Sharing struct {
	Beside []mail.Lane `cbor:"14,keyasint,omitempty"` // the lanes of the other records
	Copy   bool        `cbor:"15,keyasint,omitempty"` // one of those answers to the sender
}

// share returns the recipient as it is in the record of lanes[k].
func (x Recipient) share(lanes []mail.Lane, k int) Recipient {
	if len(lanes) < 2 {
		return x
	}
	x.Beside = slices.Concat(lanes[:k], lanes[k+1:])
	if k > 0 {
		x.Copy, x.Notify = true, "NEVER"
	}
	return x
}

// anew chooses from the lanes of a route what becomes of a recipient that has been in this lane.
func (x *Recipient) anew(lane mail.Lane, route []mail.Lane) []mail.Lane {
	if len(x.Beside) == 0 || len(route) == 0 {
		return route
	}
	if slices.Contains(route, lane) {
		return []mail.Lane{lane}
	}
	for _, l := range route {
		if !slices.Contains(x.Beside, l) {
			return []mail.Lane{l}
		}
	}
	return route[:1] // better twice in one lane than in none
}

// octets is what the recipient takes in a record, roughly, before anything was said of it.
func (x *Recipient) octets() int {
	n := len(x.Forward) + len(x.Original) + len(x.Notify)
	for _, l := range x.Beside {
		n += len(l)
	}
	return n
}

// A group is what one record will have.
type group struct {
	lane   mail.Lane
	to     []Recipient
	octets int
}

// groups sorts recipients by lane, and begins another record where one would become too large.
type groups struct {
	all  []*group
	open map[mail.Lane]*group
}

// add puts a recipient into each lane of its route.
func (g *groups) add(x Recipient, route []mail.Lane) {
	if g.open == nil {
		g.open = map[mail.Lane]*group{}
	}
	for k, l := range route {
		y := x.share(route, k)
		size := y.octets()
		at := g.open[l]
		if at == nil || at.octets+size > maxAddresses || len(at.to) == maxRecipients {
			at = &group{lane: l}
			g.open[l] = at
			g.all = append(g.all, at)
		}
		at.to, at.octets = append(at.to, y), at.octets+size
	}
}

// A CopyReporter (optional on a [mail.Reporter]) makes what tells the postmaster of recipients that failed in a lane
// which got a copy only; their sender hears from another record. Without it they are held.
type CopyReporter interface {
	ReportCopy(context.Context, *mail.Message, mail.Report) ([]*mail.Message, error)
}

// ofCopies is what tells of copies.
func (q *Queue) ofCopies() func(context.Context, *mail.Message, mail.Report) ([]*mail.Message, error) {
	if r, ok := q.Reporter.(CopyReporter); ok {
		return r.ReportCopy
	}
	return func(context.Context, *mail.Message, mail.Report) ([]*mail.Message, error) { return nil, nil }
}
