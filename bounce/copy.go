package bounce

import (
	"context"
	"fmt"

	"mailretr/store/mail"
)

// whyCopy is why the sender does not hear of a copy.
const whyCopy = "it was one of several destinations of this address, and the sender hears of the first one only"

// ReportCopy makes what tells the postmaster of recipients that failed at a destination which got a copy only: the
// sender hears from the record of the first destination. The report has the whole message, as with [Reporter.Report].
// No messages and no error mean that nobody may be told.
func (r *Reporter) ReportCopy(ctx context.Context, m *mail.Message, rep mail.Report) ([]*mail.Message, error) {
	f := failure{m: m, now: r.now(), why: whyCopy}
	for i, to := range m.Envelope.Recipients {
		f.failed = append(f.failed, failed{Recipient: to, Result: rep.Of(i)})
	}
	var err error
	if f.header, err = m.Content.Header(ctx); err != nil {
		return nil, fmt.Errorf("reading the header of a message to report on: %w", err)
	}
	return r.toPostmaster(&f)
}
