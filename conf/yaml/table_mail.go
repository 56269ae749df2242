package yaml

import (
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// maildrop is the table of one maildrop.
var maildrop = slices.Concat([]option[conf.Maildrop]{
	text("name", "A name for logs, status and commands.", "jaco",
		func(m *conf.Maildrop) *string { return &m.Name }),
	{
		key: "url", example: "imaps://jaco@mail.isp.example", read: readURL, show: showURL,
		doc: "Where: pop3, pop3s, imap or imaps, the user, the host, and the port if it is not the usual one. On " +
			"pop3 and imap STARTTLS is required unless tls: none is written. An @ in the user may stand as it is.",
	},
	{
		key: "user", example: `"jaco@isp.example"`, read: readUser, show: noUser, off: true,
		doc: "The user, if it is not in the url.",
	},
	password(func(m *conf.Maildrop) *conf.Secret { return &m.Password }, "{env: JACO_PASSWORD}"),
	text("auth", "How to log in: auto (the strongest that the server offers), password (USER and PASS, or LOGIN), "+
		"plain, login, cram-md5, scram-sha-1, scram-sha-256, the same with -plus, external (the certificate of tls:), "+
		"oauthbearer or xoauth2 (the password is an access token then), apop (POP3; never chosen by auto).", "auto",
		func(m *conf.Maildrop) *string { return &m.Auth }).rare(),
	text("oauth", "Instead of a password: the name of an entry of oauth: at the left margin. `mailretr login NAME` then "+
		"asks the owner once.", "gmail", func(m *conf.Maildrop) *string { return &m.OAuth }).rare(),
	security(func(m *conf.Maildrop) *conf.TLS { return &m.TLS }),
}, ways(), []option[conf.Maildrop]{
	list("to", "Who gets the mail: one address or a list.", "jaco@example.org",
		func(m *conf.Maildrop) *[]string { return &m.To }),
	text("owner", "Whose it is, by the name under which that person is known. Without it: the first of to.", "jaco@example.org",
		func(m *conf.Maildrop) *string { return &m.Owner }).rare(),
	{
		key: "multidrop", off: true, read: readMultidrop, show: showMultidrop,
		explain: func(p *printer) { explain(p, multidrop) },
		doc: "Instead of to: the maildrop holds the mail of many, and the provider names the recipient in a " +
			"field.",
	},
	folders,
	compressing(),
	value("search", "Collect only what an IMAP search expression finds (RFC 9051, 6.4.4), e.g. UNSEEN SINCE "+
		"1-Jan-2026, or NOT FROM \"x@example.org\". The rest is left as it is, and is collected when it is found "+
		"another time.", `NOT FROM "x@example.org"`,
		func(m *conf.Maildrop) *conf.Search { return &m.Search }, conf.ParseSearch, conf.Search.String).rare(),
	value("first", "What to do at first contact with the mail that is already there: all (collect it), new "+
		"(only what comes from now on), or an age such as 30d.", "all",
		func(m *conf.Maildrop) *conf.First { return &m.First }, conf.ParseFirst, conf.First.String),
	{
		key: "after", example: "keep", read: readAfter, show: showAfter,
		doc: "What happens in the maildrop to what was collected. keep: nothing, and nothing is destroyed; the " +
			"default. delete. delete after 14d: so many whole days after it was collected. delete above 10M: only what " +
			"is at least so large; the rest is kept. Both may be written: delete above 10M after 14d. Of IMAP " +
			"also: seen (it is marked as read), flag NAME, and {move: Folder}, with after: 14d and above: 10M " +
			"in the same braces if it shall wait; the folder is made where it is missing, and may be a use " +
			"such as \\Archive or \\Trash. What was collected under keep, seen or flag stays when this " +
			"changes to delete or move, until you say: mailretr seen accept --kept NAME.",
	},
	optional("budget", "What this maildrop may cost, beside the line as a whole.", budget,
		func(m *conf.Maildrop) **conf.Budget { return &m.Budget },
		func(b *conf.Budget) *conf.Where { return &b.At }).rare(),
	optional("oversize", "What happens to mail that is too large for this maildrop.", oversize,
		func(m *conf.Maildrop) **conf.Oversize { return &m.Oversize },
		func(o *conf.Oversize) *conf.Where { return &o.At }).rare(),
	span("poll", "Time between two looks, if not that of the whole.", "15m",
		func(m *conf.Maildrop) *time.Duration { return &m.Poll }).rare(),
	value("idle", "Of IMAP: true lets the server say when mail comes, on a connection for each folder; it is collected "+
		"at once then, and looked for every half hour beside. A time such as 9m, which is what true means, says how "+
		"often the wait is begun anew.", "true",
		func(m *conf.Maildrop) *time.Duration { return &m.Idle }, conf.ParseIdle, conf.FormatIdle).rare(),
	truth("enabled", "false: known, but not collected.", "true",
		func(m *conf.Maildrop) *bool { return &m.Enabled }).rare(),
	truth("check", "Ask the MTA whether it knows the recipient before anything is collected. off: collect in "+
		"any case.", "on", func(m *conf.Maildrop) *bool { return &m.Check }).rare(),
	text("sender", "The field that holds the sender of the envelope, to which bounces go.", "Return-Path",
		func(m *conf.Maildrop) *string { return &m.Sender }).rare(),
	text("authserv", "The name with which the provider begins its Authentication-Results. What they say of a "+
		"forged sender keeps bounces from going to the wrong one.", "mx.isp.example",
		func(m *conf.Maildrop) *string { return &m.AuthServ }).rare(),
	client,
	text("deliver", "The destination, where there are several. Without it: the first.", "default",
		func(m *conf.Maildrop) *string { return &m.Deliver }).rare(),
	optional("bounce", "What reports on mail of this maildrop say to people, if not what those on other mail say.", speech,
		func(m *conf.Maildrop) **conf.Speech { return &m.Bounce },
		func(s *conf.Speech) *conf.Where { return &s.At }).rare(),
	truth("trace", "Log the protocol of this maildrop, passwords masked.", "false",
		func(m *conf.Maildrop) *bool { return &m.Trace }).rare(),
	truth("trace_bodies", "Log the octets of its messages as well: other people's mail, in the log.", "false",
		func(m *conf.Maildrop) *bool { return &m.Bodies }).rare(),
})

// compressing is shown where it means something.
func compressing() option[conf.Maildrop] {
	o := value("compress", "auto: what an IMAP server sends comes compressed where it offers that "+
		"(COMPRESS=DEFLATE) and enough is to be fetched; text costs a third. off: never.", "auto",
		func(m *conf.Maildrop) *bool { return &m.Compress }, conf.ParseCompress, conf.FormatCompress).rare()
	all := o.show
	o.show = func(s shower, m *conf.Maildrop) *yaml.Node {
		if m.Protocol == "pop3" {
			return nil
		}
		return all(s, m)
	}
	return o
}

// destination is the table of one destination.
var destination = slices.Concat([]option[conf.Destination]{
	servers("smtp", `"localhost:25"`, "host:port of an MTA, unix:/path, or mx:example.org (the servers of a domain, by its MX "+
		"records). A list: the next one is used where one is away or refuses us, and the first is tried again later."),
	servers("lmtp", `"unix:/run/dovecot/lmtp"`, "host:port of an LMTP server, or unix:/path; or a list.").rare(),
	maildirAt, mboxAt, mailboxAt, commandOf, filterOf,
	security(func(d *conf.Destination) *conf.TLS { return &d.TLS }),
	text("user", "Login, where the MTA asks for one.", "mailretr",
		func(d *conf.Destination) *string { return &d.User }).rare(),
	password(func(d *conf.Destination) *conf.Secret { return &d.Password }, "{env: MTA_PASSWORD}").rare(),
	text("hello", "The name in EHLO, if not hostname.", "mail.example.org",
		func(d *conf.Destination) *string { return &d.Hello }).rare(),
	number("connections", "Connections at once.", "4",
		func(d *conf.Destination) *int { return &d.Connections }).rare(),
	number("messages", "Messages on one connection; 0: as many as the MTA likes (ten where the greeting says "+
		"Exim).", "0", func(d *conf.Destination) *int { return &d.Messages }).rare(),
	spans("retry", "Times between attempts, if not those of queue.", "[1m, 5m, 15m]",
		func(d *conf.Destination) *[]time.Duration { return &d.Retry }).rare(),
	span("expire", "Age at which a message is given up, if not that of queue.", "5d",
		func(d *conf.Destination) *time.Duration { return &d.Expire }).rare(),
	truth("invisible", "Add no Received field. A message that comes back, by a forwarding rule for instance, is not known by "+
		"it then, here or elsewhere. Not for a destination that is a listener of our own.", "false",
		func(d *conf.Destination) *bool { return &d.Invisible }).rare(),
	optional("fallback", "Another destination, for what has waited here too long.", fallback,
		func(d *conf.Destination) **conf.Fallback { return &d.Fallback },
		func(f *conf.Fallback) *conf.Where { return &f.At }).rare(),
	policy(func(d *conf.Destination) *conf.Policy { return &d.Policy }),
}, smtp)

var tls = []option[conf.TLS]{
	value("mode", "none, starttls (required, never a silent fall-back), or implicit. It may be written alone: "+
		"tls: none.", "starttls", func(t *conf.TLS) *conf.Mode { return &t.Mode }, parseMode,
		func(m conf.Mode) string { return string(m) }).rare(),
	path("ca", "PEM file of the authorities to trust, instead of the system's.", "/etc/mailretr/ca.pem",
		func(t *conf.TLS) *string { return &t.CA }).rare(),
	list("pin", "SHA-256 of the certificate, or a list; names and authorities are not asked then.",
		"00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
		func(t *conf.TLS) *[]string { return &t.Pins }).rare(),
	text("name", "The name expected in the certificate, if not the host.", "mail.isp.example",
		func(t *conf.TLS) *string { return &t.Name }).rare(),
	path("cert", "PEM file of a client certificate, with key.", "/etc/mailretr/client.pem",
		func(t *conf.TLS) *string { return &t.Cert }).rare(),
	path("key", "PEM file of its key.", "/etc/mailretr/client.key",
		func(t *conf.TLS) *string { return &t.Key }).rare(),
	quantum,
	truth("insecure", "Accept any certificate. Anybody on the line can read along then.", "false",
		func(t *conf.TLS) *bool { return &t.Insecure }).rare(),
}

// secrets is the table of the forms of a password.
var secrets = []option[conf.Secret]{
	secret("file", conf.SecretFile, true),
	secret("env", conf.SecretEnv, false),
	secret("credential", conf.SecretCredential, false),
	{key: "command", read: readSecretCommand},
}
