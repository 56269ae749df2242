package fetchmailrc

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mailretr/conf"
	"mailretr/conf/draft"
)

// Import makes a configuration of a run control file. The notes are its mistakes, and what has no equal or is not quite
// the same; an Error among them means that something is not in the configuration. Passwords are plain in it.
func Import(file string, text []byte, o draft.Options) (conf.Config, []conf.Problem) {
	f, bad := Parse(file, text)
	c := &converter{Draft: draft.New(o), file: &f}
	c.globals()
	for i := range f.Entries {
		c.entry(&f.Entries[i])
	}
	if len(c.Config().Maildrops) == 0 {
		c.Fail(conf.Pos{File: file}, "", "there is no maildrop in it")
	}
	cfg, notes := c.Done()
	return cfg, append(bad, notes...)
}

type converter struct {
	*draft.Draft
	file       *File
	postmaster string // as it is written; "": postmaster
	daemon     time.Duration
	invisible  bool
	spam       string // fate of what antispam names
	words      int    // in maps
}

// unequal notes the options of a list that have no equal.
func (c *converter) unequal(list []Option) {
	for _, o := range list {
		if none := options[o.Name].none; none != "" && !o.Off {
			c.Note(o.Pos, "", "%s has no equal: %s", o.Name, none)
		}
	}
}

// globals is what set says.
func (c *converter) globals() {
	c.unequal(c.file.Set)
	cfg := c.Config()
	c.spam = conf.FateDiscard
	for _, o := range c.file.Set {
		switch o.Name {
		case "daemon":
			c.every(&o)
		case "postmaster":
			c.postmaster = o.Args[0]
			cfg.At.Set("bounce", o.Pos)
		case "bouncemail":
			if o.Off {
				cfg.Bounce.Policy = conf.Policy{{Code: "5.*", Fate: conf.FatePostmaster}}
			}
		case "softbounce":
			if !o.Off {
				cfg.Bounce.Policy = conf.Policy{{Code: "5.*", Fate: conf.FateKeep}}
			}
		case "spambounce":
			if !o.Off {
				c.spam = conf.FateBounce
			}
		case "invisible":
			c.invisible = !o.Off
		case "idfile":
			c.Note(o.Pos, "mailretr import seen "+o.Args[0], "what was collected is remembered in %s: adopt it", o.Args[0])
		}
	}
	domain := c.Domain
	if domain == "" {
		domain = c.Hostname
	}
	cfg.Bounce.FromName, cfg.Bounce.From = "Mail Delivery System", "mailer-daemon@"+domain
	cfg.Bounce.Postmaster = c.master(domain)
}

// master is the address of the postmaster.
func (c *converter) master(domain string) string {
	if c.postmaster == "" {
		return draft.Local("postmaster", domain)
	}
	return draft.Local(c.postmaster, domain)
}

// every is the time between two polls.
func (c *converter) every(o *Option) {
	n, err := strconv.Atoi(o.Args[0])
	if err != nil || n < 0 || n > 1<<30 {
		c.Note(o.Pos, "", "daemon: %s is no time; the default is used", o.Args[0])
		return
	}
	if c.daemon = time.Duration(n) * time.Second; n > 0 {
		c.Config().Poll = c.daemon
	}
}

// entry is one maildrop.
func (c *converter) entry(e *Entry) {
	c.unequal(e.Options)
	c.readable(e)
	m := conf.DefaultMaildrop()
	m.At.Self = e.Pos
	for _, key := range []string{"first", "after", "url", "to"} { // the first two are written in any case
		m.At.Set(key, e.Pos)
	}
	m.Host, m.User, m.Enabled = e.Server, e.Remote, !e.Skip
	if via := e.Text("via"); via != "" {
		m.Host, m.Name = via, e.Server
	}
	if !c.protocol(e, &m) {
		return
	}
	c.security(e, &m)
	c.login(e, &m)
	c.way(e, &m)
	c.collecting(e, &m)
	d, password, domain := c.destination(e)
	c.recipients(e, &m, domain)
	c.Maildrop(m, c.Destination(d, password))
}

// readable makes UTF-8 of what is not: it was written when Latin-1 was usual. A password stays as it is.
func (c *converter) readable(e *Entry) {
	fix := func(pos conf.Pos, s *string) {
		if !utf8.ValidString(*s) {
			var b strings.Builder
			for i := range len(*s) {
				b.WriteRune(rune((*s)[i]))
			}
			*s = b.String()
			c.Note(pos, "", "%.100q was not in UTF-8, and is read as Latin-1", *s)
		}
	}
	fix(e.Pos, &e.Server)
	fix(e.Pos, &e.Remote)
	for i := range e.Local {
		fix(e.Pos, &e.Local[i].There)
		fix(e.Pos, &e.Local[i].Here)
	}
	for _, o := range e.Options {
		for i := range o.Args {
			if o.Name != "password" && o.Name != "esmtppassword" {
				fix(o.Pos, &o.Args[i])
			}
		}
	}
}

