package fetchmailrc

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"mailretr/conf"
	"mailretr/conf/draft"
)

// destination is where mail of an entry goes, with its password, and the domain of local names there.
func (c *converter) destination(e *Entry) (d conf.Destination, password, domain string) {
	d = conf.DefaultDestination()
	d.At.Self, d.Invisible = e.Pos, c.invisible
	c.antispam(e, &d)
	domain = "localhost" // as fetchmail has it
	if mda := e.Last("mda"); mda != nil && !mda.Off && mda.Args[0] != "" && e.Text("bsmtp") == "" {
		own := conf.DefaultLocal()
		d.Kind, d.At.Self, d.Local = "command", mda.Pos, &own
		c.mda(mda, &d)
	} else {
		domain = c.server(e, &d)
		d.User, password = e.Text("esmtpname"), e.Text("esmtppassword")
		switch {
		case d.User == "" || password == "":
			d.User, password = "", ""
			if o := e.Last("esmtpname"); o != nil {
				c.Note(o.Pos, "write user: and password: of the destination", "esmtpname means nothing without esmtppassword")
			}
		case conf.Loopback(domain):
		default:
			d.TLS.Mode = conf.ModeDefault // a password does not cross the network in clear text
		}
	}
	switch s := e.Text("smtpaddress"); {
	case s != "":
		domain = s
	case c.Domain != "":
		domain = c.Domain
	}
	return d, password, domain
}

// server is an MTA or an LMTP server. It returns the domain that its local names have.
func (c *converter) server(e *Entry, d *conf.Destination) string {
	hosts, pos := e.List("smtphost"), e.Pos
	if o := e.Last("smtphost"); o != nil {
		pos = o.Pos
	}
	usual := "25"
	d.Kind = "smtp"
	if e.On("lmtp") {
		d.Kind, usual = "lmtp", "" // it has none, and RFC 2033, 4.1 forbids 25
	}
	if len(hosts) == 0 {
		hosts = []string{"localhost"}
	}
	d.At.Self = pos
	for i, h := range hosts {
		if !strings.HasPrefix(h, "/") {
			h = port(h, usual)
		}
		p, err := conf.ParseEndpoint(d.Kind, h)
		if err != nil {
			c.Fail(pos, "write host/port", "smtphost: %v", err)
			continue
		}
		if h, _, _ := net.SplitHostPort(p.Address); p.Network == "tcp" && !conf.Loopback(h) {
			p.Mode = conf.ModeNone
			c.Note(pos, "remove tls: none if it has STARTTLS", "mail goes to %s without TLS, as before", p.Address)
		}
		if i == 0 {
			d.Network, d.Address, d.TLS.Mode = p.Network, p.Address, p.Mode
		} else {
			d.SMTP.Others = append(d.SMTP.Others, p)
		}
	}
	host, _, err := net.SplitHostPort(d.Address)
	if err != nil || conf.Loopback(host) {
		return "localhost"
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return c.Hostname
	}
	return host
}

// antispam names replies after which mail is thrown away.
func (c *converter) antispam(e *Entry, d *conf.Destination) {
	for _, o := range e.Options {
		if o.Name != "antispam" {
			continue
		}
		for _, code := range o.Args {
			n, err := strconv.Atoi(code)
			if n == -1 && err == nil {
				continue // it means none
			}
			if err != nil || n < 500 || n > 599 {
				c.Note(o.Pos, "", "antispam %s: only replies from 500 to 599 are final; with this one mail is tried again", code)
				continue
			}
			d.Policy = append(d.Policy, conf.FailureRule{Code: code, Fate: c.spam})
		}
		c.Note(o.Pos, "write policy: {…: bounce} for safety", "antispam: what is refused so becomes %s, as before", c.spam)
	}
}

