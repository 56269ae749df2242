//go:build interop

package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/test/real"
)

// number reads a setting of the soak from the environment.
func number(name string, fallback int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return fallback
}

// A crashing says how mail flows while the daemon is killed.
type crashing struct {
	name, protocol string
	after          string // as the configuration has it
	share          int    // of the messages: one in so many
	cut            bool   // the line is slow and is cut again and again, also in the middle of large bodies
	resumed        bool   // bodies are gone on with, so that next to nothing crosses the line twice
}

var crashes = []crashing{
	{name: "pop3", protocol: "pop3", after: "delete", share: 1},
	{name: "imap", protocol: "imap", after: "delete", share: 1},
	{name: "pop3 kept and cut", protocol: "pop3", after: "keep", share: 8, cut: true},
	{name: "imap kept and cut", protocol: "imap", after: "keep", share: 8, cut: true, resumed: true},
	{name: "imap moved and cut", protocol: "imap", after: "{move: Done}", share: 8, cut: true, resumed: true},
}

const (
	crashUsers       = 4
	crashConnections = 4
)

// TestCrash kills the daemon with SIGKILL at random moments while 2,000 messages of mixed size flow from Dovecot to a
// recording MTA. Every message arrives, byte for byte, and was collected once: duplicates are at most one per SMTP
// connection and kill, and come out of the queue under one id. It does so with mail that is deleted, kept and moved, and,
// with less mail, over a slow line that is cut too, where bodies are gone on with.
// MAILRETR_KILLS sets the number of kills (test/soak: 200).
func TestCrash(t *testing.T) {
	for _, x := range crashes {
		t.Run(x.name, func(t *testing.T) { x.run(t, number("MAILRETR_KILLS", 10)) })
	}
}

// inTheMiddle is a request for the rest of a body.
var inTheMiddle = regexp.MustCompile(`FETCH .*\]<[1-9]`)

func (x crashing) run(t *testing.T, kills int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	b := x.lay(t)
	total := number("MAILRETR_MESSAGES", 2000) / x.share
	for kill := range kills {
		for u := range crashUsers { // a share of the mail before each life
			share := total / crashUsers / kills
			if kill == kills-1 {
				share = total/crashUsers - share*(kills-1)
			}
			b.fillMore(b.d, fmt.Sprintf("u%d", u), share, seed+uint64(kill*crashUsers+u))
		}
		life := 1500
		if x.cut {
			life = 2500 // the queue notes once a second how much of a body is there
			b.put(b.d, fmt.Sprintf("u%d", kill%crashUsers), 2<<20, seed+uint64(kill))
			b.line.CutAfter(400<<10 + random.Int64N(1<<20))
		}
		b.p.serve()
		time.Sleep(time.Duration(random.IntN(life)) * time.Millisecond) // the random moment
		b.p.kill()
	}
	b.line.CutAfter(0)
	b.line.Limit(0)
	b.p.serve()
	x.arrives(b, kills)
}

// A crashBed counts the bodies that were gone on with.
type crashBed struct {
	*bed
	goneOn atomic.Int64
}

// lay makes a Dovecot with users, a line to it, and a program with a maildrop of each.
func (x crashing) lay(t *testing.T) *crashBed {
	b := &crashBed{bed: &bed{ledger: newLedger(t), d: real.StartDovecot(t)}}
	b.sink = real.StartSink(t, false, b.take)
	b.line = real.StartLine(t, map[string]int{"pop3": b.d.POP3, "imap": b.d.IMAP}[x.protocol], 0)
	b.line.Watch(func(up bool, octets []byte) {
		if up && inTheMiddle.Match(octets) {
			b.goneOn.Add(1)
		}
	})
	if x.cut {
		b.line.Limit(1 << 20)
	}
	conf := fmt.Sprintf("deliver: {smtp: \"127.0.0.1:%d\", connections: %d}\n", b.sink.Port, crashConnections) +
		"bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}\n" +
		"queue: {retry: [1s]}\npoll: 1s\nmaildrops:\n"
	for u := range crashUsers {
		name := fmt.Sprintf("u%d", u)
		b.d.User(name)
		conf += fmt.Sprintf("  - {name: %[1]s, url: \"%[2]s://%[1]s@localhost:%[3]d\", tls: none, password: {file: @DIR@/pass}, "+
			"to: %[1]s@kroon.co.za, after: %[4]s}\n", name, x.protocol, b.line.Port, x.after)
	}
	b.p = newProgram(t, conf)
	return b
}

// arrives waits until everything is at the MTA and the maildrops are as the policy wants them, and judges.
func (x crashing) arrives(b *crashBed, kills int) {
	t := b.t
	eventually(t, time.Minute, "a daemon that serves", b.p.serves)
	for u := range crashUsers {
		name := fmt.Sprintf("u%d", u)
		if x.cut && x.protocol == "pop3" { // where cut bodies, and others of their size, wait for a better line
			b.p.run("poll", name)
			b.hasten(name)
			b.p.run("poll", name)
		}
	}
	eventually(t, 3*time.Minute, "all messages at the MTA", func() bool { return b.missing() == 0 })
	inbox, done := map[string]int{"delete": 0, "keep": len(b.given), "{move: Done}": 0}[x.after], 0
	if x.after == "{move: Done}" {
		done = len(b.given)
	}
	eventually(t, time.Minute, fmt.Sprintf("%d messages in the maildrops, %d moved", inbox, done), func() bool {
		n, moved := 0, 0
		for u := range crashUsers {
			n += b.d.Count(fmt.Sprintf("u%d", u))
			moved += b.d.Count(filepath.Join(fmt.Sprintf("u%d", u), ".Done"))
		}
		return n == inbox && moved == done
	})
	if out, talk, code := b.p.run("poll"); code != 0 {
		t.Errorf("a poll when all is done: %d %s%s", code, out, talk)
	}
	if err := b.p.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	b.judge(kills * crashConnections)
	b.once()
	octets, size := b.line.Octets(), b.octets()
	t.Logf("%d octets of mail cost %d on the line: %.3f; gone on with %d times", size, octets,
		float64(octets)/float64(size), b.goneOn.Load())
	// A kill costs what came and was not committed: at most a second of the line in each of two large slots.
	most := 1.05*float64(size) + float64(kills)*(2<<20)
	if x.resumed && (float64(octets) > most || b.goneOn.Load() == 0) {
		t.Errorf("%d octets crossed the line, %.0f at most are wanted; gone on with %d times", octets, most, b.goneOn.Load())
	}
}