// services are the ports that have a name.
var services = map[string]int{"pop3": 110, "pop-3": 110, "pop3s": 995, "imap": 143, "imap2": 143, "imap4": 143,
	"imaps": 993, "smtp": 25, "mail": 25, "submission": 587, "submissions": 465, "smtps": 465, "lmtp": 24}

// protocol says what the maildrop is; false: nothing that can be collected from.
func (c *converter) protocol(e *Entry, m *conf.Maildrop) bool {
	port, o := 0, e.Last("service")
	if p := e.Last("port"); o == nil {
		o = p
	}
	if o != nil {
		if port = services[o.Args[0]]; port == 0 {
			n, err := strconv.Atoi(o.Args[0])
			if err != nil || n < 1 || n > 65535 {
				c.Fail(o.Pos, "write its number", "%s: %s is no port; the usual one is used", o.Name, o.Args[0])
			} else {
				port = n
			}
		}
	}
	pos := e.Pos
	if o := e.Last("protocol"); o != nil {
		pos = o.Pos
	}
	switch p := strings.ToLower(e.Text("protocol")); p {
	case "pop3", "imap":
		m.Protocol = p
	case "apop":
		m.Protocol, m.Auth = "pop3", "apop"
	case "", "auto":
		m.Protocol = "imap"
		if port == 110 || port == 995 {
			m.Protocol = "pop3"
		}
		c.Note(pos, "change it if the server has POP3 only", "protocol: fetchmail tries several; %s is taken", m.Protocol)
	default:
		c.Fail(pos, "use pop3 or imap", "protocol %s has no equal: %s is left out", p, e.Server)
		return false
	}
	m.Secure = e.On("ssl")
	if !m.Secure && (port == 993 || port == 995) {
		m.Secure = true
		c.Note(pos, "", "port %d is for TLS from the first octet; ssl is taken as meant", port)
	}
	if m.Port = port; port == 0 {
		m.Port = services[m.Protocol]
		if m.Secure {
			m.Port = services[m.Protocol+"s"]
		}
	}
	return true
}

// security says how the connection is secured.
func (c *converter) security(e *Entry, m *conf.Maildrop) {
	proto := e.Last("sslproto")
	version := strings.ToLower(e.Text("sslproto"))
	switch {
	case m.Secure:
	case proto != nil && version == "", conf.Loopback(m.Host) || e.Text("plugin") != "":
		m.TLS.Mode = conf.ModeNone
	case !strings.HasPrefix(version, "tls"):
		c.Note(e.Pos, "write tls: none if the server has none",
			"STARTTLS is required of %s; fetchmail goes on without where it is not offered", m.Host)
	}
	switch version {
	case "", "auto", "tls1.2+":
	default:
		c.Note(proto.Pos, "", "sslproto %s has no equal: TLS 1.2 is the least, and newer versions are used where there are any",
			version)
	}
	if o := e.Last("sslcertck"); o != nil && o.Off {
		m.TLS.Insecure = true
		if e.Text("sslfingerprint") != "" {
			m.TLS.Insecure = false
			c.Note(o.Pos, "write tls: {pin: …}", "no sslcertck: the certificate is checked, since its fingerprint cannot be")
		}
	}
	m.TLS.CA, m.TLS.Name = e.Text("sslcertfile"), e.Text("sslcommonname")
	m.TLS.Cert, m.TLS.Key = e.Text("sslcert"), e.Text("sslkey")
	if m.TLS.Cert != "" && m.TLS.Key == "" {
		m.TLS.Key = m.TLS.Cert // as fetchmail takes it
	}
}

// login says how to log in.
func (c *converter) login(e *Entry, m *conf.Maildrop) {
	if p := e.Text("password"); p != "" {
		m.Password = conf.SecretPlain(p)
	}
	o := e.Last("auth")
	if o == nil {
		return
	}
	switch a := strings.ToLower(o.Args[0]); a {
	case "any":
	case "password", "external":
		if m.Auth != "apop" {
			m.Auth = a
		}
		if m.Auth == "external" && m.Password.Given() {
			m.Password = conf.Secret{}
			c.Note(o.Pos, "", "auth external: the certificate is all that is needed, so the password is left out")
		}
	case "cram", "cram-md5":
		m.Auth = "cram-md5"
	default:
		c.Note(o.Pos, "", "auth %s has no equal: the strongest way is taken that the server offers", a)
	}
}

