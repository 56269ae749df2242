package real

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// PostfixRoot is where test/run unpacks the Debian package. It is not installed: its package cannot stand beside Exim's,
// and would listen on port 25.
const PostfixRoot = "/var/cache/mailretr-test/postfix"

// Postfix is a running Postfix that delivers everything for kroon.co.za and example.org into one Maildir.
type Postfix struct {
	Dir  string
	Port int
	t    TB
	pid  int
}

const postfixMain = `
compatibility_level = 3.6
myhostname = mail.kroon.co.za
queue_directory = %[1]s/queue
data_directory = %[1]s/data
command_directory = %[2]s/usr/sbin
daemon_directory = %[2]s/usr/lib/postfix/sbin
shlib_directory = %[2]s/usr/lib/postfix
meta_directory = %[2]s/etc/postfix
mail_owner = mail
setgid_group = staff
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
local_header_rewrite_clients =
mydestination =
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = kroon.co.za, example.org
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:8
virtual_gid_maps = static:8
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
message_size_limit = 209715200
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
`

const postfixMaster = `
127.0.0.1:%d inet n - n - 100 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
`

// StartPostfix starts one in a directory of its own; settings are more lines of main.cf. It needs root.
func StartPostfix(t TB, settings string) *Postfix {
	t.Helper()
	dir, err := os.MkdirTemp("", "postfix")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &Postfix{Dir: dir, Port: Port(t), t: t}
	os.Chmod(dir, 0o755)
	p.directories()
	write(t, filepath.Join(dir, "conf/main.cf"), fmt.Sprintf(postfixMain, dir, PostfixRoot)+settings+"\n", 0o644)
	write(t, filepath.Join(dir, "conf/master.cf"), fmt.Sprintf(postfixMaster, p.Port), 0o644)
	cmd := p.command("lib/postfix/sbin/master", "-d", "-c", filepath.Join(dir, "conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: test/run unpacks Postfix", err)
	}
	p.pid = cmd.Process.Pid
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // it ends its daemons
		cmd.Wait()
	})
	listening(t, p.Port, greetsAtOnce(settings))
	return p
}

// greetsAtOnce is the greeting to wait for, "" where the server waits for the PROXY protocol first.
func greetsAtOnce(settings string) string {
	if strings.Contains(settings, "haproxy") || strings.Contains(settings, "hosts_proxy") {
		return ""
	}
	return "220"
}

// directories are those that an installation makes.
func (p *Postfix) directories() {
	for path, owner := range map[string]int{
		"conf": 0, "queue": 0, "queue/pid": 0, "queue/private": 8, "queue/public": 8, "queue/maildrop": 8, "queue/incoming": 8,
		"queue/active": 8, "queue/bounce": 8, "queue/corrupt": 8, "queue/defer": 8, "queue/deferred": 8, "queue/flush": 8,
		"queue/hold": 8, "queue/saved": 8, "queue/trace": 8, "data": 8, "mail": 8,
	} {
		path = filepath.Join(p.Dir, path)
		if err := os.MkdirAll(path, 0o755); err != nil {
			p.t.Fatalf("%v", err)
		}
		if err := os.Chown(path, owner, owner); err != nil {
			p.t.Fatalf("%v", err)
		}
	}
}

func (p *Postfix) command(name string, args ...string) *exec.Cmd {
	cmd := PostfixTool(name, args...)
	cmd.Env = append(cmd.Env, "MAIL_CONFIG="+filepath.Join(p.Dir, "conf"))
	return cmd
}

// PostfixTool is one of its programs, named from usr on, e.g. sbin/smtp-source.
func PostfixTool(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(PostfixRoot, "usr", name), args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(PostfixRoot, "usr/lib/postfix")+":"+
		libraries(PostfixRoot))
	return cmd
}

// Pause takes its door away, or gives it back.
func (p *Postfix) Pause(yes bool) {
	p.service(fmt.Sprintf("127.0.0.1:%d inet", p.Port), !yes)
	if yes {
		Wait(p.t, 10*time.Second, "a closed door", func() bool { return !greets(p.Port, "") })
	} else {
		listening(p.t, p.Port, "220")
	}
}

// Manage takes its queue manager away, or gives it back: without, what it takes waits.
func (p *Postfix) Manage(yes bool) { p.service("qmgr unix", yes) }

// service says whether a line of master.cf holds.
func (p *Postfix) service(line string, yes bool) {
	path := filepath.Join(p.Dir, "conf/master.cf")
	b, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatalf("%v", err)
	}
	from, to := "\n"+line, "\n#"+line
	if yes {
		from, to = to, from
	}
	write(p.t, path, strings.Replace(string(b), from, to, 1), 0o644)
	if err := syscall.Kill(p.pid, syscall.SIGHUP); err != nil {
		p.t.Fatalf("%v", err)
	}
}

// libraries is where an unpacked package has what it needs and is not here.
func libraries(root string) string {
	all, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	return strings.Join(append(all, filepath.Join(root, "usr/lib")), ":")
}

// Delivered returns the messages in the Maildir.
func (p *Postfix) Delivered() (all []string) {
	list, err := filepath.Glob(filepath.Join(p.Dir, "mail/all/new/*"))
	if err != nil {
		p.t.Fatalf("%v", err)
	}
	for _, f := range list {
		b, err := os.ReadFile(f)
		if err != nil {
			p.t.Fatalf("%v", err)
		}
		all = append(all, string(b))
	}
	return all
}

// Queued returns how many messages are in its queue.
func (p *Postfix) Queued() (n int) {
	for _, dir := range []string{"incoming", "active", "deferred"} {
		filepath.WalkDir(filepath.Join(p.Dir, "queue", dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				n++
			}
			return nil
		})
	}
	return n
}

// Log returns its log.
func (p *Postfix) Log() string {
	b, _ := os.ReadFile(filepath.Join(p.Dir, "log"))
	return string(b)
}
