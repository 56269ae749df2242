package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"mailretr/test/real"
)

// A ground is where programs are compared: a Dovecot, a line to it that counts, and a recording MTA. Each program gets a
// ground of its own.
type ground struct {
	*bench
	d    *real.Dovecot
	line *real.Line
	sink *real.Sink
	place
}

// A plot says what a ground is like.
type plot struct {
	imap, tls, keep bool
	delay           time.Duration // of a round trip
	extra           string        // of Dovecot's configuration
	take            func(real.Taken) string
}

// ground makes one; end takes it away.
func (b *bench) ground(x plot) *ground {
	g := &ground{bench: b, d: real.StartDovecotAs(b, real.Setup{RSA: true, Extra: x.extra})}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	port := map[[2]bool]int{{false, false}: g.d.POP3, {false, true}: g.d.POP3S, {true, false}: g.d.IMAP, {true, true}: g.d.IMAPS}
	g.line = real.StartLine(b, port[[2]bool{x.imap, x.tls}], x.delay)
	g.sink = real.StartSink(b, true, x.take)
	g.place = place{dir: dir, user: "jaco", port: g.line.Port, mta: g.sink.Port, row: row{imap: x.imap}, tls: x.tls, keep: x.keep,
		ca: g.d.CAFile}
	g.d.User(g.user)
	return g
}

// once waits for a program that runs once, at most so long, and until its connections are closed. It returns what has
// crossed the line; ended is false where the program had to be stopped.
func (g *ground) once(limit time.Duration, start func(*bench, place) *exec.Cmd) (octets int64, ended bool) {
	before := g.line.Octets()
	cmd := start(g.bench, g.place)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
		ended = true
	case <-time.After(limit):
		cmd.Process.Kill()
		<-done
	}
	real.Wait(g, 10*time.Second, "the end of all connections", g.line.Idle)
	return g.line.Octets() - before, ended
}

// stop ends a daemon and waits until its connections are closed.
func (g *ground) stop(cmd *exec.Cmd) {
	finish(g.bench, cmd)
	real.Wait(g, 10*time.Second, "the end of all connections", g.line.Idle)
}

// said returns the last lines that a program wrote, for a failure.
func (g *ground) said(name string) string {
	b, _ := os.ReadFile(fmt.Sprintf("%s/%s.log", g.dir, name))
	return string(b[max(len(b)-500, 0):])
}
