package yaml

import (
	"fmt"
	netmail "net/mail"
	"strings"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// This file has the options that are not just a value in its place.

func readFrom(d *decoder, n *yaml.Node, b *conf.Bounce) {
	s := d.text(n, "from")
	if s == "" {
		return
	}
	a, err := netmail.ParseAddress(s)
	if err != nil {
		d.fail(n, `write it as "Mail Delivery System <mailer-daemon@example.org>"`,
			"from: %q is no name with an address", s)
		return
	}
	b.FromName, b.From = a.Name, a.Address
}

func showFrom(_ shower, b *conf.Bounce) *yaml.Node {
	if b.From == "" || b.FromName == "" {
		return scalar(b.From)
	}
	name := b.FromName
	if strings.ContainsAny(name, `()<>[]:;@\,."`) {
		name = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	return scalar(name + " <" + b.From + ">")
}

func readURL(d *decoder, n *yaml.Node, m *conf.Maildrop) {
	if s := d.text(n, "url"); s != "" {
		if err := m.SetURL(s); err != nil {
			d.fail(n, "write it as imaps://user@mail.example.org", "url: %v", err)
		}
	}
}

func showURL(_ shower, m *conf.Maildrop) *yaml.Node { return scalar(m.URL()) }

func readUser(d *decoder, n *yaml.Node, m *conf.Maildrop) {
	s := d.text(n, "user")
	if s != "" && m.User != "" && m.User != s {
		d.fail(n, "write it once", "user: the url has another one")
		return
	}
	m.User = s
}

// noUser shows nothing: the user is shown in the url.
func noUser(shower, *conf.Maildrop) *yaml.Node { return nil }

// setKind sets the kind of a destination, which has only one.
func setKind(d *decoder, n *yaml.Node, v *conf.Destination, kind string) bool {
	if v.Kind != "" {
		d.fail(n, "use a destination with a name for each", "%s: this destination is %s already", kind, v.Kind)
		return false
	}
	v.Kind = kind
	return true
}

// deliver is one destination, or several with names.
var deliver = option[conf.Config]{
	key: "deliver", adds: true,
	doc: "Where mail goes. Several destinations have names, and the first is the default: " +
		`deliver: {local: {smtp: "localhost:25"}, office: {smtp: "mx.example.org:587"}}. Required.`,
	read:    readDeliver,
	show:    showDeliver,
	explain: func(p *printer) { explain(p, destination) },
}

func readDeliver(d *decoder, n *yaml.Node, c *conf.Config) {
	if n = d.follow(n); n == nil {
		return
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		d.fail(n, `write deliver: {smtp: "localhost:25"}`, "deliver: settings are wanted here, not %s", kind(n))
		return
	}
	if !named(n) {
		addDestination(d, n, conf.DefaultDestination(), c)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		one := conf.DefaultDestination()
		one.Name = n.Content[i].Value
		one.At.Self = d.pos(n.Content[i])
		addDestination(d, n.Content[i+1], one, c)
	}
}

func addDestination(d *decoder, n *yaml.Node, one conf.Destination, c *conf.Config) {
	section(d, n, destination, &one, &one.At)
	c.Deliver = append(c.Deliver, one)
}

// named says whether a mapping holds destinations with names: then all its values are mappings. A mapping
// that has a key of a destination is one, with a mistake in it.
func named(n *yaml.Node) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		v := n.Content[i+1]
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		key := n.Content[i].Value
		if v.Kind != yaml.MappingNode || key == "password" || key == "tls" || sectional(key) && !choosesKind(v) {
			return false
		}
	}
	return true
}

func showDeliver(s shower, c *conf.Config) *yaml.Node {
	base := conf.DefaultDestination()
	if len(c.Deliver) == 1 && c.Deliver[0].Name == base.Name {
		return mapping(s, destination, &c.Deliver[0], &base, c.Deliver[0].At)
	}
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range c.Deliver {
		one := &c.Deliver[i]
		n.Content = append(n.Content, scalar(one.Name), mapping(s, destination, one, &base, one.At))
	}
	return n
}

var maildrops = option[conf.Config]{
	key: "maildrops", adds: true,
	doc:     "Where mail is collected. More of them may stand in conf.d/*.yaml beside this file.",
	read:    readMaildrops,
	show:    showMaildrops,
	explain: func(p *printer) { explain(p.item(), maildrop) },
}

func readMaildrops(d *decoder, n *yaml.Node, c *conf.Config) {
	if n = d.follow(n); n == nil || null(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "begin each maildrop with a hyphen: - name: …", "maildrops: a list is wanted")
		return
	}
	for _, x := range n.Content {
		readMaildrop(d, x, c)
	}
}

