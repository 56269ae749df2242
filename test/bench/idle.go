package main

import (
	"fmt"
	"os"
	"time"

	"mailretr/test/real"
)

var idleRows = []section{{"idle with 100 maildrops", func(b *bench) chart {
	c := chart{unit: "MB", decimals: 1, most: 30}
	c.add("mailretr, resident", float64(b.idle())/(1<<20))
	return c
}}}

// idle starts a daemon with 100 maildrops, waits until each was visited, and returns its resident memory, in octets.
func (b *bench) idle() int64 {
	defer b.end()
	d := real.StartDovecot(b)
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	s := real.StartSink(b, false, nil)
	p := place{dir: dir, user: "u0", port: d.POP3, mta: s.Port}
	more := ""
	for i := range 100 {
		name := fmt.Sprintf("u%d", i)
		d.Put(name, message(i, 3000))
		if i > 0 {
			more += "  - " + p.maildrop(name, name) + "\n"
		}
	}
	cmd := b.mailretrWith(p, more)
	s.Until(b, 100, time.Minute)
	time.Sleep(20 * time.Second) // what was used for the work is given back to the system, or is not
	rss := status(cmd.Process.Pid, "VmRSS:")
	finish(b, cmd)
	return rss
}
