package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"mailretr/test/real"
)

// What crosses the line, TLS and commands included. The figures are exact, so one round is enough.

const once = time.Minute // for a program that runs once

// An empty poll: nothing is new, in a maildrop that was collected before.
func (b *bench) emptyPoll(kept int, imap bool, most float64) chart {
	c := chart{lowest: true, most: most, unit: "octets"}
	for _, p := range peers {
		if !p.speaks(imap) {
			continue
		}
		if p.name == "getmail6" && kept > 0 {
			c.note("getmail6 is left out: it starts a program for each of the messages first, and gives up")
			continue
		}
		g := b.ground(plot{imap: imap, tls: true, keep: kept > 0})
		g.fill(kept)
		g.maildir = true
		g.once(5*time.Minute, p.start)
		if n, _ := g.once(once, p.start); n > 0 {
			c.add(p.name, float64(n))
		} else { // its first run was ended, and has left a lock
			c.note("%s is left out: it asked nothing, since it did not come to the end of its first collection", p.name)
		}
		b.end()
	}
	c.add("mailretr", b.emptyDaemon(kept, imap))
	c.add("mailretr poll", b.emptyOnce(kept, imap))
	return c
}

// emptyDaemon is the mean of three polls of a daemon, after some.
func (b *bench) emptyDaemon(kept int, imap bool) float64 {
	defer b.end()
	g := b.ground(plot{imap: imap, tls: true, keep: kept > 0})
	g.fill(kept)
	g.top = "poll: 1s"
	cmd := b.mailretr(g.place)
	g.sink.Until(b, int64(kept), 5*time.Minute)
	base := g.line.Sessions() + 4
	var from, to int64
	real.Wait(b, time.Minute, "polls: "+g.said("mailretr"), func() (ok bool) { to, ok = g.line.OfSessions(base + 3); return ok })
	from, _ = g.line.OfSessions(base)
	g.stop(cmd)
	return float64(to-from) / 3
}

// emptyOnce is the third run of `mailretr poll` without a daemon.
func (b *bench) emptyOnce(kept int, imap bool) float64 {
	defer b.end()
	g := b.ground(plot{imap: imap, tls: true, keep: kept > 0})
	g.fill(kept)
	var n int64
	for range 4 {
		n, _ = g.once(5*time.Minute, (*bench).mailretrOnce)
	}
	return float64(n)
}

// fill puts so many small messages into the maildrop.
func (g *ground) fill(n int) {
	for i := range n {
		g.d.Put(g.user, message(i, 300))
	}
}

// collecting collects everything once, by each program, and counts; as a multiple of the messages' own octets.
func (b *bench) collecting(x plot, text func(i int) []byte, n int, most float64) chart {
	c := chart{lowest: true, most: most, unit: "x"}
	fill := func(g *ground) (sum float64) {
		for i := range n {
			m := text(i)
			sum += float64(len(m))
			g.d.Put(g.user, m)
		}
		return sum
	}
	for _, p := range peers {
		if !p.speaks(x.imap) {
			continue
		}
		g := b.ground(x)
		sum := fill(g)
		octets, _ := g.once(5*time.Minute, p.start)
		switch {
		case p.name == "fetchmail" && !x.imap && !x.tls: // by TLS each of its turns is two records, and it has more of all
			// 24 octets a message, which is all that mailretr has more. They are the price of "collected once": the
			// mark of a message has to be durable before it is deleted, so its name has to be known before it is
			// fetched; and a message number names another message in the next session.
			c.less("fetchmail, which asks for no unique-ids: what a cut leaves is collected again", float64(octets)/sum)
		case p.name == "mbsync":
			c.less("mbsync, which deletes nothing", float64(octets)/sum)
		case g.d.Count(g.user) > 0:
			c.less(p.name+", which did not come to the end", float64(octets)/sum)
		default:
			c.add(p.name, float64(octets)/sum)
		}
		b.end()
	}
	ours := func(keep bool) float64 {
		defer b.end()
		g := b.ground(x)
		g.keep = keep
		sum := fill(g)
		cmd := b.mailretr(g.place)
		g.sink.Until(b, int64(n), 5*time.Minute)
		real.Wait(b, 5*time.Minute, "the end of the session: "+g.said("mailretr"), func() bool {
			return (keep || g.d.Count(g.user) == 0) && g.line.Idle()
		})
		g.stop(cmd)
		return float64(g.line.Octets()) / sum
	}
	c.add("mailretr", ours(false))
	if x.imap {
		kept := ours(true)
		c.less("and if it deletes nothing either", kept)
		i := slices.IndexFunc(c.figures, func(f figure) bool { return strings.HasPrefix(f.who, "mbsync") })
		c.want("without deletions lower than mbsync", kept < c.figures[i].much)
	}
	return c
}

