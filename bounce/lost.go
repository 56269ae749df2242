package bounce

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mailretr/store/mail"
)

// Lost makes the message that tells the postmaster of mail whose octets we have lost (its spool file is missing or
// damaged): what is known of it is its envelope and origin. The sender gets no DSN: somebody may find the file, and
// the message is held until then. Without a postmaster there is no message; the queue's alarm stands alone.
func (r *Reporter) Lost(_ context.Context, m *mail.Message, cause error) ([]*mail.Message, error) {
	if r.Postmaster.Null() {
		return nil, nil
	}
	now := r.now()
	var b strings.Builder
	for _, l := range []line{
		{"Date", now.Format(time.RFC1123Z)},
		{"From", mailbox(r.Name, r.From)},
		{"To", mailbox("", r.Postmaster)},
		{"Subject", "A message in the queue was lost"},
		{"Message-ID", "<" + strings.ToLower(mail.NewID(now, r.Random).String()) + "@" + r.Host + ">"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834, 5
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "8bit"},
	} {
		b.Write(fold(l.name, l.value))
	}
	fmt.Fprintf(&b, "\r\nThe file of a message in the queue of %s is missing or damaged:\r\n\r\n  %s\r\n\r\n"+
		"What is known of it:\r\n\r\n  queue id   %s\r\n  queued     %s\r\n  from       %s\r\n",
		r.Host, mail.Printable(cause.Error(), 400), m.ID, m.Queued.Format(time.RFC1123Z), m.Envelope.Reverse)
	for _, to := range m.Envelope.Recipients[:min(len(m.Envelope.Recipients), 100)] {
		fmt.Fprintf(&b, "  to         %s\r\n", to.Forward)
	}
	if m.Origin.Maildrop != "" {
		fmt.Fprintf(&b, "  maildrop   %s, UID %s\r\n", mail.Printable(m.Origin.Maildrop, 200),
			mail.Printable(string(m.Origin.UID), 200))
	}
	b.WriteString("\r\nIt is held and not attempted. If a backup has the file, put it back and say: mailretr queue release ID.\r\n" +
		"If not, ask the sender to send it again, then say: mailretr queue remove ID.\r\n")
	return []*mail.Message{{
		Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: r.Postmaster}}},
		Content:  mail.Text(b.String()),
		Parent:   m.ID,
	}}, nil
}
