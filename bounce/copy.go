package bounce

import (
	"context"

	"mailretr/store/mail"
)

// whyCopy is why the sender does not hear of a copy.
const whyCopy = "it was one of several destinations of this address, and the sender hears of the first one only"

// ReportCopy makes what tells the postmaster of recipients that failed at a destination which got a copy only: the
// sender hears from the record of the first destination. The report has the whole message, as with [Reporter.Report].
// No messages and no error mean that nobody may be told.
func (r *Reporter) ReportCopy(ctx context.Context, m *mail.Message, rep mail.Report) ([]*mail.Message, error) {
	a, err := r.about(ctx, Unreturned, m, rep, func(x mail.Result) bool { return x.Outcome != mail.Delivered })
	if a == nil {
		return nil, err
	}
	a.why = whyCopy
	return r.redirect(a, r.Postmaster)
}