// mixed is one of 300 messages as people have them: most are short, one in fifteen has something attached.
func mixed(i int) []byte {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	switch {
	case i%15 == 0:
		return noise(i, 100_000+r.IntN(200_000))
	case i%4 == 0:
		return prose(i, 10_000+r.IntN(40_000))
	}
	return prose(i, 1_500+r.IntN(5_000))
}

// noise is a message of base64, which hardly compresses.
func noise(i, size int) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	r := rand.New(rand.NewPCG(uint64(i), 2))
	m := message(i, 0)
	for len(m) < size {
		var line [76]byte
		for k := range line {
			line[k] = alphabet[r.IntN(64)]
		}
		m = append(append(m, line[:]...), "\r\n"...)
	}
	return m
}

// licences is English prose that every Debian has.
var licences = func() (all []string) {
	list, _ := filepath.Glob("/usr/share/common-licenses/*")
	for _, path := range list {
		if i, err := os.Lstat(path); err == nil && i.Mode().IsRegular() {
			b, _ := os.ReadFile(path)
			all = append(all, strings.Split(string(b), "\n")...)
		}
	}
	return all
}()

// prose is a message of text, cut out of the licences somewhere.
func prose(i, size int) []byte {
	r := rand.New(rand.NewPCG(uint64(i), 3))
	m := message(i, 0)
	for at := r.IntN(len(licences)); len(m) < size; at++ {
		m = append(append(m, licences[at%len(licences)]...), "\r\n"...)
	}
	return m
}

// refused: the MTA refuses the sender of a 5 MB message at RCPT. Two polls, because some peers ask again at each.
func (b *bench) refused(imap bool) chart {
	c := chart{lowest: true, most: 0.002, unit: "x"}
	m := noise(1, 5_000_000)
	lay := func() *ground {
		g := b.ground(plot{imap: imap})
		g.sink.Refuse("sender@example.org")
		g.d.Put(g.user, m)
		return g
	}
	for _, p := range peers {
		if !p.speaks(imap) || p.name == "mbsync" { // which delivers to no MTA
			continue
		}
		g := lay()
		for range 2 {
			g.once(once, p.start)
		}
		c.add(p.name, float64(g.line.Octets())/float64(len(m)))
		b.end()
	}
	g := lay()
	defer b.end()
	cmd := b.mailretr(g.place)
	g.sink.Until(b, 1, time.Minute) // the bounce
	real.Wait(b, time.Minute, "an empty maildrop", func() bool { return g.d.Count(g.user) == 0 })
	g.stop(cmd)
	g.once(once, (*bench).mailretrOnce)
	c.add("mailretr", float64(g.line.Octets())/float64(len(m)))
	return c
}

// deferred: the MTA says 451 to a 4 MB message five times, then takes it. The peers need six
// polls; mailretr needs one, and five more are said beside it. By TLS that is a session of a maildrop that was visited before,
// as all are but the first, whose handshake is resumed; the first one is said beside it.
func (b *bench) deferred(imap, tls bool, most float64) chart {
	c := chart{lowest: true, most: most, unit: "x"}
	m := noise(1, 4_000_000)
	lay := func() *ground {
		var tries atomic.Int64
		g := b.ground(plot{imap: imap, tls: tls, take: func(t real.Taken) string {
			if len(t.Octets) > len(m)/2 && tries.Add(1) <= 5 {
				return "451 4.3.0 Zip module failure"
			}
			return ""
		}})
		return g
	}
	for _, p := range peers {
		if !p.speaks(imap) || p.name == "mbsync" {
			continue
		}
		g := lay()
		g.d.Put(g.user, m)
		for range 6 {
			g.once(once, p.start)
		}
		needed := float64(g.line.Octets()) / float64(len(m))
		if g.sink.Sum.Messages.Load() == 0 {
			c.less(p.name+", by which it never arrived", needed)
		} else {
			c.add(p.name, needed)
		}
		b.end()
	}
	if !tls {
		c.add("mailretr", lay().deferredOurs(m, false, &c))
		return c
	}
	c.less("mailretr, the first session of all", lay().deferredOurs(m, false, &c))
	c.add("mailretr", lay().deferredOurs(m, true, &c))
	return c
}

