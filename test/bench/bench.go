package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"mailretr/test/real"
)

// A row is one measurement. Rates are messages per second.
type row struct {
	name     string
	messages int
	size     int           // octets of each
	delay    time.Duration // round trip of the line
	quick    bool          // the MTA's kernel acknowledges at once
	exim     bool          // real Exim, queue_only, instead of the recording MTA
	second   bool          // the maildrop's second session is measured
	imap     bool
	one      bool    // one connection to the MTA
	reach    float64 // ratio to reach
	sample   int     // fetchmail gets only so many messages: its rate is constant, and it would take minutes
	once     bool
}

var rows = []row{
	{name: "5,000 x 5 KB, no latency, quick ACKs", messages: 5000, size: 5000, quick: true, reach: 1.5},
	{name: "5,000 x 5 KB, no latency, quick ACKs, IMAP", messages: 5000, size: 5000, quick: true, imap: true, reach: 1.5},
	{name: "5,000 x 5 KB, no latency, delayed ACKs", messages: 5000, size: 5000, reach: 20, sample: 300},
	{name: "1,000 x 5 KB into Exim, queue_only, one connection", messages: 1000, size: 5000, exim: true, one: true, reach: 6, sample: 200, once: true},
	{name: "500 x 5 KB, 50 ms, second session, POP3", messages: 500, size: 5000, delay: 50 * time.Millisecond, quick: true, second: true, reach: 100, sample: 40},
	{name: "500 x 5 KB, 50 ms, second session, IMAP", messages: 500, size: 5000, delay: 50 * time.Millisecond, quick: true, second: true, imap: true, reach: 100, sample: 40},
	{name: "100 MB, POP3", messages: 1, size: 100 << 20, quick: true, reach: 0},
	{name: "100 MB, IMAP", messages: 1, size: 100 << 20, quick: true, imap: true, reach: 0},
}

// A result holds what both have reached.
type result struct {
	theirs, ours run
}

// A run is one program's.
type run struct {
	messages int
	wall     time.Duration
	cpu      time.Duration
	rss      int64 // octets, peak
}

func (r run) rate() float64 { return float64(r.messages) / r.wall.Seconds() }

func (r result) ratio() float64 { return r.ours.rate() / r.theirs.rate() }

// reached says whether the ratio is what it is to be.
func (r result) reached(row row) bool { return row.reach == 0 || r.ratio() >= row.reach }

func (r result) line(row row) string {
	reached := "-"
	if row.reach > 0 {
		reached = yes(r.reached(row))
	}
	perMessage := func(x run) string {
		return fmt.Sprintf("%.0f µs", float64(x.cpu.Microseconds())/float64(x.messages))
	}
	return fmt.Sprintf("%s\t%.1f/s\t%.1f/s\t%.2f\t%.1f\t%s\t%s\t%s\t%.1f MB", row.name, r.theirs.rate(), r.ours.rate(), r.ratio(),
		row.reach, reached, perMessage(r.theirs), perMessage(r.ours), float64(r.ours.rss)/(1<<20))
}

// A bench is the test bed of one program run; it stands in for testing.TB.
type bench struct {
	program  string
	cleanups []func()
	starting sync.Mutex // held where programs are started side by side
}

func (b *bench) Helper()                           {}
func (b *bench) Cleanup(f func())                  { b.cleanups = append(b.cleanups, f) }
func (b *bench) Logf(format string, args ...any)   { log.Printf(format, args...) }
func (b *bench) Fatalf(format string, args ...any) { b.end(); log.Fatalf(format, args...) }

func (b *bench) end() {
	for len(b.cleanups) > 0 {
		last := len(b.cleanups) - 1
		f := b.cleanups[last]
		b.cleanups = b.cleanups[:last]
		f()
	}
}

func (b *bench) row(r row) result {
	defer b.end()
	theirs := r
	if r.sample > 0 {
		theirs.messages = r.sample
	}
	return result{theirs: b.measure(theirs, b.fetchmail), ours: b.measure(r, b.mailretr)}
}