func readMaildrop(d *decoder, n *yaml.Node, c *conf.Config) {
	m := conf.DefaultMaildrop()
	m.At.Self = d.pos(n)
	if n = d.follow(n); n == nil {
		return
	}
	d.drop = &m
	before := len(d.problems)
	defer func() { d.drop = nil }()
	if n.Kind != yaml.MappingNode {
		d.fail(n, "write - name: …", "a maildrop is wanted here, not %s", kind(n))
		c.Bad = append(c.Bad, conf.BadMaildrop{Pos: m.At.Self, Problems: d.problems[before:]})
		return
	}
	section(d, n, maildrop, &m, &m.At)
	for i := before; i < len(d.problems); i++ {
		d.problems[i].Maildrop = m.Name // which may have been read last
	}
	c.Maildrops = append(c.Maildrops, &m)
}

func showMaildrops(s shower, c *conf.Config) *yaml.Node {
	base := conf.DefaultMaildrop()
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		n.Content = append(n.Content, mapping(s, maildrop, m, &base, m.At))
	}
	return n
}

// security is the option tls: a mode alone, or a section.
func security[T any](f func(*T) *conf.TLS) option[T] {
	return option[T]{
		key: "tls", off: true,
		doc: "How the connection is secured. What does not leave this machine needs nothing here.",
		read: func(d *decoder, n *yaml.Node, v *T) {
			t := f(v)
			t.At.Self = d.pos(n)
			if n = d.follow(n); n != nil && n.Kind == yaml.ScalarNode {
				parsed(d, n, "tls", parseMode, &t.Mode)
				return
			}
			section(d, n, tls, t, &t.At)
		},
		show: func(s shower, v *T) *yaml.Node {
			t := f(v)
			n := mapping(s, tls, t, &conf.TLS{}, t.At)
			if len(n.Content) == 2 && t.Mode != "" {
				return scalar(string(t.Mode))
			}
			return n
		},
		explain: func(p *printer) { explain(p, tls) },
	}
}

func parseMode(s string) (conf.Mode, error) {
	switch m := conf.Mode(s); m {
	case conf.ModeNone, conf.ModeStartTLS, conf.ModeImplicit:
		return m, nil
	}
	return "", fmt.Errorf("%q is not known; write none, starttls or implicit", s)
}

// password is the option of that name: one of the forms of secrets, or the secret itself.
func password[T any](f func(*T) *conf.Secret, example string) option[T] {
	return option[T]{
		key: "password", example: example,
		doc: "Read at each login. One of {file: /etc/mailretr/jaco.pass}, {env: NAME}, " +
			"{command: [pass, mail/jaco]}, {credential: NAME} (systemd's LoadCredential=). The password itself is " +
			"possible in a file that only its owner can read.",
		read: func(d *decoder, n *yaml.Node, v *T) { readSecret(d, n, "password", f(v)) },
		show: func(_ shower, v *T) *yaml.Node { return showSecret(*f(v)) },
	}
}

func readSecret(d *decoder, n *yaml.Node, key string, s *conf.Secret) {
	if n = d.follow(n); n == nil {
		return
	}
	if n.Kind == yaml.MappingNode {
		readForm(d, n, key, s)
		return
	}
	text := d.text(n, key)
	if text == "" {
		return
	}
	if d.mode&0o037 != 0 { // 0640 is allowed: the group is the daemon's
		d.fail(n, "chmod 600 "+d.file+", or better use "+key+": {file: …}",
			"%s: others can read this file (mode %04o)", key, d.mode)
	}
	*s = conf.SecretPlain(text)
}

// readForm reads where a secret is found. A key that is far from any known is not shown: it may be the
// password.
func readForm(d *decoder, n *yaml.Node, key string, s *conf.Secret) {
	known := keys(secrets)
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i].Value; find(secrets, k) == nil && near(k, known) == "" {
			d.fail(n.Content[i], "write one of "+strings.Join(known, ", "), "%s: this form is not known", key)
			return
		}
	}
	if len(n.Content) != 2 {
		d.fail(n, "", "%s: exactly one of %s is wanted", key, strings.Join(known, ", "))
		return
	}
	var at conf.Where
	section(d, n, secrets, s, &at)
}

// secret is a form of a password with one value.
func secret(key string, is func(string) conf.Secret, file bool) option[conf.Secret] {
	return option[conf.Secret]{
		key: key,
		read: func(d *decoder, n *yaml.Node, s *conf.Secret) {
			text := d.text(n, key)
			if file {
				text = d.absolute(text)
			}
			if text != "" {
				*s = is(text)
			}
		},
	}
}

func readSecretCommand(d *decoder, n *yaml.Node, s *conf.Secret) {
	if argv := d.texts(n, "command"); len(argv) > 0 {
		*s = conf.SecretCommand(argv...)
	}
}
