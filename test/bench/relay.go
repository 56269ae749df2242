package main

import (
	"context"
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/store"
	"mailretr/store/badger"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// Out of a full queue: 20,000 messages of 5 KB wait, and go to a recording MTA over so many connections, from the first that
// it takes to the last. Postfix drains the same messages out of its own queue, on the same disk.

// relayed is how many messages wait.
var relayed = 20_000

const (
	relayedOf  = 5000
	relayLimit = 10 * time.Minute
)

func (b *bench) relaying(connections int) chart {
	c := chart{unit: "messages a second"}
	theirs := b.drain(connections, b.fullPostfix)
	ours := b.drain(connections, b.fullQueue)
	c.add("Postfix", theirs.rate())
	c.add("mailretr", ours.rate())
	c.least = theirs.rate()
	c.note("mailretr: %.0f µs of CPU for each, peak %.1f MB", float64(ours.cpu.Microseconds())/float64(relayed), float64(ours.rss)/(1<<20))
	return c
}

// drain measures one program: full fills its queue, and returns what begins to deliver. That returns what ends it, with what
// it has used.
func (b *bench) drain(connections int, full func(p place, connections int) func() func() run) run {
	defer b.end()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	var mu sync.Mutex
	var first time.Time
	sink := real.StartSink(b, true, func(real.Taken) string {
		mu.Lock()
		defer mu.Unlock()
		if first.IsZero() {
			first = time.Now()
		}
		return ""
	})
	start := full(place{dir: dir, mta: sink.Port}, connections)
	syscall.Sync()
	end := start()
	last := sink.Until(b, int64(relayed), relayLimit)
	r := end()
	r.messages, r.wall = relayed, last.Sub(first)
	return r
}

// fullQueue puts the messages into a state as a session does.
func (b *bench) fullQueue(p place, connections int) func() func() run {
	ctx := context.Background()
	state := filepath.Join(p.dir, "state")
	e, err := badger.Open(ctx, badger.Options{Dir: state})
	if err != nil {
		b.Fatalf("%v", err)
	}
	route := func(mail.Origin, mail.Envelope, mail.Recipient) []mail.Lane { return []mail.Lane{"default"} }
	q := &store.Queue{Engine: e, Seals: 64, Route: route}
	batch := q.Batch()
	for i := range relayed {
		m := &mail.Message{Content: relaytest.Of(message(i, relayedOf)), Envelope: mail.Envelope{
			Reverse: "sender@example.org", Recipients: []mail.Recipient{{Forward: "jaco@kroon.co.za"}}}}
		m.Origin = mail.Origin{Maildrop: "none", Account: "none", UID: mail.UID(fmt.Sprint(i))}
		if err := batch.Add(ctx, m); err != nil {
			b.Fatalf("%v", err)
		}
		if i%128 != 127 && i != relayed-1 {
			continue
		}
		for _, r := range batch.Commit(ctx) {
			if !r.Done(1) {
				b.Fatalf("%v", r)
			}
		}
	}
	if err := e.Close(); err != nil {
		b.Fatalf("%v", err)
	}
	config := filepath.Join(p.dir, "mailretr.yaml")
	text := fmt.Sprintf("hostname: mail.kroon.co.za\nstate: %s\nsocket: %s/run/s\ndeliver: {smtp: \"127.0.0.1:%d\", connections: %d}\n"+
		"bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}\nmaildrops: []\n", state, p.dir, p.mta, connections)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatalf("%v", err)
	}
	return func() func() run {
		cmd := b.launch(p, "mailretr", b.program, "--config", config, "serve")
		return func() run {
			rss := peak(cmd.Process.Pid)
			u := finish(b, cmd)
			return run{rss: rss, cpu: time.Duration(u.Utime.Nano() + u.Stime.Nano())}
		}
	}
}

// fullPostfix fills Postfix while it has no queue manager.
func (b *bench) fullPostfix(p place, connections int) func() func() run {
	f := real.StartPostfix(b, fmt.Sprintf("virtual_mailbox_domains =\nrelayhost = [127.0.0.1]:%d\n"+
		"in_flow_delay = 0\ndefault_destination_concurrency_limit = %d\nsmtp_destination_concurrency_limit = %[2]d\n"+
		"initial_destination_concurrency = %d\nsmtpd_relay_restrictions = permit_mynetworks,reject\n",
		p.mta, connections, min(connections, 5)))
	f.Manage(false)
	var fill sync.WaitGroup
	failed := make(chan error, 16)
	for w := range 16 {
		fill.Go(func() { failed <- fillBy(f.Port, w, 16) })
	}
	fill.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			b.Fatalf("%v", err)
		}
	}
	return func() func() run {
		f.Manage(true)
		return func() run { return run{} } // its processes come and go
	}
}

// fillBy sends each of-th message, beginning with the first-th, over one connection.
func fillBy(port, first, of int) error {
	c, err := smtp.Dial(fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer c.Close()
	for i := first; i < relayed; i += of {
		if err = c.Mail("sender@example.org"); err != nil {
			return err
		}
		if err = c.Rcpt("jaco@kroon.co.za"); err != nil {
			return err
		}
		w, err := c.Data()
		if err != nil {
			return err
		}
		if _, err = w.Write(message(i, relayedOf)); err != nil {
			return err
		}
		if err = w.Close(); err != nil {
			return err
		}
	}
	return c.Quit()
}

var relayRows = []section{
	{"relay: 5 KB each, from a full queue, 1 connection", func(b *bench) chart { return b.relaying(1) }},
	{"relay: 5 KB each, from a full queue, 4 connections", func(b *bench) chart { return b.relaying(4) }},
	{"relay: 5 KB each, from a full queue, 16 connections", func(b *bench) chart { return b.relaying(16) }},
	{"relay: BDAT beside DATA, one connection, Postfix", func(b *bench) chart { return b.chunking(false) }},
	{"relay: BDAT beside DATA, one connection, Exim", func(b *bench) chart { return b.chunking(true) }},
}
