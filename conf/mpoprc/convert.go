package mpoprc

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mailretr/conf"
	"mailretr/conf/draft"
)

// commands are all of mpop, with why there is no equal; "" where there is one.
var commands = map[string]string{
	"host": "", "port": "", "source_ip": "", "proxy_host": "", "proxy_port": "", "auth": "", "user": "", "password": "",
	"passwordeval": "", "tls": "", "tls_starttls": "", "tls_trust_file": "", "tls_fingerprint": "", "tls_key_file": "",
	"tls_cert_file": "", "tls_certcheck": "", "tls_host_override": "", "delivery": "", "only_new": "", "keep": "",
	"skipsize": "", "received_header": "",
	"socket":                "connections are made by TCP; dial: runs a program that makes another one",
	"timeout":               "each step has a time limit of its own here",
	"pipelining":            "it is used where the server offers it",
	"ntlmdomain":            "there is no NTLM here",
	"tls_crl_file":          "no list of revoked certificates is read",
	"tls_priorities":        "TLS 1.2 is the least, with the suites of Go",
	"tls_min_dh_prime_bits": "no such key exchange is used",
	"uidls_file":            "adopt what is in it with: mailretr import seen FILE",
	"killsize":              "nothing is deleted that was not collected; see oversize:",
	"filter":                "nothing is filtered before it is collected; a destination may have a filter:",
}

// unequal notes what has no equal, in the order of the file.
func (r *reader) unequal(a *account) {
	list := slices.SortedFunc(maps.Keys(a.set), func(x, y string) int { return a.set[x].pos.Line - a.set[y].pos.Line })
	for _, c := range list {
		if s := a.set[c]; commands[c] != "" && s.value != "" && s.value != "off" && s.value != "auto" {
			r.Note(s.pos, "", "%s has no equal: %s", c, commands[c])
		}
	}
}

// maildrop makes one of an account. One without a host is there to be inherited from.
func (r *reader) maildrop(a *account) {
	r.unequal(a)
	if a.text("host") == "" && a.text("user") == "" {
		r.Note(a.pos, "", "account %.100q has no host and no user: it is only inherited from", a.name)
		return
	}
	m := conf.DefaultMaildrop()
	m.At.Self = a.pos
	for _, key := range []string{"first", "after", "url", "to"} {
		m.At.Set(key, a.pos)
	}
	m.Name, m.Protocol, m.Host, m.User = a.name, "pop3", a.text("host"), a.text("user")
	r.security(a, &m)
	r.login(a, &m)
	r.way(a, &m)
	if !a.on("keep", false) {
		m.After = conf.After{Act: conf.Delete}
	}
	if s, ok := a.set["only_new"]; ok && s.value == "off" {
		r.Note(s.pos, "", "only_new off has no equal: what was collected is not collected again")
	}
	r.skipsize(a, &m)
	domain := r.Domain
	if domain == "" {
		domain = "localhost"
	}
	local, _, _ := strings.Cut(m.User, "@")
	m.To = []string{draft.Local(local, domain)}
	r.Note(a.pos, "look at to:", "mpop knows no recipients: mail is for %s", m.To[0])
	r.Maildrop(m, r.Destination(r.destination(a), ""))
}

func (r *reader) security(a *account, m *conf.Maildrop) {
	switch {
	case !a.on("tls", false) && conf.Loopback(m.Host):
		m.TLS.Mode = conf.ModeNone
	case !a.on("tls", false):
		r.Note(a.pos, "write tls: none if the server has none", "tls is off: STARTTLS is required of %s all the same", m.Host)
	case !a.on("tls_starttls", true):
		m.Secure = true
	}
	m.Port = 110
	if m.Secure {
		m.Port = 995
	}
	if s := a.set["port"]; s.value != "" {
		n, err := strconv.Atoi(s.value)
		if err != nil || n < 1 || n > 65535 {
			r.Fail(s.pos, "write its number", "port: %.50q is no port; the usual one is used", s.value)
		} else {
			m.Port = n
		}
	}
	m.TLS.Insecure = !a.on("tls_certcheck", true)
	m.TLS.Name, m.TLS.Cert, m.TLS.Key = a.text("tls_host_override"), a.text("tls_cert_file"), a.text("tls_key_file")
	if f := a.text("tls_trust_file"); f != "system" {
		m.TLS.CA = f
	}
	if s := a.set["tls_fingerprint"]; s.value != "" {
		if len(strings.ReplaceAll(s.value, ":", "")) == 64 {
			m.TLS.Pins, m.TLS.Insecure = []string{s.value}, false
		} else {
			r.Note(s.pos, "write tls: {pin: …}", "tls_fingerprint: only SHA-256 is taken")
			m.TLS.Insecure = false
		}
	}
}

