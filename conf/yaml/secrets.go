package yaml

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"

	"mailretr/conf"
)

// secrets looks whether the secrets could be read now. They are read at login and may come later, so that
// what it finds are warnings. Of a variable nothing is said: it may be set for the daemon alone.
func (l *loader) secrets() {
	for i := range l.cfg.Deliver {
		d := &l.cfg.Deliver[i]
		l.secret(d.Password, d.At.Of("password"), "", conf.Pos{})
	}
	for i := range l.cfg.OAuth {
		o := &l.cfg.OAuth[i]
		l.secret(o.Secret, o.At.Of("client_secret"), "", conf.Pos{})
	}
	for i := range l.cfg.Maildrops {
		m := l.cfg.Maildrops[i]
		l.secret(m.Password, m.At.Of("password"), m.Name, m.At.Self)
		if m.At.Has("proxy") {
			l.secret(m.Proxy.Password, m.Proxy.At.Of("password"), m.Name, m.At.Self)
		}
	}
	for _, s := range l.cfg.Asked() {
		l.secret(s.Key, s.At.Of("key"), "", conf.Pos{})
		if s.SQL != nil {
			l.secret(s.SQL.DSN, s.At.Of("dsn"), "", conf.Pos{})
		}
		if s.LDAP != nil {
			l.secret(s.LDAP.Password, s.At.Of("password"), "", conf.Pos{})
		}
	}
	for _, s := range l.cfg.Web.SignIn {
		if s.SQL != nil {
			l.secret(s.SQL.DSN, s.At.Of("dsn"), "", conf.Pos{})
		}
		if s.LDAP != nil {
			l.secret(s.LDAP.Password, s.At.Of("password"), "", conf.Pos{})
		}
	}
	if w := l.cfg.Notify.Webhook; w != nil {
		l.secret(w.Secret, w.At.Of("secret"), "", conf.Pos{})
	}
	for i := range l.cfg.Rewrite.Lookups {
		x := &l.cfg.Rewrite.Lookups[i]
		l.secret(x.DSN, x.At.Of("dsn"), "", conf.Pos{})
		if x.LDAP != nil {
			l.secret(x.LDAP.Password, x.At.Of("password"), "", conf.Pos{})
		}
	}
	p := &l.cfg.Line.Proxy
	l.secret(p.Password, p.At.Of("password"), "", conf.Pos{})
}

func (l *loader) secret(s conf.Secret, at conf.Pos, drop string, entry conf.Pos) {
	before := len(l.problems)
	switch form, value := s.Form(); form {
	case "file":
		l.secretFile(s, value[0], at)
	case "command":
		if _, err := exec.LookPath(value[0]); err != nil {
			l.problem(conf.Warning, at, "", "the command cannot be run now: %v", err)
		}
	}
	for i := before; i < len(l.problems); i++ {
		l.problems[i].Maildrop, l.problems[i].Entry = drop, entry
	}
}

func (l *loader) secretFile(s conf.Secret, file string, at conf.Pos) {
	fi, err := os.Stat(file)
	switch {
	case err != nil:
		l.problem(conf.Warning, at, "put the password into that file, on one line",
			"the password cannot be read now: %v", err)
	case !fi.Mode().IsRegular():
		l.problem(conf.Warning, at, "", "the password cannot be read: %s is not a regular file", file)
	case fi.Mode().Perm()&0o007 != 0:
		l.problem(conf.Warning, at, "chmod 600 "+file, "everybody can read the password in %s (mode %04o)",
			file, fi.Mode().Perm())
	}
	if err != nil || !fi.Mode().IsRegular() {
		return
	}
	_, err = s.Resolve(context.Background())
	switch { // the text of the error never has the password
	case errors.Is(err, fs.ErrPermission):
		l.problem(conf.Warning, at, "it has to be for the user that mailretr serve runs as",
			"%s cannot be read by the user of this command", file)
	case err != nil:
		l.problem(conf.Warning, at, "write it on the first and only line of the file", "%v", err)
	}
}

// certificates looks whether the files of TLS are there now; they are read for each connection.
func (l *loader) certificates() {
	for i := range l.cfg.Deliver {
		l.certificate(&l.cfg.Deliver[i].TLS, "", conf.Pos{})
	}
	for _, s := range l.cfg.Asked() {
		if s.LDAP != nil {
			l.certificate(&s.LDAP.TLS, "", conf.Pos{})
		}
	}
	for i := range l.cfg.Web.SignIn {
		s := &l.cfg.Web.SignIn[i]
		if s.LDAP != nil {
			l.certificate(&s.LDAP.TLS, "", conf.Pos{})
		}
		if s.IMAP != nil {
			l.certificate(&s.IMAP.TLS, "", conf.Pos{})
		}
	}
	for i := range l.cfg.Rewrite.Lookups {
		if x := l.cfg.Rewrite.Lookups[i].LDAP; x != nil {
			l.certificate(&x.TLS, "", conf.Pos{})
		}
	}
	for i := range l.cfg.Maildrops {
		m := l.cfg.Maildrops[i]
		l.certificate(&m.TLS, m.Name, m.At.Self)
	}
	for _, s := range l.cfg.Web.SignIn {
		if s.SQL != nil {
			l.secret(s.SQL.DSN, s.At.Of("dsn"), "", conf.Pos{})
		}
		if s.LDAP != nil {
			l.secret(s.LDAP.Password, s.At.Of("password"), "", conf.Pos{})
		}
	}
	if w := l.cfg.Notify.Webhook; w != nil {
		l.certificate(&conf.TLS{At: w.At, CA: w.CA}, "", conf.Pos{})
	}
}

func (l *loader) certificate(t *conf.TLS, drop string, entry conf.Pos) {
	for _, x := range []struct{ key, file string }{{"ca", t.CA}, {"cert", t.Cert}, {"key", t.Key}} {
		if x.file == "" {
			continue
		}
		if _, _, err := read(x.file); err != nil {
			l.problem(conf.Warning, t.At.Of(x.key), "name a PEM file that can be read",
				"%s: cannot be read now, and without it there is no connection: %v", x.key, err)
			l.problems[len(l.problems)-1].Maildrop, l.problems[len(l.problems)-1].Entry = drop, entry
		}
	}
}
