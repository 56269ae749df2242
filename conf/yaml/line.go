package yaml

import (
	"fmt"
	"os/exec"
	"slices"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// line is the table of that section.
var line = slices.Concat(caps, []option[conf.Line]{
	size("rate", "Octets per second for all maildrops together, each direction for itself. 0: as fast as "+
		"it goes.", "64K", func(l *conf.Line) *int64 { return &l.Rate }).rare(),
	size("burst", "Octets that may pass at once after a silence. Without it: those of one second.", "256K",
		func(l *conf.Line) *int64 { return &l.Burst }).rare(),
	viaProxy(" This one is for maildrops that name none themselves.",
		func(l *conf.Line) *conf.Proxy { return &l.Proxy }),
	text("source", "The address of this machine to come from, for maildrops that name none themselves.",
		"192.0.2.1", func(l *conf.Line) *string { return &l.Source }).rare(),
})

// ways are the options of a maildrop that say how its server is reached.
func ways() []option[conf.Maildrop] {
	return []option[conf.Maildrop]{
		viaProxy("", func(m *conf.Maildrop) *conf.Proxy { return &m.Proxy }),
		text("source", "The address of this machine to come from.", "192.0.2.1",
			func(m *conf.Maildrop) *string { return &m.Source }).rare(),
		list("preconnect", "A program with its arguments that has to end well before each connection, e.g. one "+
			"that builds a tunnel. It has a minute. There is no shell.", "[/usr/local/bin/dial-up, isp]",
			func(m *conf.Maildrop) *[]string { return &m.Preconnect }).rare(),
		list("dial", "A program with its arguments whose standard input and output are the connection to the "+
			"server; the host of the url is only the name in its certificate. It is ended with the session. There is "+
			"no shell.",
			`[ssh, mail.isp.example, nc, localhost, "143"]`,
			func(m *conf.Maildrop) *[]string { return &m.Dial }).rare(),
		reachOfDrop,
		size("rate", "Octets per second for this maildrop, each direction for itself. 0: as fast as the line.", "0",
			func(m *conf.Maildrop) *int64 { return &m.Rate }).rare(),
	}
}

// viaProxy is the option proxy: a URL alone, or a section with the password.
func viaProxy[T any](more string, f func(*T) *conf.Proxy) option[T] {
	return option[T]{
		key: "proxy", off: true, example: "socks5://proxy.example:1080",
		doc: "The proxy that reaches the server and looks up its name: socks5://host:1080 or http://host:8080 " +
			"(CONNECT). With a login: {url: socks5://user@host:1080, password: {file: " +
			"/etc/mailretr/proxy.pass}}. none: without one." + more,
		read: func(d *decoder, n *yaml.Node, v *T) { readProxy(d, n, f(v)) },
		show: func(s shower, v *T) *yaml.Node {
			p := f(v)
			if !p.Password.Given() {
				return scalar(p.URL())
			}
			return mapping(s, proxy, p, nil, p.At)
		},
	}
}

// proxy is the table of the longer form.
var proxy = []option[conf.Proxy]{
	{
		key: "url", read: readProxyURL,
		show: func(_ shower, p *conf.Proxy) *yaml.Node { return scalar(p.URL()) },
	},
	password(func(p *conf.Proxy) *conf.Secret { return &p.Password }, ""),
}

func readProxy(d *decoder, n *yaml.Node, p *conf.Proxy) {
	p.At.Self = d.pos(n)
	if n = d.follow(n); n != nil && n.Kind == yaml.ScalarNode {
		readProxyURL(d, n, p)
		return
	}
	section(d, n, proxy, p, &p.At)
}

func readProxyURL(d *decoder, n *yaml.Node, p *conf.Proxy) {
	if s := d.text(n, "proxy"); s != "" {
		if err := p.SetURL(s); err != nil {
			d.fail(n, "write it as socks5://proxy.example:1080 or http://user@proxy.example:8080", "proxy: %v", err)
		}
	}
}

// commands looks whether the programs could be run now; they may come later, so that what it finds are
// warnings.
func (l *loader) commands() {
	for i := range l.cfg.Maildrops {
		m := l.cfg.Maildrops[i]
		for _, x := range []struct {
			key  string
			argv []string
		}{{"preconnect", m.Preconnect}, {"dial", m.Dial}} {
			if len(x.argv) == 0 {
				continue
			}
			if _, err := exec.LookPath(x.argv[0]); err != nil {
				l.problem(conf.Warning, m.At.Of(x.key), "", "%s: the command cannot be run now: %v", x.key, err)
				l.problems[len(l.problems)-1].Maildrop, l.problems[len(l.problems)-1].Entry = m.Name, m.At.Self
			}
		}
	}
}

// quantum is the option of the key share that a quantum computer cannot break.
var quantum = option[conf.TLS]{
	key: "postquantum", off: true, example: "auto",
	doc: "The key exchange that withstands quantum computers: on, off, or auto. It costs 1.2 KB up the line at " +
		"each handshake, so that auto means on for connections that stay (deliveries, IDLE) and off for those that " +
		"come with each poll.",
	read: func(d *decoder, n *yaml.Node, t *conf.TLS) {
		parsed(d, n, "postquantum", parseSwitch, &t.PostQuantum)
	},
	show: func(_ shower, t *conf.TLS) *yaml.Node { return scalar(string(t.PostQuantum)) },
}

func parseSwitch(s string) (conf.Switch, error) {
	switch s {
	case "auto":
		return conf.Auto, nil
	case "on", "off":
		return conf.Switch(s), nil
	}
	return "", fmt.Errorf("%q is not known; write auto, on or off", s)
}
