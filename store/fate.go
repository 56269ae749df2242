package store

import (
	"context"
	"maps"
	"slices"

	"mailretr/store/mail"
)

// A Fate is what the admin wants to become of a recipient that has failed, in a certain way.
type Fate struct {
	Act Act
	To  mail.Path // of Redirect: to whom; "": the postmaster
}

// An Act is the kind of a Fate.
type Act uint8

const (
	Tell     Act = iota // the sender is told: a bounce
	Keep                // it is held, and nobody is told, until somebody says otherwise
	Redirect            // somebody else gets the message whole, with the reason, and the sender is not told
	Discard             // it ends; that is counted and logged, nobody is told
)

// fate is what becomes of a failed recipient. Reports have their own rule, and what somebody has given up by hand is
// told as they said.
func (q *Queue) fate(r *Record, x *Recipient) Fate {
	if q.Fate == nil || !r.Parent.Zero() || x.Last.GivenUp {
		return Fate{}
	}
	return q.Fate(r, x.Last.result())
}

// A sorted is failed recipients by what becomes of them, by their indices in the record.
type sorted struct {
	tell     []int
	copies   []int // told to the postmaster: the sender hears of another record
	gone     []int // they end here
	redirect map[mail.Path][]int
}

// sort makes those who are kept so, ends those of whom nobody is told, and returns the others.
func (s *settling) sort(at []int) sorted {
	out := sorted{redirect: map[mail.Path][]int{}}
	for _, i := range at {
		x := &s.j.Recipients[i]
		switch f := s.q.fate(&s.j.Record, x); {
		case f.Act == Keep:
			x.State = Resting
		case f.Act == Redirect:
			out.redirect[f.To] = append(out.redirect[f.To], i)
		case f.Act == Discard:
			e := s.event(mail.OpDiscard)
			e.To, e.Enhanced, e.Reply, e.Text, e.Messages = x.Forward, x.Last.Enhanced, x.Last.Reply, discardedText, 1
			s.events = append(s.events, e)
			out.gone = append(out.gone, i)
		case x.Copy: // its NOTIFY is ours
			out.copies = append(out.copies, i)
		case silent(x.Notify):
			s.end(x, "the sender does not want to be told of this failure", false)
			out.gone = append(out.gone, i)
		default:
			out.tell = append(out.tell, i)
		}
	}
	return out
}

// redirect stages what goes to somebody else than the sender. ended are those who need no longer be kept.
func (s *settling) redirect(ctx context.Context, to map[mail.Path][]int) (ended []int) {
	for _, p := range slices.Sorted(maps.Keys(to)) {
		some := pick(s.j.Recipients, to[p])
		all, err := s.q.redirected(ctx, s.m, &s.j.Record, some, p)
		switch {
		case err != nil:
			s.trouble(err)
		case len(all) == 0: // there is nobody to bring it to
			s.mute = true
		default:
			s.reports = append(s.reports, all...)
			ended = append(ended, to[p]...)
		}
	}
	return ended
}

// redirected stages what brings a record to somebody else; none where there is nobody.
func (q *Queue) redirected(ctx context.Context, m *mail.Message, r *Record, failed []Recipient, to mail.Path) (
	[]*entry, error) {
	d, ok := q.Reporter.(mail.Redirector)
	if !ok {
		return nil, nil
	}
	about, results := aboutThese(m, failed)
	ms, err := d.Redirect(ctx, about, results, to)
	if err != nil {
		return nil, err
	}
	return q.stageReports(ctx, ms, r)
}

// aboutThese is a message with some failed recipients only, and what was said of them.
func aboutThese(m *mail.Message, some []Recipient) (*mail.Message, mail.Report) {
	about := *m
	about.Envelope.Recipients = make([]mail.Recipient, len(some))
	results := make(mail.Report, len(some))
	for i, x := range some {
		about.Envelope.Recipients[i], results[i] = x.Recipient, x.Last.result()
	}
	return &about, results
}

// resting holds a record of which nothing is left but recipients that are kept.
func (s *settling) resting() {
	r := &s.j.Record
	if r.Held() || len(r.Recipients) == 0 ||
		slices.ContainsFunc(r.Recipients, func(x Recipient) bool { return x.State != Resting }) {
		return
	}
	s.hold(HoldKept, "it is kept, as configured for such failures: "+r.Recipients[0].Last.result().String())
	s.holding()
}
