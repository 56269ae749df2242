package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mailretr/store/mail"
)

// refused asks the MTA about the configured recipients, before anything is fetched: one typo in `to:`
// must not bounce a mailbox. A recipient is wrong if it is refused for good whoever sends, with the
// same code for the null reverse-path and for the address that our bounces come from. Anything else
// says nothing: what is deferred, or not answered, is collected.
func (s *session) refused(ctx context.Context) *mail.Trouble {
	d := &s.drop
	if d.Ask == nil || d.BounceFrom == "" {
		return nil
	}
	for _, to := range d.Check {
		a := s.probe(ctx, "", to)
		if a.Outcome != mail.Failed {
			continue
		}
		if b := s.probe(ctx, d.BounceFrom, to); b.Outcome != mail.Failed || code(a) != code(b) {
			continue
		}
		return &mail.Trouble{
			Op: mail.OpProbe, Kind: mail.NoRecipient, Server: a.RemoteMTA, Reply: a.Reply,
			Err: fmt.Errorf("the MTA refuses the configured recipient %s, whoever sends", to),
			Hint: fmt.Sprintf("Correct the recipient %s of this maildrop, or make the address known to the MTA. "+
				"Nothing was fetched, bounced or deleted.", to),
		}
	}
	return nil
}

// misdirected asks before the maildrop is dialled, where the last visit found that a configured recipient is refused: the
// question goes to the MTA here, and a visit that fetches nothing costs the line a login and a listing. Once a day the
// maildrop is visited all the same: there may be nothing in it any more, or something to be let go of.
func (s *session) misdirected(ctx context.Context) error {
	if s.state.Failures == 0 || s.state.Kind != mail.NoRecipient || s.p.now().Sub(s.state.Misdirected).Abs() >= daily {
		return nil
	}
	if t := s.refused(ctx); t != nil {
		return t
	}
	return nil
}

// probe asks about one recipient. A refusal that speaks of us, and not of the recipient, is no answer.
func (s *session) probe(ctx context.Context, from, to mail.Path) mail.Result {
	ask := s.drop.AskCheck
	if ask == nil {
		ask = s.drop.Ask
	}
	r := ask.Probe(ctx, &mail.Message{
		Origin:   s.origin(),
		Envelope: mail.Envelope{Reverse: from, Recipients: []mail.Recipient{{Forward: to}}},
		Content:  nothing{},
	}).Of(0)
	if r.Scope == mail.OfLane || r.Reply == "" {
		return mail.Result{}
	}
	return r
}

// code is the reply code, with the enhanced one where there is one.
func code(r mail.Result) string { return r.Reply[:min(3, len(r.Reply))] + " " + r.Enhanced }

// nothing is the content of a message that is only asked about.
type nothing struct{}

func (nothing) Size() int64                                 { return -1 }
func (nothing) Header(context.Context) ([]byte, error)      { return nil, errNothing }
func (nothing) Open(context.Context) (io.ReadCloser, error) { return nil, errNothing }

var errNothing = errors.New("a recipient is only asked about: there is no message")
