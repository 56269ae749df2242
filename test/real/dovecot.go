package real

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Dovecot is a running Dovecot with POP3 and IMAP, plain (with STLS and STARTTLS) and TLS. Users are made by Put or User;
// the password of each is "secret".
type Dovecot struct {
	Dir                      string
	CAFile                   string
	POP3, POP3S, IMAP, IMAPS int // ports of 127.0.0.1

	t     TB
	count atomic.Int64
}

const dovecotConf = `
base_dir = %[1]s/run
state_dir = %[1]s/run
log_path = %[1]s/dovecot.log
protocols = pop3 imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <%[2]s
ssl_key = <%[3]s
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:%[1]s/mail/%%u
mail_fsync = never
first_valid_uid = 1
mail_uid = %[8]d
mail_gid = %[9]d
mail_max_userip_connections = 1000
default_process_limit = 500
default_client_limit = 2000
pop3_uidl_format = %%g
passdb {
  driver = passwd-file
  args = scheme=PLAIN %[1]s/users
}
userdb {
  driver = static
  args = home=%[1]s/mail/%%u
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
service pop3-login {
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener pop3 {
    port = %[4]d
  }
  inet_listener pop3s {
    port = %[5]d
    ssl = yes
  }
}
service imap-login {
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {
    port = %[6]d
  }
  inet_listener imaps {
    port = %[7]d
    ssl = yes
  }
}
`

// A Setup says how a Dovecot differs from the usual one.
type Setup struct {
	RSA   bool   // its certificate is one of RSA, 2048 bits, as most are
	Extra string // at the end of its configuration
}

// StartDovecot starts one in a directory of its own. It needs root, because Dovecot does.
func StartDovecot(t TB) *Dovecot {
	t.Helper()
	return StartDovecotAs(t, Setup{})
}

// StartDovecotAs starts one that differs.
func StartDovecotAs(t TB, s Setup) *Dovecot {
	t.Helper()
	dir, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &Dovecot{Dir: dir, t: t, POP3: Port(t), POP3S: Port(t), IMAP: Port(t), IMAPS: Port(t)}
	os.Chmod(dir, 0o755)
	cert, key := certificate(t, dir, s.RSA)
	d.CAFile = cert
	uid, gid := owner()
	conf := fmt.Sprintf(dovecotConf, dir, cert, key, d.POP3, d.POP3S, d.IMAP, d.IMAPS, uid, gid) + s.Extra
	write(t, filepath.Join(dir, "dovecot.conf"), conf, 0o644)
	write(t, filepath.Join(dir, "users"), "", 0o644)
	if err := os.MkdirAll(filepath.Join(dir, "mail"), 0o777); err != nil {
		t.Fatalf("%v", err)
	}
	os.Chown(filepath.Join(dir, "mail"), uid, gid)
	start(t, dir, "dovecot", "-F", "-c", filepath.Join(dir, "dovecot.conf"))
	listening(t, d.POP3, "+OK")
	listening(t, d.IMAP, "* OK")
	return d
}

// owner is whom the mail files belong to: nobody's ids, which every Debian has.
func owner() (uid, gid int) { return 65534, 65534 }

// User makes a user.
func (d *Dovecot) User(name string) {
	d.t.Helper()
	d.account(name)
	uid, gid := owner()
	for _, sub := range []string{"", "/new", "/cur", "/tmp"} {
		p := filepath.Join(d.Dir, "mail", name) + sub
		if err := os.MkdirAll(p, 0o700); err != nil {
			d.t.Fatalf("%v", err)
		}
		os.Chown(p, uid, gid)
	}
}

// account adds a user to the password file, if it is not there.
func (d *Dovecot) account(name string) {
	d.t.Helper()
	path := filepath.Join(d.Dir, "users")
	if b, err := os.ReadFile(path); err == nil && strings.Contains("\n"+string(b), "\n"+name+":") {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		d.t.Fatalf("%v", err)
	}
	defer f.Close()
	fmt.Fprintf(f, "%s:{PLAIN}secret\n", name)
}

// Password changes a user's password.
func (d *Dovecot) Password(name, password string) {
	d.t.Helper()
	path := filepath.Join(d.Dir, "users")
	b, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatalf("%v", err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, name+":") {
			line = fmt.Sprintf("%s:{PLAIN}%s\n", name, password)
		}
		out.WriteString(line)
	}
	write(d.t, path, out.String(), 0o644)
}

// Put puts one message into a user's maildrop: octets as the file shall have them.
func (d *Dovecot) Put(user string, octets []byte) {
	d.t.Helper()
	d.User(user)
	n := d.count.Add(1)
	name := strconv.FormatInt(time.Now().Unix(), 10) + fmt.Sprintf(".M%dP1.host", n)
	tmp := filepath.Join(d.Dir, "mail", user, "tmp", name)
	if err := os.WriteFile(tmp, octets, 0o600); err != nil {
		d.t.Fatalf("%v", err)
	}
	uid, gid := owner()
	if err := os.Chown(tmp, uid, gid); err != nil {
		d.t.Fatalf("%v", err)
	}
	if err := os.Rename(tmp, filepath.Join(d.Dir, "mail", user, "new", name)); err != nil {
		d.t.Fatalf("%v", err)
	}
}

// Count returns how many messages a user's maildrop holds.
func (d *Dovecot) Count(user string) (n int) {
	for _, sub := range []string{"new", "cur"} {
		list, err := os.ReadDir(filepath.Join(d.Dir, "mail", user, sub))
		if err != nil && !os.IsNotExist(err) {
			d.t.Fatalf("%v", err)
		}
		n += len(list)
	}
	return n
}

// Empty removes a user's messages and Dovecot's indexes of them.
func (d *Dovecot) Empty(user string) {
	d.t.Helper()
	if err := os.RemoveAll(filepath.Join(d.Dir, "mail", user)); err != nil {
		d.t.Fatalf("%v", err)
	}
	d.User(user)
}

// Log returns what Dovecot has logged.
func (d *Dovecot) Log() string {
	b, _ := os.ReadFile(filepath.Join(d.Dir, "dovecot.log"))
	return string(b)
}
