package real

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Slapd is an OpenLDAP server of ours alone: its own directory, a socket and a port of 127.0.0.1.
type Slapd struct {
	Socket  string // of ldapi
	Address string // of ldap, which has STARTTLS
	CA      string // PEM file: whom to trust

	t    TB
	dir  string
	cmd  *exec.Cmd
	args []string
}

// What every Slapd has.
const (
	SlapdBase     = "dc=kroon,dc=example"
	SlapdUser     = "cn=admin,dc=kroon,dc=example"
	SlapdPassword = "canary-of-slapd"
)

// NewSlapd starts one with these schemas beside the usual ones, each the path of a file; overlays are lines of slapd.conf for
// its database, and ldif is what it holds.
func NewSlapd(t TB, schemas []string, overlays, ldif string) *Slapd {
	t.Helper()
	dir := short(t)
	cert, key := Certificate(t, dir)
	s := &Slapd{t: t, dir: dir, Socket: dir + "/s", Address: fmt.Sprintf("127.0.0.1:%d", Port(t)), CA: cert}
	include := ""
	for _, name := range []string{"core", "cosine", "inetorgperson"} {
		include += "include /etc/ldap/schema/" + name + ".schema\n"
	}
	for _, path := range schemas {
		include += "include " + path + "\n"
	}
	text := include + fmt.Sprintf(`pidfile %[1]s/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
TLSCertificateFile %[2]s
TLSCertificateKeyFile %[3]s
sizelimit unlimited
database mdb
suffix "%[4]s"
rootdn "%[5]s"
rootpw %[6]s
directory %[1]s/d
maxsize 268435456
index objectClass,entryUUID,entryCSN eq
access to * by dn.exact="gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth" read by anonymous auth by * none
%[7]s
`, dir, cert, key, SlapdBase, SlapdUser, SlapdPassword, overlays)
	write(t, dir+"/conf", text, 0o600)
	write(t, dir+"/ldif", "dn: "+SlapdBase+"\nobjectClass: dcObject\nobjectClass: organization\no: kroon\ndc: kroon\n\n"+ldif, 0o600)
	if err := os.Mkdir(dir+"/d", 0o700); err != nil {
		t.Fatalf("%v", err)
	}
	s.run("/usr/sbin/slapadd", "", "-q", "-w", "-f", dir+"/conf", "-l", dir+"/ldif")
	urls := fmt.Sprintf("ldapi://%s ldap://%s", strings.ReplaceAll(s.Socket, "/", "%2f"), s.Address)
	s.args = []string{"-d", "0", "-f", dir + "/conf", "-h", urls}
	s.Start()
	return s
}

func (s *Slapd) run(name, input string, args ...string) string {
	s.t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(input)
	out, err := c.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
	return string(out)
}

// Start starts the server, and returns when it answers.
func (s *Slapd) Start() {
	s.t.Helper()
	s.cmd = exec.Command("/usr/sbin/slapd", s.args...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("slapd: %v: test/run installs it", err)
	}
	cmd := s.cmd
	s.t.Cleanup(func() { s.end(cmd) })
	Wait(s.t, 15*time.Second, "slapd answers", func() bool {
		c, err := net.Dial("unix", s.Socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Stop ends the server; Start brings it back with its entries.
func (s *Slapd) Stop() { s.end(s.cmd) }

func (s *Slapd) end(cmd *exec.Cmd) {
	if cmd.ProcessState != nil {
		return
	}
	cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	cmd.Wait()
}

// Change applies changes in LDIF.
func (s *Slapd) Change(ldif string) {
	s.t.Helper()
	s.run("ldapmodify", ldif, "-x", "-H", "ldapi://"+strings.ReplaceAll(s.Socket, "/", "%2f"), "-D", SlapdUser, "-w", SlapdPassword)
}