// ways are the methods of auth that have another name here, or the same.
var ways = map[string]string{"": "auto", "on": "auto", "user": "password", "plain": "plain", "login": "login", "apop": "apop",
	"scram-sha-1": "scram-sha-1", "scram-sha-256": "scram-sha-256", "cram-md5": "cram-md5", "external": "external",
	"oauthbearer": "oauthbearer", "xoauth2": "xoauth2", "scram-sha-1-plus": "scram-sha-1-plus",
	"scram-sha-256-plus": "scram-sha-256-plus"}

func (r *reader) login(a *account, m *conf.Maildrop) {
	s := a.set["auth"]
	way, known := ways[s.value]
	if !known {
		r.Note(s.pos, "", "auth %.50q has no equal: the strongest way is taken that the server offers", s.value)
		way = "auto"
	}
	m.Auth = way
	switch p, e := a.set["password"], a.set["passwordeval"]; {
	case way == "external":
	case p.value != "":
		m.Password = conf.SecretPlain(p.value)
	case e.value != "":
		m.Password = conf.SecretCommand("/bin/sh", "-c", e.value)
	}
}

func (r *reader) way(a *account, m *conf.Maildrop) {
	m.Source = a.text("source_ip")
	host := a.text("proxy_host")
	if host == "" {
		return
	}
	port := a.text("proxy_port")
	if port == "" {
		port = "1080"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if err := m.Proxy.SetURL("socks5://" + host + ":" + port); err != nil {
		r.Fail(a.set["proxy_host"].pos, "write proxy: socks5://host:port", "proxy_host: %v", err)
	}
}

func (r *reader) skipsize(a *account, m *conf.Maildrop) {
	s := a.set["skipsize"]
	if s.value == "" || s.value == "off" {
		return
	}
	n, err := conf.ParseSize(s.value)
	if err != nil {
		r.Fail(s.pos, "write oversize: {above: 10M}", "skipsize: %v", err)
		return
	}
	m.Oversize = &conf.Oversize{Above: n + 1, Then: conf.ThenLeave}
}

// destination is where an account delivers.
func (r *reader) destination(a *account) conf.Destination {
	d := conf.DefaultDestination()
	d.At.Self = a.pos
	d.Invisible = !a.on("received_header", true)
	s := a.set["delivery"]
	method, arg, _ := strings.Cut(s.value, " ")
	if arg = strings.TrimSpace(arg); s.value != "" {
		d.At.Self = s.pos
	}
	own := conf.DefaultLocal()
	switch method {
	case "mda":
		d.Kind, d.Local = "command", &own
		if strings.ContainsAny(arg, "{}") {
			r.Note(s.pos, "look at command:", "delivery: braces mean a template here")
		}
		// The sender is an argument of the shell: it cannot become a part of the line.
		script := strings.NewReplacer("'%F'", `"$1"`, "%F", `"$1"`).Replace(arg)
		d.Command = []string{"/bin/sh", "-c", script, "mda", "{sender|MAILER-DAEMON}"}
	case "maildir", "mbox":
		d.Kind, d.Address, d.Local = method, strings.TrimSuffix(arg, "/"), &own
		if strings.HasPrefix(arg, "~") {
			r.Note(s.pos, "write the whole path", "delivery: ~ is the home of the mailbox's user here")
		}
	default:
		d.Kind, d.Network, d.Address = "smtp", "tcp", "localhost:25"
		if method != "" {
			r.Note(s.pos, "look at deliver:", "delivery %.50q has no equal: mail goes to the MTA of this machine", method)
		} else {
			r.Note(a.pos, "look at deliver:", "no delivery is written: mail goes to the MTA of this machine")
		}
	}
	return d
}
