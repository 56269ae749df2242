package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With umask 0 a socket would be open to everybody for the moment between bind and chmod. A watcher that
// looks all the time must never see it with another mode.
func TestH2_SocketIsNeverOpen(t *testing.T) {
	for _, mask := range []int{0, 0o077, 0o777} {
		old := syscall.Umask(mask)
		dir := filepath.Join(t.TempDir(), "run")
		path := filepath.Join(dir, "control.sock")
		stop, ended, looks := make(chan struct{}), make(chan string), 0
		go func() {
			for {
				if fi, err := os.Lstat(path); err == nil && fi.Mode() != fs.ModeSocket|0o660 {
					ended <- fi.Mode().String()
					return
				}
				looks++
				select {
				case <-stop:
					ended <- ""
					return
				default:
				}
			}
		}()
		for range 50 {
			l, err := Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o750 {
				t.Fatalf("umask %o: directory %v %v", mask, fi.Mode(), err)
			}
			if fi, err := os.Lstat(path); err != nil || fi.Mode() != fs.ModeSocket|0o660 {
				t.Fatalf("umask %o: socket %v %v", mask, fi.Mode(), err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		if mode := <-ended; mode != "" || looks == 0 {
			t.Errorf("umask %o: seen with mode %s (%d looks)", mask, mode, looks)
		}
		syscall.Umask(old)
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
}

func TestListenJudgesItsPlace(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Mkdir(open, 0o700), os.Chmod(open, 0o777),
		os.Symlink(dir, filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		path string
		want Code
	}{
		"a file":            {file, Denied},
		"below a file":      {filepath.Join(file, "s"), Denied},
		"open to others":    {filepath.Join(open, "s"), Denied},
		"through a link":    {filepath.Join(dir, "link", "s"), Denied},
		"no parent":         {filepath.Join(dir, "a", "b", "s"), Internal},
		"longer than a sun": {filepath.Join(dir, strings.Repeat("x", 120), "s"), Internal},
	} {
		if l, err := Listen(x.path); codeOf(err) != x.want {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
	var refused *Error
	if _, err := Listen(filepath.Join(dir, "link", "s")); !errors.As(err, &refused) || !strings.HasSuffix(refused.Hint, ": "+dir) {
		t.Errorf("a link: %v, and not where it leads", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "s")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); codeOf(err) != Busy {
		t.Errorf("a second daemon: %v", err)
	}
	first.(*listener).UnixListener.Close() // as a crash would: the socket stays
	second, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the first one removed the socket of the second: %v", err)
	}
	second.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestH2_WhoMayAsk(t *testing.T) {
	const own, gid = 997, 998
	for name, x := range map[string]struct {
		p    peer
		want bool
	}{
		"root":          {peer{uid: 0}, true},
		"own user":      {peer{uid: own}, true},
		"group":         {peer{uid: 1000, groups: []uint32{100, gid}}, true},
		"other":         {peer{uid: 1000, groups: []uint32{100}}, false},
		"nobody knows":  {peer{uid: 0, err: errors.New("?")}, false},
		"group of root": {peer{uid: 1000, groups: []uint32{0}}, false},
	} {
		if got := x.p.allowed(own, gid); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The test binary asks as somebody else, when it is called so.
func TestMain(m *testing.M) {
	path := os.Getenv("MAILRETR_TEST_SOCKET")
	if path == "" {
		os.Exit(m.Run())
	}
	c := Dial(path)
	_, err := c.Version(context.Background())
	fmt.Print(codeOf(err))
	os.Exit(0)
}

// The kernel's word counts, not the modes: here they let everybody in.
func TestH2_KernelSaysWhoAsks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	dir, err := os.MkdirTemp("/tmp", "mailretr") // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "run", "s")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(filepath.Dir(path), 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "self")
	if b, err := os.ReadFile(self); err != nil || os.WriteFile(program, b, 0o755) != nil {
		t.Fatal(err)
	}
	l.(*listener).gid = 4242
	serveOn(t, newHouse(t), l)
	for name, x := range map[string]struct {
		as   *syscall.Credential
		want string
	}{
		"a stranger":         {&syscall.Credential{Uid: 65534, Gid: 65534}, string(Denied)},
		"by primary group":   {&syscall.Credential{Uid: 65534, Gid: 4242}, fmt.Sprint(nil)},
		"by another of many": {&syscall.Credential{Uid: 65534, Gid: 65534, Groups: manyGroups(200, 4242)}, fmt.Sprint(nil)},
		"root":               {&syscall.Credential{Uid: 0, Gid: 65534}, fmt.Sprint(nil)},
	} {
		cmd := exec.Command(program)
		cmd.Env = []string{"MAILRETR_TEST_SOCKET=" + path}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: x.as}
		out, err := cmd.CombinedOutput()
		if string(out) != x.want {
			t.Errorf("%s: %q, want %q (%v)", name, out, x.want, err)
		}
	}
}

func manyGroups(n, last uint32) (list []uint32) {
	for i := range n {
		list = append(list, 10_000+i)
	}
	return append(list, last)
}

func TestNoDaemon(t *testing.T) {
	dir := t.TempDir()
	c := Dial(filepath.Join(dir, "s"))
	if _, ok, err := c.Answers(t.Context()); ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	l, err := Listen(filepath.Join(dir, "run", "s"))
	if err != nil {
		t.Fatal(err)
	}
	l.(*listener).UnixListener.Close()
	c = Dial(filepath.Join(dir, "run", "s"))
	if _, ok, err := c.Answers(t.Context()); ok || err != nil {
		t.Errorf("stale: %v %v", ok, err)
	}
}

// answering is a server of the test's own behind a socket.
func answering(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	c := Dial(path)
	t.Cleanup(c.Close)
	return c
}

// An answer that ends without its last line was cut: it is never taken for a short list.
func TestCutAnswerIsNoticed(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":   "",
		"no end":    "{\"item\":{}}\n",
		"half line": "{\"item\":{}}\n{\"it",
		"no JSON":   "hello\n",
		"endless":   `{"item":"` + strings.Repeat("x", maxFrame+10),
	} {
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
		if n, err := last(c.List(t.Context(), ListRequest{})); codeOf(err) != Unavailable {
			t.Errorf("%s: %d items, %v", name, n, err)
		}
	}
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "odd", http.StatusTeapot) })
	if _, err := c.Version(t.Context()); codeOf(err) != Unavailable || !strings.Contains(err.Error(), "418") {
		t.Error(err)
	}
}

// Who opens connections and says nothing keeps nobody else out for long, and costs a bounded number of
// descriptors.
func TestSilentPeers(t *testing.T) {
	h := newHouse(t)
	path := filepath.Join(t.TempDir(), "run", "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, h, l)
	for range 10 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "GET /v1/ver")
	}
	if _, err := Dial(path).Version(t.Context()); err != nil {
		t.Error(err)
	}
}

// A connection that ended makes room for another one, and those that are open at once are bounded.
func TestManyPeers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, House{}, l)
	for i := range 2*maxPeers + 1 {
		c := Dial(path)
		if _, err := c.Version(t.Context()); err != nil {
			t.Fatal(i, err)
		}
		c.Close()
	}
	var open []net.Conn
	for range maxPeers {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := Dial(path).Version(context.Background())
		answer <- err
	}()
	open[0].Close()
	if err := <-answer; err != nil {
		t.Error(err)
	}
}

func TestOneAnswerOnTheWire(t *testing.T) {
	h := newHouse(t)
	h.Started = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "run", "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, h, l)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	want := fmt.Sprintf(`{"item":{"version":"test","started":"2026-03-04T05:06:07Z","pid":%d}}`+"\n"+`{"end":true}`+"\n", os.Getpid())
	if err != nil || string(b) != want || r.Header.Get("Content-Type") != "application/jsonl" {
		t.Errorf("%q %v %v", b, err, r.Header)
	}
}
