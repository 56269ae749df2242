package yaml

import (
	"time"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// listener is the table of one entry of listen.
var listener = []option[conf.Listener]{
	place("smtp", `"localhost:2525"`, "host:port on which clients bring mail by SMTP, or unix:/path."),
	place("lmtp", "unix:/run/mailretr/lmtp", "The same by LMTP.").rare(),
	value("mode", "Permissions of a unix socket. Whoever may write to it may send mail to anybody.", `"0660"`,
		func(l *conf.Listener) *uint32 { return &l.Mode }, conf.ParsePermissions, conf.FormatPermissions).rare(),
	text("group", "Its group, if not that of the daemon.", "mail", func(l *conf.Listener) *string { return &l.Group }).rare(),
	{
		key: "tls", off: true,
		doc: "How clients are secured: a certificate makes it starttls, unless mode says implicit.",
		read: func(d *decoder, n *yaml.Node, l *conf.Listener) {
			l.TLS.At.Self = d.pos(n)
			section(d, n, serverTLS, &l.TLS, &l.TLS.At)
		},
		show: func(s shower, l *conf.Listener) *yaml.Node {
			return mapping(s, serverTLS, &l.TLS, &conf.ServerTLS{Mode: conf.ModeNone}, l.TLS.At)
		},
		explain: func(p *printer) { explain(p, serverTLS) },
	},
	path("users", "File of those who may log in (AUTH): a line NAME:HASH for each; htpasswd -nB, doveadm pw -s ARGON2ID "+
		"or SCRAM-SHA-256, and openssl passwd -6 make hashes. It is read again when it changes. A login from another "+
		"machine needs tls.", "/etc/mailretr/users", func(l *conf.Listener) *string { return &l.Users }).rare(),
	list("networks", "Clients who may send to anybody without a login, by address. Without it: this machine. Clients of a "+
		"unix socket always may.", "[192.0.2.0/24]", func(l *conf.Listener) *[]string { return &l.Networks }).rare(),
	list("domains", "Recipients' domains that everybody else may send to; .example.org means all below it. Without it: none.",
		"[example.org, .example.org]", func(l *conf.Listener) *[]string { return &l.Domains }).rare(),
	truth("complete", "Add Date and Message-ID where a message has none.", "false",
		func(l *conf.Listener) *bool { return &l.Complete }).rare(),
	sub("limits", "What a client can do.", frontLimits, func(l *conf.Listener) *conf.FrontLimits { return &l.Limits },
		func(l *conf.FrontLimits) *conf.Where { return &l.At }).rare(),
}

var serverTLS = []option[conf.ServerTLS]{
	value("mode", "none, starttls (offered), or implicit (from the first octet).", "starttls",
		func(t *conf.ServerTLS) *conf.Mode { return &t.Mode }, parseMode, func(m conf.Mode) string { return string(m) }).rare(),
	path("cert", "PEM file of the certificate, with those above it. It is read again when it changes.",
		"/etc/mailretr/mail.pem", func(t *conf.ServerTLS) *string { return &t.Cert }).rare(),
	path("key", "PEM file of its key.", "/etc/mailretr/mail.key",
		func(t *conf.ServerTLS) *string { return &t.Key }).rare(),
}

var frontLimits = []option[conf.FrontLimits]{
	number("connections", "Connections at once; more are told 421. The last tenth is for clients of networks and of unix sockets.", "200",
		func(l *conf.FrontLimits) *int { return &l.Connections }).rare(),
	number("per_client", "Those of one address that is not in networks. 0: no limit.", "20",
		func(l *conf.FrontLimits) *int { return &l.PerClient }).rare(),
	number("rate", "Messages a minute of one such address; more are told 450. 0: no limit.", "0",
		func(l *conf.FrontLimits) *int { return &l.Rate }).rare(),
	number("recipients", "Recipients of a message; the others are told 452, and clients send it once more for them.",
		"1000", func(l *conf.FrontLimits) *int { return &l.Recipients }).rare(),
	size("size", "Octets of a message; larger ones are refused with 552. 0: no limit.", "64M",
		func(l *conf.FrontLimits) *int64 { return &l.Size }).rare(),
	size("line", "Octets of a line of a message; longer ones are refused with 500.", "1M",
		func(l *conf.FrontLimits) *int64 { return &l.Line }).rare(),
	size("header", "Octets of a header section; larger ones are refused with 552.", "256K",
		func(l *conf.FrontLimits) *int64 { return &l.Header }).rare(),
	number("hops", "Received fields of a message; one with more goes in a circle, and is refused with 554.", "100",
		func(l *conf.FrontLimits) *int { return &l.Hops }).rare(),
	number("errors", "Refusals before a client is sent away with 421.", "20",
		func(l *conf.FrontLimits) *int { return &l.Errors }).rare(),
	span("command", "How long a client may wait before its next command, or the next octet of a message.", "5m",
		func(l *conf.FrontLimits) *time.Duration { return &l.Command }).rare(),
	span("data", "How long a whole message may take.", "1h",
		func(l *conf.FrontLimits) *time.Duration { return &l.Data }).rare(),
	span("greeting", "How long a client that is not in networks has to stay silent before it is greeted; who does not is "+
		"sent away. 0: it is greeted at once.", "0", func(l *conf.FrontLimits) *time.Duration { return &l.Greeting }).rare(),
	span("stop", "How long a message that is under way may still take when the daemon ends.", "20s",
		func(l *conf.FrontLimits) *time.Duration { return &l.Stop }).rare(),
}

// place is the option that says what a listener speaks, and where.
func place(kind, example, doc string) option[conf.Listener] {
	return option[conf.Listener]{
		key: kind, example: example, doc: doc,
		read: func(d *decoder, n *yaml.Node, l *conf.Listener) {
			s := d.text(n, kind)
			if s == "" {
				return
			}
			if l.Kind != "" {
				d.fail(n, "begin another entry for it", "%s: this entry is %s already", kind, l.Kind)
				return
			}
			l.Kind = kind
			if err := l.SetAddress(s); err != nil {
				d.fail(n, `write "localhost:2525" or "unix:/path"`, "%s: %v", kind, err)
			}
			if l.Network == "unix" {
				l.Address = d.absolute(l.Address)
			}
		},
		show: func(_ shower, l *conf.Listener) *yaml.Node {
			if l.Kind != kind {
				return nil
			}
			return scalar(l.Name())
		},
	}
}

// listeners are the entries.
var listeners = option[conf.Config]{
	key: "listen", adds: true, off: true,
	doc: "Where clients bring mail: web applications, other machines, `mailretr sendmail`. Each message is durable " +
		"here before its client is told 250, and is then delivered like any other. Only this machine is served " +
		"unless networks, users or domains say more.",
	read: readListen, show: showListen,
	explain: func(p *printer) { explain(p.item(), listener) },
}

func readListen(d *decoder, n *yaml.Node, c *conf.Config) {
	if n = d.follow(n); n == nil || null(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, `begin each entry with a hyphen: - smtp: "localhost:2525"`, "listen: a list is wanted")
		return
	}
	for _, x := range n.Content {
		one := conf.DefaultListener()
		one.At.Self = d.pos(x)
		section(d, x, listener, &one, &one.At)
		c.Listen = append(c.Listen, one)
	}
}

func showListen(s shower, c *conf.Config) *yaml.Node {
	base := conf.DefaultListener()
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range c.Listen {
		l := &c.Listen[i]
		n.Content = append(n.Content, mapping(s, listener, l, &base, l.At))
	}
	return n
}
