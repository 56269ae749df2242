package store_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

func text(n int) mail.Text {
	var b bytes.Buffer
	b.WriteString("From: a@example.org\r\nSubject: text\r\nReceived: from a by b;\r\n\tMon, 2 Mar 2026\r\n\r\n")
	for b.Len() < n {
		b.WriteString("The quick brown fox jumps over the lazy dog, sixty octets.\r\n")
	}
	return b.Bytes()
}

// BenchmarkThrough is one message of 5 KB in, durable in batches of 128, and out, each result durable
// before the next; by one and by four sessions.
func BenchmarkThrough(b *testing.B) {
	body := text(5 << 10)
	for _, sessions := range []int{1, 4} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			q := &store.Queue{Engine: engines["badger"](b)}
			b.ReportAllocs()
			b.ResetTimer()
			batch := q.Batch()
			for i := range b.N {
				m := &mail.Message{
					Origin: mail.Origin{Maildrop: "jaco", Account: "00000000000000000000000000000000",
						UID: mail.UID(fmt.Sprint(i))},
					Envelope: mail.Envelope{Reverse: "a@example.org",
						Recipients: []mail.Recipient{{Forward: "jaco@example.net"}}},
					Content: body,
				}
				if err := batch.Add(b.Context(), m); err != nil {
					b.Fatal(err)
				}
				if i%128 == 127 || i == b.N-1 {
					for _, r := range batch.Commit(b.Context()) {
						if !r.Done(1) {
							b.Fatal(r)
						}
					}
				}
			}
			in := b.Elapsed()
			b.ReportMetric(float64(b.N)/in.Seconds(), "in/s")
			drain(b, q, sessions)
			b.ReportMetric(float64(b.N)/(b.Elapsed()-in).Seconds(), "out/s")
		})
	}
}

func drain(b *testing.B, q *store.Queue, sessions int) {
	end := make(chan int)
	for range sessions {
		go func() {
			n := 0
			d, _ := q.Lane("default").Open(b.Context())
			defer func() { d.Close(); end <- n }()
			for m, err := range d.Messages(b.Context(), nil) {
				if err != nil {
					b.Error(err)
					return
				}
				r, err := m.Content.Open(b.Context())
				if err != nil {
					b.Error(err)
					return
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Error(err)
				}
				r.Close()
				if err := d.Settle(b.Context(), m, mail.Report{{Outcome: mail.Delivered}}); err != nil {
					b.Error(err)
					return
				}
				n++
			}
		}()
	}
	n := 0
	for range sessions {
		n += <-end
	}
	if n != b.N {
		b.Errorf("%d of %d were delivered", n, b.N)
	}
}