// A place is where one measurement happens.
type place struct {
	dir, user string
	port      int // of the maildrop, behind the line
	mta       int
	row       row
	tls       bool   // the port wants TLS at once
	ca        string // file of the certificate
	keep      bool   // nothing is deleted upstream
	maildir   bool   // peers that can deliver to a Maildir instead of the MTA
	top, drop string // more settings of mailretr: of the daemon, as YAML; of the maildrop, as ", key: value"
}

// measure fills a maildrop, starts a program and waits for the last message at the MTA.
func (b *bench) measure(r row, start func(place) *exec.Cmd) run {
	defer b.end()
	d := real.StartDovecot(b)
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	port := d.POP3
	if r.imap {
		port = d.IMAP
	}
	p := place{dir: dir, user: "jaco", row: r, port: real.StartLine(b, port, r.delay).Port}
	if r.delay == 0 {
		p.port = port
	}
	taken := b.mta(r, &p)
	if r.second { // the first session has one message: what the server can is known afterwards
		d.Put(p.user, message(0, 500))
		cmd := start(p)
		real.Wait(b, time.Minute, "the first session", func() bool { return taken() == 1 && d.Count(p.user) == 0 })
		finish(b, cmd)
	}
	before := taken()
	for i := range r.messages {
		d.Put(p.user, message(i+1, r.size))
	}
	syscall.Sync() // neither pays for the other's, or for our, dirty pages
	began := time.Now()
	cmd := start(p)
	real.Wait(b, 5*time.Minute, "all messages at the MTA", func() bool { return taken()-before >= r.messages })
	wall := time.Since(began)
	real.Wait(b, time.Minute, "an empty maildrop", func() bool { return d.Count(p.user) == 0 })
	rss := peak(cmd.Process.Pid)
	usage := finish(b, cmd)
	return run{messages: r.messages, wall: wall, rss: rss,
		cpu: time.Duration(usage.Utime.Nano() + usage.Stime.Nano())}
}

// mta starts what takes the mail, and returns how many it has taken.
func (b *bench) mta(r row, p *place) func() int {
	if r.exim {
		e := real.StartExim(b, real.Rules{Main: "queue_only = true\nsmtp_accept_queue_per_connection = 0\n"})
		p.mta = e.Port
		var last time.Time
		n := 0
		return func() int { // each look reads a directory of thousands, and takes time from who is measured
			if time.Since(last) > 100*time.Millisecond {
				n, last = e.Queued(), time.Now()
			}
			return n
		}
	}
	s := real.StartSink(b, r.quick, nil)
	p.mta = s.Port
	return func() int { return int(s.Sum.Messages.Load()) }
}

// finish ends a program and returns what it has used.
func finish(b *bench, cmd *exec.Cmd) *syscall.Rusage {
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); cmd.ProcessState == nil {
		b.Fatalf("%v", err)
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage)
}

// peak reads the peak of a process's resident memory, in octets; 0 where it has ended. What wait4 tells is no use: it counts
// the memory of the parent too, which the child shares until its exec.
func peak(pid int) int64 { return status(pid, "VmHWM:") }

// status reads a figure of a process, in octets.
func status(pid int, key string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), key)
	var kb int64
	fmt.Sscanf(rest, "%d", &kb)
	return kb << 10
}

func message(i, size int) []byte {
	head := fmt.Sprintf("Return-Path: <sender@example.org>\r\nFrom: <sender@example.org>\r\nTo: <jaco@kroon.co.za>\r\n"+
		"Subject: %d\r\nMessage-ID: <%d@example.org>\r\n\r\n", i, i)
	line := strings.Repeat("x", 70) + "\r\n"
	return append([]byte(head), bytes.Repeat([]byte(line), max(size-len(head), 0)/len(line)+1)...)
}

func (b *bench) launch(p place, name, path string, args ...string) *exec.Cmd {
	out, err := os.Create(filepath.Join(p.dir, name+".log"))
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { out.Close() })
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatalf("starting %s: %v", name, err)
	}
	return cmd
}
