package yaml

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// webhook is the table of the program that is told by HTTP.
var webhook = []option[conf.Webhook]{
	text("url", "Where it is. What is sent is JSON; https:// keeps it from others. No redirect is followed. Required.",
		"https://hooks.example.org/mailretr", func(w *conf.Webhook) *string { return &w.URL }),
	{
		key: "secret", example: "{file: /etc/mailretr/webhook.secret}",
		doc: "Signs what is sent, as Standard Webhooks has it (HMAC-SHA256 with a time stamp), so that the receiver knows that " +
			"it is from here and not sent a second time by somebody else; in the forms of a password. One that begins with " +
			"whsec_ is base64. Required.",
		read: func(d *decoder, n *yaml.Node, w *conf.Webhook) { readSecret(d, n, "secret", &w.Secret) },
		show: func(_ shower, w *conf.Webhook) *yaml.Node { return showSecret(w.Secret) },
	},
	value("reach", "outside: it is reached only where its name leads out of this machine and of private networks. any: "+
		"wherever it is.", outside, func(w *conf.Webhook) *bool { return &w.Inside }, parseInside, formatInside).rare(),
	path("ca", "A PEM file with the authorities that are believed, instead of the system's.", "/etc/mailretr/hooks-ca.pem",
		func(w *conf.Webhook) *string { return &w.CA }).rare(),
}

// parseInside reads reach as a word alone: a webhook may be on any port, and was named by the admin.
func parseInside(s string) (inside bool, err error) {
	if s != anyServer && s != outside {
		return false, fmt.Errorf("%q is not known; write any or outside", s)
	}
	return s == anyServer, nil
}

func formatInside(inside bool) string {
	if inside {
		return anyServer
	}
	return outside
}
