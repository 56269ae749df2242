package local

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"mailretr/store/mail"
)

// other is a user who is not us and has no rights to speak of. Only root can become one.
func other(t *testing.T) (name string, uid, gid int) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs root on Linux")
	}
	u, err := user.Lookup("nobody")
	must(t, err)
	uid, err = strconv.Atoi(u.Uid)
	must(t, err)
	gid, err = strconv.Atoi(u.Gid)
	must(t, err)
	return u.Username, uid, gid
}

// house makes a directory that belongs to somebody else, in one that everybody may enter.
func house(t *testing.T, uid, gid int) string {
	t.Helper()
	above := t.TempDir()
	for d := above; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	dir := filepath.Join(above, "home")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Chown(dir, uid, gid))
	return dir
}

// Everything that is made for a user belongs to the user, and we are afterwards what we were.
func TestAsTheUser(t *testing.T) {
	name, uid, gid := other(t)
	for kind, make := range map[string]func(Options, string) (*Client, error){
		"maildir": func(o Options, p string) (*Client, error) {
			return NewMaildir(Maildir{Options: o, Path: p, Create: true, Keep: true})
		},
		"mbox": func(o Options, p string) (*Client, error) { return NewMbox(Mbox{Options: o, Path: p, Create: true}) },
	} {
		for _, written := range []string{name, ""} { // "": by the owner of the directory
			t.Run(kind+" "+written, func(t *testing.T) {
				dir := house(t, uid, gid)
				o := options(t)
				o.User = written
				o.Folder = func(mail.Origin) string { return "Sub" }
				c := open(t)(make(o, dir+"/{domain}/{local}"))
				if r := c.Probe(t.Context(), message(letter, "one@x.example")); !r.Done(1) {
					t.Errorf("%+v", r)
				}
				var work sync.WaitGroup
				for range 8 {
					work.Go(func() {
						m := message(letter+strings.Repeat("more\r\n", 50_000), "one@x.example")
						m.ID = mail.NewID(m.Queued, nil)
						if r := c.Deliver(t.Context(), m); !r.Done(1) {
							t.Errorf("%+v", r)
						}
					})
				}
				work.Wait()
				belongs(t, dir, uid)
				for range 50 { // on whatever threads there are
					work.Go(func() {
						if os.Geteuid() != 0 || fsuid() != 0 {
							t.Error("a thread is not root's any more")
						}
					})
				}
				work.Wait()
			})
		}
	}
}

func belongs(t *testing.T, dir string, uid int) {
	t.Helper()
	n := 0
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n++
		if fi, err := e.Info(); err != nil || ownerOf(fi) != uid {
			t.Errorf("%s belongs to %d, %v", path, ownerOf(fi), err)
		}
		return nil
	}))
	if n < 3 {
		t.Errorf("%d files", n)
	}
}

// fsuid is the file system identity of this thread.
func fsuid() int {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		var a, b, c, d int
		if n, _ := fmt.Sscanf(line, "Uid:\t%d\t%d\t%d\t%d", &a, &b, &c, &d); n == 4 {
			return d
		}
	}
	return -1
}

// What runs as the user has nothing of root's: no capability, no group, no file of root's.
func TestNothingOfRoots(t *testing.T) {
	name, uid, gid := other(t)
	w, err := lookup(name, "", true)
	must(t, err)
	secret := filepath.Join(house(t, 0, 0), "secret")
	must(t, os.WriteFile(secret, nil, 0o600))
	must(t, w.do(func() error {
		status, err := os.ReadFile("/proc/thread-self/status")
		if err != nil {
			return err
		}
		for _, want := range []string{"CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n",
			fmt.Sprintf("Uid:\t0\t0\t0\t%d\n", uid), fmt.Sprintf("Gid:\t0\t0\t0\t%d\n", gid)} {
			if !strings.Contains(string(status), want) {
				t.Errorf("no %q in\n%s", want, status)
			}
		}
		for line := range strings.Lines(string(status)) {
			if groups, ok := strings.CutPrefix(line, "Groups:\t"); ok && strings.TrimSpace(groups) != strconv.Itoa(gid) {
				t.Errorf("groups %s", groups)
			}
		}
		if _, err := os.Open(secret); err == nil {
			t.Error("a file of root's can be read")
		}
		return nil
	}))
	if err := w.do(func() error { panic("poison") }); err == nil || !strings.Contains(err.Error(), "poison") {
		t.Errorf("a panic is %v", err)
	}
}

// TestH1_LinksOfUsers: a link that a user lays leads no farther than the user, and chooses nobody else's rights.
func TestH1_LinksOfUsers(t *testing.T) {
	name, uid, gid := other(t)
	victim := house(t, 0, 0)
	must(t, os.MkdirAll(victim+"/new", 0o700))
	dir := house(t, uid, gid)
	must(t, os.Symlink(victim, dir+"/box"))
	must(t, os.Lchown(dir+"/box", uid, gid))
	for _, written := range []string{name, ""} {
		o := options(t)
		o.User = written
		for _, c := range []*Client{
			open(t)(NewMaildir(Maildir{Options: o, Path: dir + "/box", Create: true})),
			open(t)(NewMbox(Mbox{Options: o, Path: dir + "/box/file", Create: true})),
		} {
			if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.All(mail.Deferred) {
				t.Errorf("%+v", r)
			}
		}
	}
	if list, _ := os.ReadDir(victim + "/new"); len(list) > 0 {
		t.Errorf("the victim got %v", list)
	}
	if _, err := os.Stat(victim + "/file"); err == nil {
		t.Error("the victim got a file")
	}
}

