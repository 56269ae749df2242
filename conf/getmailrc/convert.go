package getmailrc

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mailretr/conf"
	"mailretr/conf/draft"
)

// none says why a setting has no equal, by section and key.
var none = map[string]map[string]string{
	"retriever": {
		"timeout":           "each step has a time limit of its own here",
		"delete_dup_msgids": "messages with the same unique-id are told apart by their content",
		"record_mailbox":    "the log says from which folder a message came",
		"use_kerberos":      "there is no Kerberos here",
		"ssl_ciphers":       "TLS 1.2 is the least, with the suites of Go",
		"ssl_version":       "TLS 1.2 is the least, and newer versions are used where there are any",
		"imap_on_delete":    "after: says what becomes of what was collected",
	},
	"destination": {
		"filemode": "mail is for its owner alone", "locktype": "an mbox is locked by fcntl and by a lock file",
		"unixfrom": "there is no From_ line", "allow_root_commands": "see user: of command",
		"ignore_stderr": "only the exit code counts", "pipe_stdout": "only the exit code counts",
		"fallback": "what a server refuses becomes what bounce: says", "group": "see group: of a mailbox",
	},
	"options": {
		"verbose": "the log says it; see log:", "message_log": "the log goes to standard error; see log:",
		"message_log_verbose": "see log:", "message_log_syslog": "the log goes to standard error; see log:",
		"logfile": "the log goes to standard error; see log:", "use_netrc": "write the password into a file of its own",
		"netrc_file": "write the password into a file of its own", "fingerprint": "see tls: {pin: …}",
		"to_oldmail_on_each_mail":  "what was collected is always remembered at once",
		"skip_imap_fetch_size":     "sizes are always asked for",
		"delete_bigger_than":       "see after: delete above",
		"max_bytes_per_session":    "see budget: and line:",
		"max_messages_per_session": "there is a budget in octets (budget:, line:), and none in messages",
		"delivered_to":             "Delivered-To follows from where mail is delivered",
	},
}

// equal are the settings that have one.
var equal = map[string][]string{
	"retriever": {"type", "server", "port", "username", "password", "password_command", "use_apop", "use_cram_md5",
		"use_xoauth2", "mailboxes", "use_peek", "move_on_delete", "imap_search", "envelope_recipient", "keyfile", "certfile",
		"ca_certs", "ssl_fingerprints", "ssl_cert_hostname"},
	"destination": {"type", "path", "user", "arguments", "host", "port", "override"},
	"options":     {"read_all", "delete", "delete_after", "max_message_size", "received"},
}

// unequal notes all that has no equal.
func (c *converter) unequal() {
	for _, name := range slices.Sorted(maps.Keys(c.sections)) {
		s := c.sections[name]
		known := none[name] != nil
		if !known {
			c.Note(s.pos, "a destination may have a filter:", "section [%.50s] has no equal", name)
			continue
		}
		for _, x := range s.keys {
			why, has := none[name][x.key]
			switch {
			case has && !slices.Contains([]string{"", "0", "false", "none", "no", "off"}, strings.ToLower(x.value)):
				c.Note(x.pos, "", "%s has no equal: %s", x.key, why)
			case !has && !slices.Contains(equal[name], x.key):
				c.Note(x.pos, "", "%.50q is no setting of getmail", x.key)
			case strings.Contains(x.value, "%(") && x.key != "arguments" && x.key != "password":
				c.Note(x.pos, "write the value", "%s refers to another setting, and is taken as it stands", x.key)
			}
		}
	}
}

