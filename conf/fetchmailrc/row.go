package fetchmailrc

import (
	"fmt"
	"strconv"

	"mailretr/conf"
)

// Options does to a maildrop what the options of a run control file say that stand in its row: postfixadmin has them in
// extra_options, a directory in fetchmailCustom. Whoever writes rows does not run this machine: what would read its files, run
// its programs, or choose where mail goes is not done, nor what would trust anybody as the server. The phrases say what is not done,
// and have no text of the options, which may be a password.
func Options(text string, m *conf.Maildrop) (unmet []string) {
	r := &rowed{m: m}
	for _, o := range r.parse(text) {
		r.option(&o)
	}
	return r.unmet
}

// mostUnmet bounds the phrases.
const mostUnmet = 10

// rowed is a row whose options are read.
type rowed struct {
	m     *conf.Maildrop
	unmet []string
}

func (r *rowed) not(format string, args ...any) {
	if len(r.unmet) < mostUnmet {
		r.unmet = append(r.unmet, fmt.Sprintf(format, args...))
	}
}

// parse reads the options up to what is none.
func (r *rowed) parse(text string) (list []Option) {
	p := &parser{lex: lexer{text: text, line: 1}}
	p.step()
	const either = ofServer | ofUser
	for p.t.kind != end && len(p.bad) == 0 {
		at := p.t.pos.Column
		if !p.optional(either) {
			r.not("what stands from character %d on is no option", at)
			return list
		}
		o, ok := p.option(either)
		if !ok {
			break
		}
		list = append(list, o)
	}
	if len(p.bad) > 0 {
		r.not("from character %d on it is not understood", p.bad[0].Pos.Column)
	}
	return list
}

// forbidden is why an option of a row is not done although there is an equal.
var forbidden = map[string]string{
	"preconnect": "runs a program", "mda": "runs a program", "plugin": "runs a program",
	"smtphost": "says where mail goes", "lmtp": "says where mail goes", "smtpaddress": "says where mail goes",
	"smtpname": "says where mail goes", "antispam": "throws mail away",
	"sslcert": "reads a file", "sslkey": "reads a file", "sslcertfile": "reads a file", "sslcommonname": "would trust another server",
	"via": "stands for the column of the server", "service": "stands for the column of the port", "port": "stands for the column of the port",
	"protocol": "stands for the column of the protocol", "password": "stands for the column of the password",
	"interval": "counts polls of fetchmail", "idle": "keeps a connection for a row",
	"auth":      "is chosen with the server",
	"esmtpname": "logs in where mail goes", "esmtppassword": "logs in where mail goes",
	"aka": "belongs to a maildrop of many", "localdomains": "belongs to a maildrop of many", "envelope": "belongs to a maildrop of many",
	"qvirtual": "belongs to a maildrop of many",
}

func (r *rowed) option(o *Option) {
	m := r.m
	switch o.Name {
	case "keep":
		if m.After = (conf.After{}); o.Off {
			m.After.Act = conf.Delete
		}
	case "fetchall", "uidl": // what was collected is known by its unique id, so that all are looked at in any case
	case "folder":
		r.folders(o)
	case "limit":
		if n, err := strconv.ParseInt(o.Args[0], 10, 62); err != nil || n < 0 {
			r.not("limit is no size")
		} else if n > 0 {
			m.Oversize = &conf.Oversize{Above: n + 1, Then: conf.ThenLeave}
		}
	case "warnings":
		if m.Oversize != nil && o.Args[0] != "0" {
			m.Oversize.Then = conf.ThenNotice
		}
	case "ssl":
		r.secure(o)
	case "sslcertck", "sslproto":
		if o.Off || o.Name == "sslproto" && o.Args[0] == "" {
			r.not("%s: the connection is secured in any case", o.Name)
		}
	case "bad-header": // whatever it says, mail with an odd header is relayed as it is
	default:
		why := forbidden[o.Name]
		if none := options[o.Name].none; why == "" && !o.Off {
			why = none
		}
		if why != "" {
			r.not("%s: %s", o.Name, why)
		}
	}
}

func (r *rowed) folders(o *Option) {
	if r.m.Protocol != "imap" {
		r.not("folder is of IMAP only")
		return
	}
	r.m.Folders = conf.Named(o.Args...)
}

// secure makes TLS begin at once; the port follows where it is the usual one.
func (r *rowed) secure(o *Option) {
	m := r.m
	switch {
	case o.Off && m.Secure:
		r.not("no ssl: the connection is secured in any case")
	case !o.Off && !m.Secure:
		m.Secure, m.TLS.Mode = true, conf.ModeImplicit
		if m.Port == services[m.Protocol] {
			m.Port = services[m.Protocol+"s"]
		}
	}
}
