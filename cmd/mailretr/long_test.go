package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/store"
	"mailretr/store/mail"
)

// longQueue serves a queue of n messages that were deferred, each with a reply, on a socket.
func longQueue(tb testing.TB, n int) {
	tb.Helper()
	ctx := context.Background()
	l := newApp(nil, nil, nil).load(ctx)
	h, err := assemble(ctx, &l.config, needs{log: slog.New(slog.DiscardHandler), fatal: func(error) {}})
	if err != nil {
		tb.Fatal(err)
	}
	now := time.Now()
	for at := 0; at < n; {
		b := &store.Batch{}
		for ; len(b.Put) < 1000 && at < n; at++ {
			b.Put = append(b.Put, longRecord(at, now))
		}
		if err := h.engine.Commit(ctx, b); err != nil {
			tb.Fatal(err)
		}
	}
	socket, err := control.Listen(l.config.Socket)
	if err != nil {
		tb.Fatal(err)
	}
	served, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- (&control.Server{House: h.controlled()}).Serve(served, socket) }()
	tb.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, h.close()); err != nil {
			tb.Error(err)
		}
	})
}

// longRecord is one message of it, without octets.
func longRecord(i int, now time.Time) store.Record {
	r := store.Record{
		ID: mail.NewID(now.Add(time.Duration(i-1e6)*time.Millisecond), nil), Lane: "default", Queued: now.Add(time.Duration(i-1e6) * time.Millisecond),
		Due: now.Add(time.Hour), Reverse: mail.Path(fmt.Sprintf("sender%d@example.org", i)), Size: int64(1000 + i), Attempts: 3, Tries: 3,
		Origin: mail.Origin{Maildrop: "plain", Account: "0123456789abcdef0123456789abcdef", UID: mail.UID(fmt.Sprintf("INBOX/1714/%d", i))},
	}
	x := store.Recipient{Recipient: mail.Recipient{Forward: mail.Path(fmt.Sprintf("jaco%d@kroon.co.za", i%50))}, Since: now, Times: 3}
	x.Last = store.Said{At: now, Enhanced: "4.3.0", Reply: fmt.Sprintf("451 4.3.0 <jaco%d@kroon.co.za>: Zip module failure, id %d", i%50, i),
		RemoteMTA: "localhost:25"}
	r.Recipients = []store.Recipient{x}
	return r
}

// linesOf runs a verb with its answer thrown away, and counts the lines.
func linesOf(tb testing.TB, args ...string) (lines int) {
	tb.Helper()
	r, w := io.Pipe()
	counted := make(chan int)
	go func() {
		n := 0
		for s := bufio.NewScanner(r); s.Scan(); n++ {
		}
		counted <- n
	}()
	if code := wired(newApp(nil, w, io.Discard)).run(context.Background(), args); code != exOK {
		tb.Errorf("%v: exit code %d", args, code)
	}
	w.Close()
	return <-counted
}

// BenchmarkQueueOf100000 is what somebody waits for who asks after a hundred thousand messages: daemon, socket and program.
func BenchmarkQueueOf100000(b *testing.B) {
	const n = 100_000
	place(b)
	longQueue(b, n)
	for _, x := range []struct {
		name  string
		args  []string
		lines int
	}{
		{"list", []string{"queue"}, n},
		{"json", []string{"queue", "--json"}, n},
		{"one", []string{"queue", "--from", "sender99999@example.org"}, 1},
		{"top", []string{"queue", "top"}, 1},
	} {
		b.Run(x.name, func(b *testing.B) {
			before := burnt()
			for b.Loop() {
				if got := linesOf(b, x.args...); got != x.lines {
					b.Fatalf("%d lines", got)
				}
			}
			b.ReportMetric((burnt()-before).Seconds()/float64(b.N), "cpu-s/op")
		})
	}
}

// burnt is the processor time of this process, which is both ends here.
func burnt() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
