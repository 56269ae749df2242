package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// benchHouse is a house on a disk of its own ($BENCH_DIR, else the place for temporary files), with a recording MTA.
func benchHouse(b *testing.B) (*house, *real.Sink) {
	b.Helper()
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "house")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	sink := real.StartSink(b, true, nil)
	c := conf.Default()
	c.Hostname, c.State = "mail.kroon.co.za", dir+"/state"
	c.Bounce.From = "mailer-daemon@kroon.co.za"
	c.Deliver = []conf.Destination{{Name: "default", Kind: "smtp", Network: "tcp", Address: fmt.Sprintf("127.0.0.1:%d", sink.Port),
		Connections: 4, TLS: conf.TLS{Mode: conf.ModeNone}, Hello: "mail.kroon.co.za"}}
	h, err := assemble(b.Context(), &c, needs{log: slog.New(slog.DiscardHandler), fatal: func(err error) { panic(err) }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.close() })
	return h, sink
}

func fillQueue(b *testing.B, h *house, n int) {
	b.Helper()
	body := mail.Text("From: <a@example.org>\r\nSubject: x\r\n\r\n" + string(bytes.Repeat([]byte("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"), 125)))
	batch := h.queue.Batch()
	for i := range n {
		m := &mail.Message{Content: body, Origin: mail.Origin{Maildrop: "jaco", Account: "a", UID: mail.UID(fmt.Sprintf("u%d", i))},
			Envelope: mail.Envelope{Reverse: "a@example.org", Recipients: []mail.Recipient{{Forward: "jaco@kroon.co.za"}}}}
		if err := batch.Add(b.Context(), m); err != nil {
			b.Fatal(err)
		}
		if i%128 == 127 || i == n-1 {
			for _, r := range batch.Commit(b.Context()) {
				if !r.Done(1) {
					b.Fatalf("%v", r)
				}
			}
		}
	}
}

// BenchmarkFill queues messages of 5 KB in batches.
func BenchmarkFill(b *testing.B) {
	h, _ := benchHouse(b)
	b.ResetTimer()
	fillQueue(b, h, b.N)
}

// BenchmarkDrain delivers a full queue over four connections.
func BenchmarkDrain(b *testing.B) {
	h, sink := benchHouse(b)
	fillQueue(b, h, b.N)
	b.ResetTimer()
	began := time.Now()
	if err := h.runner.Pass(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "messages/s")
	if got := sink.Sum.Messages.Load(); got != int64(b.N) {
		b.Fatalf("%d of %d were delivered", got, b.N)
	}
}
