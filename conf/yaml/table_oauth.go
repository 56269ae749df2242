package yaml

import (
	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// oauth is the table of one entry of oauth.
var oauth = []option[conf.OAuth]{
	text("provider", "gmail, office365, yahoo or fastmail, whose addresses and scopes are known; or generic. Without it: "+
		"the entry's name, if it is one of them.", "gmail", func(o *conf.OAuth) *string { return &o.Provider }),
	text("client_id", "The id under which you registered this program with the provider. Required.",
		"1234.apps.example", func(o *conf.OAuth) *string { return &o.ClientID }),
	{
		key: "client_secret", example: "{file: /etc/mailretr/gmail.secret}",
		doc:  "Its secret, if it has one; in the forms of a password.",
		read: func(d *decoder, n *yaml.Node, o *conf.OAuth) { readSecret(d, n, "client_secret", &o.Secret) },
		show: func(_ shower, o *conf.OAuth) *yaml.Node { return showSecret(o.Secret) },
	},
	text("auth_url", "Of generic: where the owner consents, in a browser.", "https://login.example.org/authorize",
		func(o *conf.OAuth) *string { return &o.AuthURL }),
	text("token_url", "Of generic: where tokens are had.", "https://login.example.org/token",
		func(o *conf.OAuth) *string { return &o.TokenURL }),
	text("device_url", "Of generic: where the device flow begins, if there is one.", "https://login.example.org/device",
		func(o *conf.OAuth) *string { return &o.DeviceURL }),
	list("scopes", "What is asked for: access to mail, and offline_access where the provider has it.",
		"[mail, offline_access]", func(o *conf.OAuth) *[]string { return &o.Scopes }),
	text("redirect", "Where the provider sends the browser, if only one address is registered. Without it: a port of "+
		"this machine.", "http://localhost", func(o *conf.OAuth) *string { return &o.Redirect }),
	text("secret_in", "body or header: how the provider wants id and secret.", "body",
		func(o *conf.OAuth) *string { return &o.SecretIn }),
}

// oauths are the entries, by their names.
var oauths = option[conf.Config]{
	key: "oauth", adds: true, off: true,
	doc: "Providers that give access tokens instead of taking passwords, and who we are there, by names that maildrops " +
		"use: oauth: {gmail: {client_id: …, client_secret: {file: …}}}. The client is yours: register it with the " +
		"provider.",
	read: readOAuth, show: showOAuth,
	explain: func(p *printer) {
		p.key("gmail", "")
		explain(&printer{w: p.w, indent: p.indent + "  ", off: p.off}, oauth)
	},
}

func readOAuth(d *decoder, n *yaml.Node, c *conf.Config) {
	if n = d.follow(n); n == nil {
		return
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		d.fail(n, "write oauth: {gmail: {client_id: …}}", "oauth: names with settings are wanted here, not %s", kind(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		one := conf.OAuth{Name: n.Content[i].Value}
		one.At.Self = d.pos(n.Content[i])
		for _, o := range c.OAuth {
			if o.Name == one.Name {
				d.fail(n.Content[i], "give it another name", "oauth: %q is already at %s", one.Name, o.At.Self)
			}
		}
		section(d, n.Content[i+1], oauth, &one, &one.At)
		c.OAuth = append(c.OAuth, one)
	}
}

func showOAuth(s shower, c *conf.Config) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range c.OAuth {
		one := &c.OAuth[i]
		base := conf.OAuth{}
		n.Content = append(n.Content, scalar(one.Name), mapping(s, oauth, one, &base, one.At))
	}
	return n
}