// maildrop is the account.
func (c *converter) maildrop(name string) {
	c.unequal()
	r := c.of("retriever")
	m := conf.DefaultMaildrop()
	m.At.Self = r.pos
	for _, key := range []string{"first", "after", "url", "to"} {
		m.At.Set(key, r.pos)
	}
	kind := r.text("type")
	short := strings.TrimSuffix(kind, "Retriever")
	many := strings.HasPrefix(short, "Multidrop")
	rest := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(short, "BrokenUIDL"), "Multidrop"), "Simple")
	rest, m.Secure = strings.CutSuffix(rest, "SSL")
	switch rest {
	case "POP3", "IMAP":
		m.Protocol = strings.ToLower(rest)
	default:
		c.Fail(r.pos, "use pop3 or imap", "type %.50q has no equal", kind)
		return
	}
	m.Name, m.Host, m.User = name, r.text("server"), r.text("username")
	c.port(r, &m)
	c.security(r, &m)
	c.login(r, &m)
	c.collecting(r, &m)
	if many {
		c.multidrop(r, &m)
	} else {
		local, _, _ := strings.Cut(m.User, "@")
		m.To = []string{draft.Local(local, c.domain)}
		c.Note(r.pos, "look at to:", "getmail knows no recipients: mail is for %s", m.To[0])
	}
	if to := c.of("destination").text("override"); to != "" {
		m.To, m.Multidrop = []string{to}, nil
	}
	c.Maildrop(m, c.Destination(c.destination(), ""))
}

func (c *converter) port(r *section, m *conf.Maildrop) {
	usual := map[string]int{"pop3": 110, "pop3s": 995, "imap": 143, "imaps": 993}
	scheme := m.Protocol
	if m.Secure {
		scheme += "s"
	}
	m.Port = usual[scheme]
	if x := r.get("port"); x != nil {
		if n, err := strconv.Atoi(x.value); err == nil && n > 0 && n < 65536 {
			m.Port = n
		} else {
			c.Fail(x.pos, "write its number", "port: %.50q is no port; the usual one is used", x.value)
		}
	}
}

func (c *converter) security(r *section, m *conf.Maildrop) {
	switch {
	case !m.Secure && conf.Loopback(m.Host):
		m.TLS.Mode = conf.ModeNone
	case !m.Secure:
		c.Note(r.pos, "write tls: none if the server has none", "STARTTLS is required of %s; getmail does without", m.Host)
	case r.text("ca_certs") == "":
		c.Note(r.pos, "name its authority with tls: {ca: FILE}", "the certificate is checked; getmail takes any")
	}
	m.TLS.CA, m.TLS.Name = r.text("ca_certs"), r.text("ssl_cert_hostname")
	m.TLS.Cert, m.TLS.Key = r.text("certfile"), r.text("keyfile")
	if x := r.get("ssl_fingerprints"); x != nil {
		for _, f := range tuple(x.value) {
			if len(strings.ReplaceAll(f, ":", "")) == 64 {
				m.TLS.Pins = append(m.TLS.Pins, f)
			} else {
				c.Note(x.pos, "write tls: {pin: …}", "ssl_fingerprints: only SHA-256 is taken")
			}
		}
	}
}

func (c *converter) login(r *section, m *conf.Maildrop) {
	switch {
	case r.on("use_apop", false):
		m.Auth = "apop"
	case r.on("use_cram_md5", false):
		m.Auth = "cram-md5"
	case r.on("use_xoauth2", false):
		m.Auth = "xoauth2"
	}
	if argv := tuple(r.text("password_command")); len(argv) > 0 {
		m.Password = conf.SecretCommand(argv...)
	}
	if p := r.text("password"); p != "" {
		m.Password = conf.SecretPlain(p)
	}
}

