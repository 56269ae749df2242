package yaml

import (
	"time"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// pages is the table of what is seen in a browser.
var pages = []option[conf.Web]{
	{
		key: "listen", off: true, example: "127.0.0.1:8025",
		doc: "host:port, or unix:/path, where browsers, or a web server in front, reach the pages. Without it: none. Another " +
			"machine's browser needs tls, or a web server in front that has it. A change needs a restart.",
		read: func(d *decoder, n *yaml.Node, w *conf.Web) {
			s := d.text(n, "listen")
			if s == "" {
				return
			}
			if err := w.SetListen(s); err != nil {
				d.fail(n, `write "127.0.0.1:8025" or "unix:/path"`, "listen: %v", err)
			}
			if w.Network == "unix" {
				w.Address = d.absolute(w.Address)
			}
		},
		show: func(_ shower, w *conf.Web) *yaml.Node {
			if !w.On() {
				return nil
			}
			return scalar(w.Name())
		},
	},
	value("mode", "Permissions of a unix socket.", `"0660"`, func(w *conf.Web) *uint32 { return &w.Mode },
		conf.ParsePermissions, conf.FormatPermissions).rare(),
	text("group", "Its group, that of the web server say; without it: that of the daemon.", "www-data",
		func(w *conf.Web) *string { return &w.Group }).rare(),
	sub("tls", "The certificate. Without it: plain HTTP, on this machine only.", webTLS,
		func(w *conf.Web) *conf.WebTLS { return &w.TLS }, func(t *conf.WebTLS) *conf.Where { return &t.At }).rare(),
	webUsers,
	signIns,
	list("admins", "Names with which people sign in who see and change everything; one of users by the password there and "+
		"by no other. All others see the maildrops that they own. Like owners they are compared with A to Z as a to z, and no "+
		"other letters as alike.",
		"[admin]", func(w *conf.Web) *[]string { return &w.Admins }).rare(),
	sub("proxy", "A web server in front, which is believed what it says of its clients.", webProxy,
		func(w *conf.Web) *conf.WebProxy { return &w.Proxy }, func(p *conf.WebProxy) *conf.Where { return &p.At }).rare(),
	span("session", "Time after which one has to sign in again. Who is taken out of users, a database or a directory, or has another "+
		"password there, is signed out within 5 minutes in which he uses the pages; an IMAP server cannot be asked without the "+
		"password, so that there it is this time.", "12h",
		func(w *conf.Web) *time.Duration { return &w.Session }).rare(),
	span("collect", "Time between two looks at a maildrop that its owner asks for with a button. 0: there is no button.", "1m",
		func(w *conf.Web) *time.Duration { return &w.Collect }).rare(),
	truth("subjects", "Show owners the subjects of mail that waits here.", "false",
		func(w *conf.Web) *bool { return &w.Subjects }).rare(),
	text("help", "URL of the page where owners change the passwords of their maildrops, a panel say.",
		"https://panel.example.org/", func(w *conf.Web) *string { return &w.Help }).rare(),
}

var webTLS = []option[conf.WebTLS]{
	path("cert", "PEM file of the certificate, with those above it. It is read again when it changes.",
		"/etc/mailretr/web.pem", func(t *conf.WebTLS) *string { return &t.Cert }).rare(),
	path("key", "PEM file of its key.", "/etc/mailretr/web.key", func(t *conf.WebTLS) *string { return &t.Key }).rare(),
}

var webProxy = []option[conf.WebProxy]{
	list("networks", "Its addresses. By a unix socket whoever may write to it is believed.", "[192.0.2.7]",
		func(p *conf.WebProxy) *[]string { return &p.Networks }).rare(),
	text("user", "The header field in which it says who has signed in there; it has to take away what clients write in that "+
		"field. Without it: one signs in here.", "X-Remote-User", func(p *conf.WebProxy) *string { return &p.User }).rare(),
	text("owns", "The field with what that person owns, separated by commas. Without it: what the name in user owns.",
		"X-Remote-Email", func(p *conf.WebProxy) *string { return &p.Owns }).rare(),
}

// webUsers is the list of those with a password of their own.
var webUsers = option[conf.Web]{
	key: "users", off: true,
	doc: "Who signs in with a password that is kept here. One owns the maildrops whose owner: (or, without that, whose first " +
		"to:) is the name or among owns.",
	read: readWebUsers, show: showWebUsers,
	explain: func(p *printer) { explain(p.item(), webUser) },
}

var webUser = []option[conf.WebUser]{
	text("name", "The name with which the person signs in.", "jaco", func(u *conf.WebUser) *string { return &u.Name }).rare(),
	{
		key: "password", off: true, example: `"$argon2id$v=19$m=19456,t=2,p=1$…"`,
		doc: "A hash of the password, as `mailretr web password` makes it, or {file: /path} where it is found.",
		read: func(d *decoder, n *yaml.Node, u *conf.WebUser) {
			if n = d.follow(n); n != nil && n.Kind == yaml.ScalarNode {
				if s := d.text(n, "password"); s != "" { // a hash may be read by whoever reads the file
					u.Hash = conf.SecretPlain(s)
				}
				return
			}
			readSecret(d, n, "password", &u.Hash)
		},
		show: func(_ shower, u *conf.WebUser) *yaml.Node { return showSecret(u.Hash) },
	},
	list("owns", "What the person owns, beside the name.", "[jaco@example.org]",
		func(u *conf.WebUser) *[]string { return &u.Owns }).rare(),
}

func readWebUsers(d *decoder, n *yaml.Node, w *conf.Web) {
	if n = d.follow(n); n == nil || null(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "begin each entry with a hyphen: - {name: jaco, password: …}", "users: a list is wanted")
		return
	}
	for _, x := range n.Content {
		one := conf.WebUser{}
		one.At.Self = d.pos(x)
		section(d, x, webUser, &one, &one.At)
		w.Users = append(w.Users, one)
	}
}

func showWebUsers(s shower, w *conf.Web) *yaml.Node {
	if len(w.Users) == 0 {
		return nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range w.Users {
		n.Content = append(n.Content, mapping(s, webUser, &w.Users[i], &conf.WebUser{}, w.Users[i].At))
	}
	return n
}