// deferredOurs counts what a daemon needs for the message, where the maildrop was visited before or not.
func (g *ground) deferredOurs(m []byte, visited bool, c *chart) float64 {
	defer g.bench.end()
	var before, messages int64
	gone := func() bool { return g.d.Count(g.user) == 0 && g.line.Idle() }
	if visited {
		g.d.Put(g.user, message(0, 500))
		g.once(once, (*bench).mailretrOnce)
		before, messages = g.line.Octets(), g.sink.Sum.Messages.Load()
	}
	g.top = "queue: {retry: [1s]}"
	g.d.Put(g.user, m)
	var r records
	g.line.Watch(r.see)
	cmd := g.bench.mailretr(g.place)
	g.sink.Until(g, messages+1, time.Minute)
	real.Wait(g, time.Minute, "an empty maildrop", gone)
	g.stop(cmd)
	share := func(octets int64) float64 { return float64(octets) / float64(len(m)) }
	needed := g.line.Octets() - before
	if g.tls {
		c.note("of it the %d records in which the server sends take %.4f x; without them it is %.4f x", r.n, share(int64(r.cost())),
			share(needed-int64(r.cost())))
	}
	for range 5 {
		g.once(once, (*bench).mailretrOnce)
	}
	c.note("with five empty polls more, which deliver nothing: %.4f x", share(g.line.Octets()-before))
	return share(needed)
}

// compress is what Dovecot needs to offer COMPRESS=DEFLATE.
const compress = "protocol imap {\n  mail_plugins = zlib imap_zlib\n}\n"

var octetRows = []section{
	{"octets: an empty poll by TLS, POP3, empty maildrop", func(b *bench) chart { return b.emptyPoll(0, false, 1420) }},
	{"octets: an empty poll by TLS, IMAP, empty maildrop", func(b *bench) chart { return b.emptyPoll(0, true, 2500) }},
	{"octets: an empty poll by TLS, POP3, 10,000 kept", func(b *bench) chart { return b.emptyPoll(10_000, false, 2000) }},
	{"octets: an empty poll by TLS, IMAP, 10,000 kept", func(b *bench) chart { return b.emptyPoll(10_000, true, 2500) }},
	{"octets: 300 mixed messages, POP3", func(b *bench) chart { return b.collecting(plot{}, mixed, 300, 0) }},
	{"octets: 300 mixed messages, POP3 by TLS", func(b *bench) chart { return b.collecting(plot{tls: true}, mixed, 300, 0) }},
	{"octets: 300 mixed messages, IMAP", func(b *bench) chart { return b.collecting(plot{imap: true}, mixed, 300, 0) }},
	{"octets: 5 MB refused at RCPT, two polls, POP3", func(b *bench) chart { return b.refused(false) }},
	{"octets: 5 MB refused at RCPT, two polls, IMAP", func(b *bench) chart { return b.refused(true) }},
	{"octets: 4 MB deferred five times, POP3", func(b *bench) chart { return b.deferred(false, false, 1.001) }},
	{"octets: 4 MB deferred five times, IMAP", func(b *bench) chart { return b.deferred(true, false, 1.001) }},
	{"octets: 4 MB deferred five times, POP3 by TLS", func(b *bench) chart { return b.deferred(false, true, 1.006) }},
	{"octets: 4 MB deferred five times, IMAP by TLS", func(b *bench) chart { return b.deferred(true, true, 1.006) }},
	{"octets: 300 texts of 8 KB, IMAP with COMPRESS", func(b *bench) chart {
		return b.collecting(plot{imap: true, extra: compress}, func(i int) []byte { return prose(i, 8000) }, 300, 0.34)
	}},
}
