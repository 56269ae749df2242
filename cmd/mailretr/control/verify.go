package control

import (
	"context"
	"iter"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"mailretr/store/badger"
	"mailretr/store/mail"
)

// A VerifyRequest asks for the files of the queue to be compared with its records. Nothing is changed.
type VerifyRequest struct {
	Rate int64 `json:"rate,omitempty"` // octets per second that are read at most; 0: as fast as it goes
}

// A Verified is a finding, or how far it has come; the last one has Done.
type Verified struct {
	Problem string `json:"problem,omitempty"` // missing, damaged, differs, orphan, set aside, strange
	ID      string `json:"queue_id,omitempty"`
	File    string `json:"file,omitempty"` // in the spool; as it is there
	Text    string `json:"text,omitempty"` // what was seen
	Held    bool   `json:"held,omitempty"` // the message is not attempted

	Messages int   `json:"messages,omitempty"`
	Of       int   `json:"of,omitempty"`
	Octets   int64 `json:"octets,omitempty"`
	Problems int   `json:"problems,omitempty"`
	Done     bool  `json:"done,omitempty"`
}

// A Verifier inspects a state.
type Verifier func(context.Context, badger.Inspection) (n int, octets int64, err error)

// tellEvery is how often a client hears how far something has come.
const tellEvery = 500 * time.Millisecond

func verify(h *House, out *stream, r *http.Request) error {
	q, err := body[VerifyRequest](r)
	switch {
	case err != nil:
		return err
	case q.Rate < 0:
		return usage("a rate is not negative", "")
	case h.Verify == nil:
		return newError(Unavailable, "this state cannot be verified", "")
	}
	last, problems := time.Now(), 0
	x := badger.Inspection{
		Found: func(f badger.Finding) error {
			problems++
			return out.item(verified(f), true)
		},
		Tell: func(done, of int, octets int64) error {
			if time.Since(last) < tellEvery {
				return nil
			}
			last = time.Now()
			return out.item(Verified{Messages: done, Of: of, Octets: octets}, true)
		},
	}
	if q.Rate > 0 {
		l := rate.NewLimiter(rate.Limit(q.Rate), paceBurst)
		x.Pace = l.WaitN
	}
	n, octets, err := h.Verify(r.Context(), x)
	if err != nil {
		return err
	}
	return out.item(Verified{Messages: n, Of: n, Octets: octets, Problems: problems, Done: true}, false)
}

// paceBurst is what is read at once, in octets: the largest piece that is asked for.
const paceBurst = 64 << 10

func verified(f badger.Finding) Verified {
	v := Verified{Problem: string(f.Problem), File: f.File, Held: f.Held}
	if !f.ID.Zero() {
		v.ID = f.ID.String()
	}
	if f.Err != nil {
		v.Text = mail.Printable(f.Err.Error(), 500)
	}
	return v
}

// Verify compares files and records, and yields what is wrong, and how far it has come.
func (c *Client) Verify(ctx context.Context, q VerifyRequest) iter.Seq2[Verified, error] {
	return many[Verified](ctx, c, "/v1/queue/verify", q)
}
