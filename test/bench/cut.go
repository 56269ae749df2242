package main

import (
	"os/exec"
	"strings"
	"time"
)

// A line that is cut: each connection ends when it has brought 3 MB, and a message has 10.

const cutAfter = 3_000_000

func (b *bench) cutLine(imap bool) chart {
	c := chart{unit: "x"}
	m := noise(1, 10_000_000)
	lay := func() *ground {
		g := b.ground(plot{imap: imap})
		g.line.CutAfter(cutAfter)
		g.d.Put(g.user, m)
		return g
	}
	share := func(g *ground) float64 { return float64(g.line.Octets()) / float64(len(m)) }
	for _, p := range peers {
		if !p.speaks(imap) {
			continue
		}
		g := lay()
		g.maildir = true
		note := ", five runs"
		for range 5 {
			if _, ended := g.once(20*time.Second, p.start); !ended {
				note += ", a run goes on and on"
				break
			}
		}
		if g.d.Count(g.user) > 0 && (p.name != "mbsync" || !g.hasNear()) {
			note += ": never arrives"
		}
		c.add(p.name+note, share(g))
		b.end()
	}
	g := lay()
	defer b.end()
	g.top = "poll: 1s"
	cmd := b.mailretr(g.place)
	limit := 90 * time.Second
	whole := within(limit, func() bool { return g.sink.Sum.Messages.Load() > 0 && g.d.Count(g.user) == 0 })
	status, _ := exec.Command(b.program, "--config", g.dir+"/mailretr.yaml", "--color", "never", "status").CombinedOutput()
	sessions := g.line.Sessions()
	g.stop(cmd)
	c.add("mailretr", share(g))
	c.note("mailretr: %d sessions; status: %s", sessions, strings.Join(strings.Fields(string(status)), " "))
	if imap {
		c.want("it arrives", whole)
		c.most = 1.01
	} else {
		c.note("by POP3 it cannot arrive; what is wasted within %v is bounded by the rule in fetch/cut.go", limit)
	}
	return c
}

// hasNear says whether a whole message is in a peer's Maildir.
func (g *ground) hasNear() bool {
	out, _ := exec.Command("find", g.dir+"/near", "-type", "f", "-size", "+9M", "-not", "-path", "*/tmp/*").Output()
	return len(out) > 0
}

// within waits at most so long for something that may never be.
func within(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}

var cutRows = []section{
	{"cut line: 10 MB over a line that is cut every 3 MB, IMAP", func(b *bench) chart { return b.cutLine(true) }},
	{"cut line: 10 MB over a line that is cut every 3 MB, POP3", func(b *bench) chart { return b.cutLine(false) }},
}
