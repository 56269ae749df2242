package relay

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"mailretr/store/mail"
)

// deliver makes one attempt. A panic below it is a deferral: one bad message must not take the daemon, and with it
// everybody's mail, down again and again.
func deliver(ctx context.Context, to mail.Deliverer, m *mail.Message) (report mail.Report) {
	defer func() {
		if p := recover(); p != nil {
			report = mail.Same(len(m.Envelope.Recipients), mail.Result{
				Reply: "internal error, see the log",
				Err:   fmt.Errorf("panic: %v\n%s", p, debug.Stack()),
			})
		}
	}()
	return to.Deliver(ctx, m)
}

// ended says whether an error is the end of the session, and not of one message only.
func ended(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return true
	}
	var t *mail.Trouble
	return errors.As(err, &t) && !t.Alone && t.Kind != mail.NoEnvelope
}
