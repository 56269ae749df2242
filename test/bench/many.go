package main

import (
	"fmt"
	"slices"
	"time"

	"mailretr/test/real"
)

// Many maildrops in one process.

const manyDrops = 1000

// manyConf lets Dovecot have that many sessions, and look for mail each second where the kernel has no more inotify.
const manyConf = "service imap {\n  process_limit = 1300\n}\nservice pop3 {\n  process_limit = 1300\n}\n" +
	"mailbox_idle_check_interval = 1 secs\n"

// idling: each of many maildrops has a connection that waits in its folder, by TLS.
func (b *bench) idling() chart {
	defer b.end()
	g := b.ground(plot{imap: true, tls: true, extra: manyConf})
	for i := range manyDrops - 1 {
		g.d.User(fmt.Sprintf("u%d", i))
	}
	g.top, g.drop = "limits: {per_server: 20, sessions: 20}", ", idle: true"
	return g.waiting(g.more(manyDrops-1), func(i int, m []byte) { g.d.Put(fmt.Sprintf("u%d", i*97), m) })
}

// idlingFolders: one account has many folders, and a connection for each.
func (b *bench) idlingFolders() chart {
	defer b.end()
	g := b.ground(plot{imap: true, tls: true, extra: manyConf + "mail_max_userip_connections = 1300\n"})
	for i := range manyDrops - 1 {
		g.d.PutIn(g.user, fmt.Sprintf("f%d", i), "", message(i, 500))
	}
	g.drop = `, idle: true, first: new, folders: ["*"]`
	return g.waiting("", func(i int, m []byte) { g.d.PutIn(g.user, fmt.Sprintf("f%d", i*97), "", m) })
}

// waiting measures a daemon whose connections all wait. put puts the ith of ten messages into one of the folders.
func (g *ground) waiting(more string, put func(i int, m []byte)) chart {
	b, c := g.bench, chart{unit: "MB"}
	cmd := b.mailretrWith(g.place, more)
	open := within(3*time.Minute, func() bool { return g.line.Open() >= manyDrops })
	time.Sleep(20 * time.Second) // what was used for the work is given back to the system, or is not
	rss := float64(status(cmd.Process.Pid, "VmRSS:")) / (1 << 20)
	c.add("mailretr, resident", rss)
	c.most = 80
	c.want(fmt.Sprintf("%d connections wait", manyDrops), open)
	c.note("%d connections are open", g.line.Open())
	if !open {
		g.stop(cmd)
		return c
	}
	var waits []time.Duration
	for i := range 10 {
		began, before := time.Now(), g.sink.Sum.Messages.Load()
		put(i, message(i, 2000))
		if !within(time.Minute, func() bool { return g.sink.Sum.Messages.Load() > before }) {
			break
		}
		waits = append(waits, time.Since(began))
	}
	slices.Sort(waits)
	c.want("ten new messages came", len(waits) == 10)
	if len(waits) == 10 {
		c.note("from the maildrop to the MTA, ten messages: %v in the median, %v at most; Dovecot itself looks once a second",
			waits[5].Round(time.Millisecond), waits[9].Round(time.Millisecond))
		c.want("the median within a second", waits[5] <= time.Second)
	}
	g.stop(cmd)
	return c
}

// polled: 1,000 maildrops are polled again and again over 150 ms.
func (b *bench) polled() chart {
	defer b.end()
	c := chart{unit: "MB", most: 40}
	g := b.ground(plot{delay: 150 * time.Millisecond, extra: manyConf})
	for i := range manyDrops - 1 {
		g.d.User(fmt.Sprintf("u%d", i))
	}
	g.top = "poll: 1s\nlimits: {per_server: 20, sessions: 20}"
	cmd := b.mailretrWith(g.place, g.more(manyDrops-1))
	real.Wait(b, 5*time.Minute, "the first cycle: "+g.said("mailretr"), func() bool { return g.line.Sessions() >= manyDrops })
	began := time.Now()
	real.Wait(b, 5*time.Minute, "the second cycle", func() bool { return g.line.Sessions() >= 2*manyDrops })
	cycle := time.Since(began)
	c.add("mailretr, resident", float64(status(cmd.Process.Pid, "VmRSS:"))/(1<<20))
	c.note("a cycle of %d maildrops with 20 sessions at once: %.1f s", manyDrops, cycle.Seconds())
	c.want("a cycle within 60 s", cycle <= time.Minute)
	g.stop(cmd)
	return c
}

var manyRows = []section{
	{"many: IDLE on 1,000 folders of as many accounts, by TLS", (*bench).idling},
	{"many: IDLE on 1,000 folders of one account, by TLS", (*bench).idlingFolders},
	{"many: 1,000 maildrops polled over 150 ms, POP3", (*bench).polled},
}
