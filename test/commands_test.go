//go:build interop

package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"mailretr/test/real"
)

// A snapper stands between a program and a server, and cuts the connection at one command of the program: the server has
// got it and done it, and nothing of its answer comes back.
type snapper struct {
	port, to int

	mu   sync.Mutex
	at   int      // the number of the command from when it was set, counting from 1; 0: none
	seen []string // commands since then
}

func startSnapper(t *testing.T, to int) *snapper {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	x := &snapper{port: l.Addr().(*net.TCPAddr).Port, to: to}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go x.serve(c)
		}
	}()
	return x
}

// snap cuts at the nth command from now on.
func (x *snapper) snap(n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.at, x.seen = n, nil
}

// snapped returns the command at which it was cut; "" where there were not so many.
func (x *snapper) snapped() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at == 0 || len(x.seen) < x.at {
		return ""
	}
	return x.seen[x.at-1]
}

func (x *snapper) passes(command string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen = append(x.seen, strings.TrimSpace(command))
	return x.at == 0 || len(x.seen) != x.at
}

func (x *snapper) serve(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", x.to))
	if err != nil {
		return
	}
	defer s.Close()
	var lost, ended sync.WaitGroup
	cut := make(chan struct{})
	lost.Add(1)
	ended.Go(func() { x.answers(c, s, cut, lost.Done) })
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		whole := err == nil && x.passes(line)
		if err == nil && !whole {
			close(cut)
		}
		if len(line) > 0 {
			io.WriteString(s, line)
		}
		switch {
		case err == nil && !whole:
			lost.Wait() // the server has answered
			return
		case err != nil:
			s.(*net.TCPConn).CloseWrite()
			ended.Wait()
			return
		}
	}
}

// answers passes answers on, up to the cut; the first one behind it is lost.
func (x *snapper) answers(c, s net.Conn, cut <-chan struct{}, lost func()) {
	defer c.Close()
	var once sync.Once
	defer once.Do(lost)
	b := make([]byte, 64<<10)
	for {
		n, err := s.Read(b)
		select {
		case <-cut:
			return
		default:
		}
		if _, e := c.Write(b[:n]); e != nil || err != nil {
			return
		}
	}
}

// TestCutAtEachCommand cuts a session at each of its commands in turn, where the server has done it and the answer is lost, and lets
// the next ones go on: nothing is lost, nothing is collected twice, the maildrop ends as it is to be, and what somebody else has
// marked as deleted there stays.
func TestCutAtEachCommand(t *testing.T) {
	noMove := "protocol imap {\n  imap_capability = " + dovecotCaps["no MOVE"] + "\n}\n"
	for name, x := range map[string]struct{ protocol, after, extra string }{
		"pop3 keep":           {"pop3", "keep", ""},
		"pop3 delete":         {"pop3", "delete", ""},
		"imap delete":         {"imap", "delete", ""},
		"imap move":           {"imap", "{move: Done}", ""},
		"imap move by copies": {"imap", "{move: Done}", noMove},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &snapBed{bed: &bed{ledger: newLedger(t), d: real.StartDovecotAs(t, real.Setup{Extra: x.extra})}}
			b.lay(x.protocol, x.after)
			for n := 1; b.cut(n); n++ {
				b.cuts++
			}
			b.judge(0)
			b.once()
			t.Logf("cut at %d commands", b.cuts)
			if b.cuts < 6 {
				t.Error("that are too few: nothing is tested")
			}
		})
	}
}

// A snapBed is a bed with a snapper for its line.
type snapBed struct {
	*bed
	x     *snapper
	after string
	imap  bool
	cuts  int
}

func (b *snapBed) lay(protocol, after string) {
	b.after, b.imap = after, protocol == "imap"
	b.sink = real.StartSink(b.t, false, b.take)
	b.x = startSnapper(b.t, map[string]int{"pop3": b.d.POP3, "imap": b.d.IMAP}[protocol])
	b.d.User("jaco")
	search := ""
	if b.imap {
		b.d.PutIn("jaco", "", "T", []byte(text(5, "foreign", 900)))
		search = ", search: NOT SUBJECT foreign"
	}
	b.p = newProgram(b.t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
queue: {retry: [1s]}
maildrops:
  - {name: jaco, url: "%s://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: %s%s}
`, b.sink.Port, protocol, b.x.port, after, search))
}

// cut puts some mail into the maildrop, has a session cut at its nth command, and the next ones go on. It says whether there were so
// many commands.
func (b *snapBed) cut(n int) bool {
	for i := range 3 {
		b.put(b.d, "jaco", 700+i*100, uint64(n*10+i))
	}
	b.put(b.d, "jaco", 45<<10, uint64(n*10+9)) // its header comes first, by IMAP
	b.x.snap(n)
	b.p.run("poll", "jaco")
	at := b.x.snapped()
	b.x.snap(0)
	for i := 0; i < 5 && (i == 0 || b.missing() > 0); i++ {
		b.p.run("poll", "jaco")
	}
	if m := b.missing(); m > 0 {
		b.t.Fatalf("cut at command %d, %q: %d did not arrive; %s", n, at, m, b.status())
	}
	inbox, done := b.d.In("jaco", ""), len(b.d.In("jaco", "Done"))
	if flags, there := inbox["foreign"]; b.imap && (!there || flags != "T") {
		b.t.Errorf("cut at command %d, %q: somebody else's is %v with %q", n, at, there, flags)
	}
	delete(inbox, "foreign")
	all := len(b.given)
	if want := map[string][2]int{"keep": {all, 0}, "delete": {0, 0}, "{move: Done}": {0, all}}[b.after]; len(inbox) != want[0] || done != want[1] {
		b.t.Errorf("cut at command %d, %q: %d are in the maildrop, %d in Done; want %d", n, at, len(inbox), done, want)
	}
	return at != ""
}
