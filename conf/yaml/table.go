package yaml

import (
	"time"

	"mailretr/conf"
)

// top is the table of the file itself.
var top = []option[conf.Config]{
	text("hostname", "The name of this machine as others know it: in HELO, in Received, and as the reporter in "+
		"bounces. Required.", "mail.example.org",
		func(c *conf.Config) *string { return &c.Hostname }),
	path("state", "Directory of the queue. Without it: /var/lib/mailretr, or mailretr below XDG_STATE_HOME "+
		"(~/.local/state) for an ordinary user.", "/var/lib/mailretr",
		func(c *conf.Config) *string { return &c.State }).rare(),
	path("socket", "Where the command line reaches the daemon. Without it: /run/mailretr/control.sock, or "+
		"below XDG_RUNTIME_DIR for an ordinary user.", "/run/mailretr/control.sock",
		func(c *conf.Config) *string { return &c.Socket }).rare(),
	truth("watch", "Read the configuration again when a file changes; SIGHUP does so in any case. A file with "+
		"mistakes is refused as a whole, and the running configuration goes on.", "true",
		func(c *conf.Config) *bool { return &c.Watch }).rare(),
	deliver,
	sub("rewrite", "Who gets the mail of a recipient instead, whatever its maildrop: done once, when a message comes in and "+
		"before the routes are asked. The MTA is asked about the new address, and a bounce names the old one too.", rewrite,
		func(c *conf.Config) *conf.Rewrite { return &c.Rewrite }, func(r *conf.Rewrite) *conf.Where { return &r.At }),
	routes,
	listeners,
	oauths,
	sub("bounce", "Who speaks when mail cannot be delivered.", bounce,
		func(c *conf.Config) *conf.Bounce { return &c.Bounce }, func(b *conf.Bounce) *conf.Where { return &b.At }),
	sub("queue", "How often and how long delivery is tried, and how large the queue may become.", queue,
		func(c *conf.Config) *conf.Queue { return &c.Queue }, func(q *conf.Queue) *conf.Where { return &q.At }),
	span("poll", "Time between two looks at a maildrop; each maildrop may have its own.", "5m",
		func(c *conf.Config) *time.Duration { return &c.Poll }),
	sub("limits", "What may happen at once, and how large things may be.", limits,
		func(c *conf.Config) *conf.Limits { return &c.Limits }, func(l *conf.Limits) *conf.Where { return &l.At }),
	sub("line", "The line over which mail is collected, and what it may cost: the CAP. Octets are those of connections, "+
		"both ways, TLS and commands included; a provider counts 3 to 5 % more for TCP and IP.", line,
		func(c *conf.Config) *conf.Line { return &c.Line }, func(l *conf.Line) *conf.Where { return &l.At }),
	sub("log", "What is logged (to standard error), and how.", logs,
		func(c *conf.Config) *conf.Log { return &c.Log }, func(l *conf.Log) *conf.Where { return &l.At }),
	sub("metrics", "Where a monitoring system reads how the daemon is.", meters,
		func(c *conf.Config) *conf.Metrics { return &c.Metrics }, func(m *conf.Metrics) *conf.Where { return &m.At }),
	sub("notify", "Who is told when a maildrop has been in trouble for long, and when it is well again.", notify,
		func(c *conf.Config) *conf.Notify { return &c.Notify }, func(n *conf.Notify) *conf.Where { return &n.At }),
	sub("web", "Pages in a browser: owners see how their maildrops are, admins how everything is.", pages,
		func(c *conf.Config) *conf.Web { return &c.Web }, func(w *conf.Web) *conf.Where { return &w.At }),
	maildrops,
	sources,
}

var queue = []option[conf.Queue]{
	spans("retry", "Times between attempts at a deferred message; the last one repeats.",
		"[1m, 5m, 15m, 30m, 1h, 2h, 4h]",
		func(q *conf.Queue) *[]time.Duration { return &q.Retry }),
	span("expire", "Age at which a message is given up and bounced. Time in which the MTA is away does not "+
		"count.", "5d", func(q *conf.Queue) *time.Duration { return &q.Expire }),
	span("warn", "Age at which the sender is told that a message waits, once. 0: never.", "4h",
		func(q *conf.Queue) *time.Duration { return &q.Warn }).rare(),
	hold,
	size("reserve", "Disk space that stays free: below it, collecting stops and delivering goes on.", "256M",
		func(q *conf.Queue) *int64 { return &q.Reserve }).rare(),
	size("max_size", "Octets in the queue above which collecting stops. 0: no limit.", "0",
		func(q *conf.Queue) *int64 { return &q.MaxSize }).rare(),
	number("max", "Messages in the queue above which collecting stops. 0: no limit.", "0",
		func(q *conf.Queue) *int { return &q.Max }).rare(),
}

var limits = []option[conf.Limits]{
	number("per_server", "Sessions with one server at once.", "3",
		func(l *conf.Limits) *int { return &l.PerServer }).rare(),
	number("sessions", "Sessions with all servers at once.", "20",
		func(l *conf.Limits) *int { return &l.Sessions }).rare(),
	number("large", "Large messages on the line at once; small ones go beside them, and so does one that would "+
		"take longer than a day.", "2", func(l *conf.Limits) *int { return &l.Large }).rare(),
	number("idle", "Connections of one maildrop that wait for mail at once, where it has idle: and many folders; the "+
		"other folders are looked at as without it. 0: as many as its server allows.", "0",
		func(l *conf.Limits) *int { return &l.Idle }).rare(),
	size("headers_first", "Above this size the header is fetched first and the MTA asked, before the line is "+
		"paid for the rest. A POP3 server gives the header twice then, so there it is 16 times this size, "+
		"but for multi-drop.", "32K", func(l *conf.Limits) *int64 { return &l.HeadersFirst }).rare(),
	number("batch", "Messages made durable at once.", "128",
		func(l *conf.Limits) *int { return &l.Batch }).rare(),
	size("batch_size", "Octets made durable at once.", "8M",
		func(l *conf.Limits) *int64 { return &l.BatchSize }).rare(),
	size("max_message", "Larger messages stay in the maildrop, and the status says so. 0: no limit.", "512M",
		func(l *conf.Limits) *int64 { return &l.MaxMessage }).rare(),
}

var logs = []option[conf.Log]{
	text("level", "debug, info, warn or error.", "info",
		func(l *conf.Log) *string { return &l.Level }).rare(),
	text("format", "auto (text on a terminal and in the journal), text, or json.", "auto",
		func(l *conf.Log) *string { return &l.Format }).rare(),
}