// way says how the server is reached.
func (c *converter) way(e *Entry, m *conf.Maildrop) {
	if s := e.Text("preconnect"); s != "" {
		m.Preconnect = []string{"/bin/sh", "-c", s}
	}
	o := e.Last("plugin")
	if o == nil || o.Args[0] == "" {
		return
	}
	if strings.ContainsAny(o.Args[0], `"'\`) {
		c.Note(o.Pos, "look at dial:", "plugin: its words are taken as they stand between blanks, quotation marks included")
	}
	put := strings.NewReplacer("%h", m.Host, "%p", strconv.Itoa(m.Port), "%%", "%")
	for _, w := range strings.Fields(o.Args[0]) {
		m.Dial = append(m.Dial, put.Replace(w))
	}
}

// collecting says what is collected, and what becomes of it there.
func (c *converter) collecting(e *Entry, m *conf.Maildrop) {
	switch {
	case !e.On("keep"):
		m.After = conf.After{Act: conf.Delete}
	case m.Protocol == "imap":
		m.After = conf.After{Act: conf.Mark, Flag: `\Seen`}
	}
	c.folders(e, m)
	if m.Protocol == "imap" && !e.On("fetchall") {
		s, err := conf.ParseSearch("UNSEEN")
		if err != nil {
			panic("fetchmailrc: " + err.Error())
		}
		m.Search = s
		c.Note(e.Pos, "remove search: to collect all that is new here", "only mail that nobody has read is collected, as before")
	}
	if o := e.Last("uidl"); o != nil && o.Off {
		c.Note(o.Pos, "", "no uidl has no equal: messages are always told apart by their unique ids")
	}
	if o := e.Last("idle"); o != nil && !o.Off {
		if m.Protocol == "imap" {
			m.Idle = 9 * time.Minute
		} else {
			c.Note(o.Pos, "", "idle is of IMAP only")
		}
	}
	if o := e.Last("bad-header"); o != nil && o.Args[0] != "accept" {
		c.Note(o.Pos, "", "bad-header %s has no equal: mail with an odd header is relayed as it is", o.Args[0])
	}
	c.interval(e, m)
	c.limit(e, m)
}

func (c *converter) folders(e *Entry, m *conf.Maildrop) {
	list := e.List("folder")
	if len(list) == 0 {
		return
	}
	pos := e.Last("folder").Pos
	if m.Protocol != "imap" {
		c.Note(pos, "", "folder is of IMAP only")
		return
	}
	for _, f := range list {
		if strings.ContainsAny(f, "*%") || strings.HasPrefix(f, `\`) {
			c.Note(pos, "", "folder %.100q is a pattern here", f)
		}
		if strings.Contains(f, "&") && strings.Contains(f, "-") {
			c.Note(pos, "write it as people read it", "folder %.100q: names are written in UTF-8 here", f)
		}
		if !slices.ContainsFunc(m.Folders, func(x conf.Folder) bool { return x.Name == f }) {
			m.Folders = append(m.Folders, conf.Named(f)...)
		}
	}
}

// interval is every how many polls a server is asked.
func (c *converter) interval(e *Entry, m *conf.Maildrop) {
	o := e.Last("interval")
	if o == nil {
		return
	}
	n, err := strconv.Atoi(o.Args[0])
	switch {
	case err != nil || n < 0 || n > 1<<20:
		c.Note(o.Pos, "", "interval %s is no number of polls", o.Args[0])
	case n > 1:
		m.Poll = time.Duration(n) * min(c.Config().Poll, 365*24*time.Hour)
	}
}

// limit is from which size on messages stay there.
func (c *converter) limit(e *Entry, m *conf.Maildrop) {
	o, w := e.Last("limit"), e.Last("warnings")
	told := w != nil && w.Args[0] != "0"
	if told {
		c.Note(w.Pos, "", "warnings: the recipient is told of a message that is too large once, when it is found")
	}
	if o == nil {
		return
	}
	n, err := strconv.ParseInt(o.Args[0], 10, 63)
	switch {
	case err != nil || n < 0:
		c.Note(o.Pos, "", "limit %s is no size", o.Args[0])
	case n > 0:
		m.Oversize = &conf.Oversize{Above: n + 1, Then: conf.ThenLeave}
		if told {
			m.Oversize.Then = conf.ThenNotice
		}
	}
}

// port is host:port of the form host/port.
func port(s, usual string) string {
	host, p, ok := strings.Cut(s, "/")
	if n := services[p]; n != 0 {
		p = strconv.Itoa(n)
	}
	if !ok {
		p = usual
	}
	if p == "" {
		return host
	}
	return net.JoinHostPort(host, p)
}