// mda is a program. fetchmail gives its line to a shell, with addresses in quotation marks; here a shell gets them as
// arguments, so that none can be read as a part of the line.
func (c *converter) mda(o *Option, d *conf.Destination) {
	line := o.Args[0]
	c.Note(o.Pos, "see user: of command", "mda: the program runs as the user that mailretr runs as")
	words := strings.NewReplacer("%T", "{local}", "%s", "{local}", "%F", "{sender|<>}", "%%", "%")
	if strings.ContainsAny(line, "{}") {
		c.Note(o.Pos, "look at command:", "mda: braces mean a template here")
	}
	if !strings.ContainsAny(line, "|&;<>()$`\\\"'*?[]#~=!\n{}") {
		for _, w := range strings.Fields(line) {
			d.Command = append(d.Command, words.Replace(w))
		}
		return
	}
	script := strings.NewReplacer("%T", `"$1"`, "%s", `"$1"`, "%F", `"$2"`, "%%", "%").Replace(line)
	d.Command = []string{"/bin/sh", "-c", script, "mda", "{local}", "{sender|<>}"}
}

// recipients says whom the mail is for.
func (c *converter) recipients(e *Entry, m *conf.Maildrop, domain string) {
	switch name := e.Text("smtpname"); {
	case name != "":
		m.To = []string{draft.Local(name, domain)}
	case e.Several():
		c.multidrop(e, m, domain)
	case len(e.Local) == 1:
		m.To = []string{draft.Local(e.Local[0].Here, domain)}
	default:
		local, _, _ := strings.Cut(e.Remote, "@")
		m.To = []string{draft.Local(local, domain)}
		c.Note(e.Pos, "look at to:", "no local name is written: mail goes to %s", m.To[0])
	}
}

// maxMap bounds the lines of all maps together.
const maxMap = 100_000

// multidrop is a maildrop of many.
func (c *converter) multidrop(e *Entry, m *conf.Maildrop, domain string) {
	d := &conf.Multidrop{Otherwise: c.master(domain)}
	d.At.Self = e.Pos
	m.Multidrop = d
	c.envelope(e, d)
	if p := e.Text("qvirtual"); p != "" {
		d.StripPrefix = []string{p}
	}
	ours := map[string]bool{}
	for _, x := range e.List("localdomains") {
		if x = strings.ToLower(strings.Trim(x, ".")); !ours[x] {
			ours[x] = true
			d.Domains = append(d.Domains, x, "*."+x)
		}
	}
	for _, host := range append([]string{m.Host, e.Server}, e.List("aka")...) {
		host = strings.ToLower(strings.Trim(host, "."))
		if _, err := netip.ParseAddr(host); err == nil || ours[host] || host == "" {
			continue
		}
		ours[host] = true
		d.Domains = append(d.Domains, host)
		if c.words += len(e.Local) + 1; c.words > maxMap {
			c.Fail(e.Pos, "split the file", "the maps have more than %d lines", maxMap)
			return
		}
		d.Map = append(d.Map, c.aliases(e, d, host, domain)...)
	}
}

// aliases are the local names at one name of the server; others are for the postmaster, unless * says otherwise.
func (c *converter) aliases(e *Entry, d *conf.Multidrop, host, domain string) (all []conf.Alias) {
	had := map[string]bool{}
	for _, n := range e.Local {
		there := n.there()
		if !strings.Contains(there, "@") {
			there += "@" + host
		}
		if !had[there] {
			had[there] = true
			all = append(all, conf.Alias{At: e.Pos, From: there, To: []string{draft.Local(n.Here, domain)}})
		}
	}
	rest := d.Otherwise
	if e.All {
		rest = "*@" + domain
	}
	if rest != "*@"+host {
		all = append(all, conf.Alias{At: e.Pos, From: "*@" + host, To: []string{rest}})
	}
	return all
}

// envelope is the field in which the recipient is found.
func (c *converter) envelope(e *Entry, d *conf.Multidrop) {
	o := e.Last("envelope")
	switch {
	case o == nil:
		d.Envelope = []conf.Envelope{{Field: "Received"}}
		c.Note(e.Pos, "name the field of your provider with envelope:",
			"no envelope is written: recipients are taken from Received, and never from To or Cc")
		return
	case o.Off:
		c.Fail(o.Pos, "name the field in which the provider puts the recipient",
			"no envelope has no equal: To and Cc do not say who got a message")
		return
	}
	x := conf.Envelope{Field: strings.TrimSuffix(o.Args[len(o.Args)-1], ":")}
	if len(o.Args) == 2 {
		if n, err := strconv.Atoi(o.Args[0]); err == nil && n > 0 {
			x.Nth = n + 1
		}
	}
	d.At.Set("envelope", o.Pos)
	d.Envelope = []conf.Envelope{x}
}
