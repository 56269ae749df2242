package real

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// EximRoot is where test/run unpacks the Exim that knows the PROXY protocol.
const EximRoot = "/var/cache/mailretr-test/exim"

// Exim is a running Exim that delivers everything into one Maildir, at once, with Debian's limits.
type Exim struct {
	Dir  string
	Port int
	t    TB
}

const eximConf = `
primary_hostname = mail.kroon.co.za
daemon_smtp_ports = %[2]d
local_interfaces = 127.0.0.1
spool_directory = %[1]s/spool
log_file_path = %[1]s/%%slog
pid_file_path = %[1]s/exim.pid
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
domainlist local_domains = kroon.co.za : example.org
host_lookup =
helo_lookup_domains =
tls_advertise_hosts =
rfc1413_query_timeout = 0s
smtp_accept_max = 100
smtp_accept_max_per_host = 100
message_size_limit = 200M
bounce_return_size_limit = 10K
%[4]s
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
%[3]s
  accept
data:
%[5]s
  accept
begin routers
all:
  driver = accept
  transport = drop
begin transports
drop:
  driver = appendfile
  maildir_format
  directory = %[1]s/mail/all
  create_directory
  delivery_date_add = false
  envelope_to_add
  return_path_add
  user = Debian-exim
begin retry
* * F,2h,1m
`

// Rules are what a test adds to Exim's configuration.
type Rules struct {
	Main string // settings of the main section
	Rcpt string // ACL statements at RCPT, before the accept
	Data string // ACL statements after DATA, before the accept

	Heavy bool // the one that knows the PROXY protocol; it only queues, because unpacked it cannot run itself
}

// StartExim starts one in a directory of its own. It needs root, because Exim does.
func StartExim(t TB, rules Rules) *Exim {
	t.Helper()
	dir, err := os.MkdirTemp("", "exim")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e := &Exim{Dir: dir, Port: Port(t), t: t}
	os.Chmod(dir, 0o777)
	for _, sub := range []string{"spool", "mail"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatalf("%v", err)
		}
		os.Chmod(filepath.Join(dir, sub), 0o777)
	}
	program := "exim4"
	if rules.Heavy {
		program = filepath.Join(dir, "exim")
		write(t, program, fmt.Sprintf("#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/usr/sbin/exim4 \"$@\"\n", libraries(EximRoot), EximRoot), 0o755)
		rules.Main += "\nqueue_only"
	}
	fill := strings.NewReplacer("@DIR@", dir)
	conf := fmt.Sprintf(eximConf, dir, e.Port, fill.Replace(rules.Rcpt), fill.Replace(rules.Main), fill.Replace(rules.Data))
	write(t, filepath.Join(dir, "exim.conf"), conf, 0o644)
	start(t, dir, program, "-bdf", "-q30m", "-C", filepath.Join(dir, "exim.conf"))
	listening(t, e.Port, greetsAtOnce(rules.Main))
	return e
}

// Counter writes a program that says no (exit 1) the first n times and yes afterwards, and returns its path: for
// `condition = ${run{PATH}{no}{yes}}`.
func (e *Exim) Counter(name string, n int) string { return Counter(e.t, e.Dir, name, n) }

// Counter is the program, in any directory.
func Counter(t TB, dir, name string, n int) string {
	t.Helper()
	path := filepath.Join(dir, name)
	write(t, path, fmt.Sprintf("#!/bin/sh\necho x >>%[1]s.count\n[ $(wc -l <%[1]s.count) -gt %[2]d ]\n", path, n), 0o755)
	os.Chmod(path, 0o755)
	write(t, path+".count", "", 0o666)
	os.Chmod(path+".count", 0o666)
	return path
}

// Delivered returns the messages that were delivered to a local part, as files, oldest first.
func (e *Exim) Delivered(local string) []string {
	dir := filepath.Join(e.Dir, "mail", "all", "new")
	list, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		e.t.Fatalf("%v", err)
	}
	var all []string
	for _, f := range list {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			e.t.Fatalf("%v", err)
		}
		if strings.Contains(string(b), "Envelope-to: "+local+"@") {
			all = append(all, string(b))
		}
	}
	return all
}

// Queued returns how many messages wait in Exim's own queue.
func (e *Exim) Queued() int {
	list, _ := filepath.Glob(filepath.Join(e.Dir, "spool", "input", "*-H"))
	return len(list)
}

// Log returns Exim's main log and its reject log.
func (e *Exim) Log() string {
	a, _ := os.ReadFile(filepath.Join(e.Dir, "mainlog"))
	b, _ := os.ReadFile(filepath.Join(e.Dir, "paniclog"))
	return string(a) + string(b)
}