// collecting says what is collected, and what becomes of it there.
func (c *converter) collecting(r *section, m *conf.Maildrop) {
	o := c.of("options")
	days, err := strconv.Atoi(o.text("delete_after"))
	folder := r.text("move_on_delete")
	switch {
	case o.on("delete", false) && folder != "":
		m.After = conf.After{Act: conf.Move, Folder: folder}
	case o.on("delete", false):
		m.After = conf.After{Act: conf.Delete}
	case err == nil && days > 0:
		after, err := conf.ParseAfter("delete after " + strconv.Itoa(days) + "d")
		if err != nil {
			c.Fail(o.pos, "write after: delete after 14d", "delete_after: %v", err)
		}
		m.After = after
	case m.Protocol == "imap" && !r.on("use_peek", true):
		m.After = conf.After{Act: conf.Mark, Flag: `\Seen`}
	}
	if o.on("read_all", true) && m.After.Keeps(0) {
		c.Note(r.pos, "", "read_all: what was collected is not collected again")
	}
	if x := r.get("mailboxes"); x != nil && m.Protocol == "imap" {
		list := tuple(x.value)
		if x.value == "ALL" {
			list = []string{"*"}
		}
		m.Folders = conf.Named(list...)
	}
	if x := r.get("imap_search"); x != nil && m.Protocol == "imap" && x.value != "None" {
		if m.Search, err = conf.ParseSearch(strings.Trim(x.value, `"'`)); err != nil {
			c.Fail(x.pos, "write search:", "imap_search: %v", err)
		}
	}
	if n, err := strconv.ParseInt(o.text("max_message_size"), 10, 62); err == nil && n > 0 {
		m.Oversize = &conf.Oversize{Above: n + 1, Then: conf.ThenLeave}
	}
}

func (c *converter) multidrop(r *section, m *conf.Maildrop) {
	d := &conf.Multidrop{}
	d.At.Self = r.pos
	m.Multidrop = d
	if x := r.get("envelope_recipient"); x != nil {
		field, n, _ := strings.Cut(x.value, ":")
		e := conf.Envelope{Field: strings.TrimSpace(field)}
		if i, err := strconv.Atoi(strings.TrimSpace(n)); err == nil && i > 0 {
			e.Nth = i
		}
		d.Envelope = []conf.Envelope{e}
	}
	if c.Options.Domain != "" {
		d.Domains = []string{strings.ToLower(c.Options.Domain)}
	}
	c.Note(r.pos, "look at domains:", "mail for other domains than those of domains: stays in the maildrop")
}

// words are getmail's words in the arguments of a program, as they are called here.
var words = strings.NewReplacer("%(sender)", "{sender|<>}", "%(recipient)", "{recipient}", "%(domain)", "{domain}",
	"%(local)", "{local}", "%(mailbox)", "{folder}")

// destination is where mail goes.
func (c *converter) destination() conf.Destination {
	s := c.of("destination")
	d, own := conf.DefaultDestination(), conf.DefaultLocal()
	d.At.Self = s.pos
	d.Invisible = !c.of("options").on("received", true)
	own.User = s.text("user")
	path := s.text("path")
	switch kind := s.text("type"); kind {
	case "Maildir":
		d.Kind, d.Address, d.Local = "maildir", strings.TrimSuffix(path, "/"), &own
	case "Mboxrd":
		d.Kind, d.Address, d.Local = "mbox", path, &own
	case "MDA_external":
		d.Kind, d.Local, d.Command = "command", &own, []string{path}
		for _, a := range tuple(s.text("arguments")) {
			d.Command = append(d.Command, words.Replace(a))
		}
	case "MDA_lmtp":
		d.Kind = "lmtp"
		host, port := s.text("host"), s.text("port")
		if port == "" {
			port = "24"
		}
		if !strings.HasPrefix(host, "/") {
			if strings.Contains(host, ":") {
				host = "[" + host + "]"
			}
			host += ":" + port
		}
		if err := d.SetAddress(host); err != nil {
			c.Fail(s.pos, "write lmtp: host:port", "host: %v", err)
		}
		if e := d.Endpoints()[0]; e.Network == "tcp" && !conf.Loopback(s.text("host")) {
			d.TLS.Mode = conf.ModeNone
			c.Note(s.pos, "remove tls: none if it has STARTTLS", "mail goes to %s without TLS, as before", d.Address)
		}
	default:
		d.Kind, d.Network, d.Address = "smtp", "tcp", "localhost:25"
		c.Fail(s.pos, "write deliver: and routes:",
			"destination type %.50q has no equal: mail goes to the MTA of this machine", kind)
	}
	if strings.HasPrefix(path, "~") {
		c.Note(s.pos, "write the whole path", "path: ~ is the home of the mailbox's user here")
	}
	return d
}