// TestH1_LinksToOthers: whoever lays a link to somebody else's directory makes us nobody else.
func TestH1_LinksToOthers(t *testing.T) {
	_, uid, gid := other(t)
	victim := house(t, 1, 1)
	dir := house(t, uid, gid)
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Symlink(victim, dir+"/box"))
	must(t, os.Lchown(dir+"/box", uid, gid))
	o := options(t)
	o.User = ""
	c := open(t)(NewMaildir(Maildir{Options: o, Path: dir + "/box/{local}", Create: true}))
	if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.All(mail.Deferred) {
		t.Errorf("%+v", r)
	}
	if list, _ := os.ReadDir(victim); len(list) > 0 {
		t.Errorf("the victim got %v", list)
	}
	// One that root has laid is the admin's will.
	must(t, os.Lchown(dir+"/box", 0, 0))
	if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.Done(1) {
		t.Errorf("%+v", r)
	}
	belongs(t, victim, 1)
}

// Nothing is delivered with the rights of root unless that was written, and nobody becomes root by a name.
func TestNeverRootByAccident(t *testing.T) {
	other(t)
	dir := t.TempDir()
	o := options(t)
	o.User = ""
	template := o
	template.User = "{local}"
	for name, c := range map[string]*Client{
		"owner":    open(t)(NewMaildir(Maildir{Options: o, Path: dir + "/{local}", Create: true})),
		"command":  open(t)(NewCommand(Command{Options: o, Argv: []string{"/bin/true"}})),
		"template": open(t)(NewCommand(Command{Options: template, Argv: []string{"/bin/true"}})),
	} {
		if r := c.Deliver(t.Context(), message(letter, "root@x.example")); !r.All(mail.Deferred) || r[0].Enhanced != "4.3.5" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	f, err := NewFilter(&taken{}, FilterOptions{Argv: []string{"/bin/cat"}})
	must(t, err)
	if r := f.Deliver(t.Context(), message(letter, "one@x.example")); !r.All(mail.Deferred) {
		t.Errorf("filter: %+v", r)
	}
	c := open(t)(NewCommand(Command{Options: template, Argv: []string{"/bin/true"}}))
	if r := c.Deliver(t.Context(), message(letter, "nobody-of-that-name@x.example")); !r.All(mail.Failed) || r[0].Enhanced != "5.1.1" {
		t.Errorf("%+v", r)
	}
}

// A program runs as the user, with the user's groups and one more.
func TestProgramAsTheUser(t *testing.T) {
	name, uid, gid := other(t)
	out := filepath.Join(house(t, uid, gid), "out")
	o := options(t)
	o.User, o.Group = name, "mail"
	c := open(t)(NewCommand(Command{Options: o, Argv: []string{"/bin/sh", "-c",
		"id -u >" + out + "; id -Gn >>" + out + "; echo $HOME $USER >>" + out}}))
	if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.Done(1) {
		t.Fatalf("%+v", r)
	}
	text, err := os.ReadFile(out)
	must(t, err)
	u, err := user.Lookup(name)
	must(t, err)
	if want := fmt.Sprintf("%d\nnogroup mail\n%s %s\n", uid, u.HomeDir, name); string(text) != want &&
		!strings.Contains(string(text), "mail") {
		t.Errorf("%q", text)
	}
}

// An ordinary user delivers as nobody else, and is told so.
func TestOnlyRootForOthers(t *testing.T) {
	if os.Getenv("LOCAL_TEST_ORDINARY") == "" {
		_, uid, gid := other(t)
		c := exec.Command(os.Args[0], "-test.run=^TestOnlyRootForOthers$", "-test.count=1")
		c.Env = append(os.Environ(), "LOCAL_TEST_ORDINARY=1", "TMPDIR="+house(t, uid, gid))
		c.Dir = "/"
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if out, err := readable(t, c).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	o := options(t)
	o.User = "daemon"
	c := open(t)(NewMaildir(Maildir{Options: o, Path: t.TempDir() + "/{local}", Create: true}))
	x := c.Deliver(t.Context(), message(letter, "one@x.example")).Of(0)
	if x.Outcome != mail.Deferred || x.Scope != mail.OfLane || !strings.Contains(x.Err.Error(), "run mailretr as root") {
		t.Errorf("%+v", x)
	}
	o.User = ""
	c = open(t)(NewMaildir(Maildir{Options: o, Path: t.TempDir() + "/{local}", Create: true}))
	if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.Done(1) {
		t.Errorf("%+v", r)
	}
	for _, user := range []string{"", me(t)} {
		o.User, o.Group = user, "mail"
		for _, c := range []*Client{
			open(t)(NewMbox(Mbox{Options: o, Path: t.TempDir() + "/{local}", Create: true})),
			open(t)(NewCommand(Command{Options: o, Argv: []string{"/bin/true"}})),
		} {
			x := c.Deliver(t.Context(), message(letter, "one@x.example")).Of(0)
			if x.Outcome != mail.Deferred || x.Scope != mail.OfLane || !strings.Contains(x.Err.Error(), "not in mail") {
				t.Errorf("%+v", x)
			}
		}
	}
}

// readable makes a command that an ordinary user can run of this test, whose own file may lie where only root looks.
func readable(t *testing.T, c *exec.Cmd) *exec.Cmd {
	t.Helper()
	text, err := os.ReadFile(os.Args[0])
	must(t, err)
	path := filepath.Join(house(t, 0, 0), "test")
	must(t, os.Chmod(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, text, 0o755))
	c.Path = path
	return c
}
