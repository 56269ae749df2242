package yaml

import (
	"os"
	"os/exec"

	"mailretr/conf"
)

// secrets looks whether the secrets could be read now. They are read at login and may come later, so that
// what it finds are warnings.
func (l *loader) secrets() {
	for i := range l.cfg.Deliver {
		d := &l.cfg.Deliver[i]
		l.secret(d.Password, d.At.Of("password"), "", conf.Pos{})
	}
	for i := range l.cfg.Maildrops {
		m := &l.cfg.Maildrops[i]
		l.secret(m.Password, m.At.Of("password"), m.Name, m.At.Self)
	}
}

func (l *loader) secret(s conf.Secret, at conf.Pos, drop string, entry conf.Pos) {
	before := len(l.problems)
	switch form, value := s.Form(); form {
	case "file":
		l.secretFile(value[0], at)
	case "command":
		if _, err := exec.LookPath(value[0]); err != nil {
			l.problem(conf.Warning, at, "", "the command cannot be run now: %v", err)
		}
	}
	for i := before; i < len(l.problems); i++ {
		l.problems[i].Maildrop, l.problems[i].Entry = drop, entry
	}
}

func (l *loader) secretFile(file string, at conf.Pos) {
	fi, err := os.Stat(file)
	switch {
	case err != nil:
		l.problem(conf.Warning, at, "", "the password cannot be read now: %v", err)
	case !fi.Mode().IsRegular():
		l.problem(conf.Warning, at, "", "the password cannot be read: %s is not a regular file", file)
	case fi.Mode().Perm()&0o007 != 0:
		l.problem(conf.Warning, at, "chmod 600 "+file, "everybody can read the password in %s (mode %04o)",
			file, fi.Mode().Perm())
	}
}
