//go:build unix

package badger

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mailretr/store"
	"mailretr/store/mail"
)

// The tests below kill a process that is this test's own program, started again with one of these.
const (
	envChild = "MAILRETR_BADGER_CHILD" // the state it works on
	envFiles = "MAILRETR_BADGER_FILES" // how many files it may have open

	envWriters = "MAILRETR_BADGER_WRITERS" // how many write at once
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envChild); dir != "" {
		child(dir, os.Getenv(envFiles))
		return
	}
	os.Exit(m.Run())
}

// child queues and finishes messages until it is killed, and says what was acknowledged.
func child(dir, files string) {
	if files != "" {
		var n uint64
		fmt.Sscan(files, &n)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			panic(err)
		}
	}
	e, err := Open(ctx, Options{Dir: dir, Ballast: -1, Fatal: func(err error) {
		fmt.Println("fatal", err)
		os.Exit(1)
	}})
	if err != nil {
		fmt.Println("open", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(words...)
	}
	var wg sync.WaitGroup
	writers := 6
	if n, err := strconv.Atoi(os.Getenv(envWriters)); err == nil {
		writers = n
	}
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				childMessage(e, w, i, say)
			}
		})
	}
	wg.Wait()
}

var refusals atomic.Int32

func childMessage(e *Engine, w, i int, say func(...any)) {
	r := store.Record{
		ID: mail.NewID(time.Now(), nil), Lane: "mta", Queued: time.Now(), Due: time.Now(),
		Origin:     mail.Origin{Account: "acc"},
		Recipients: []store.Recipient{{Recipient: mail.Recipient{Forward: "a@example.net"}}},
	}
	r.Origin.UID = mail.UID(r.ID.String())
	b, err := e.Stage(ctx, &r)
	if err != nil {
		return
	}
	size := 1 << rand.IntN(18)
	io.WriteString(b, strings.Repeat(r.ID.String()+"\r\n", size/28+1))
	if r.Body, r.SHA256, err = b.Seal(ctx); err != nil {
		if refusals.Add(1) < 20 {
			say("refused", err)
		}
		return
	}
	r.Size = b.Size()
	err = e.Commit(ctx, &store.Batch{Put: []store.Record{r}, Seen: []store.Seen{
		{Account: "acc", UID: r.Origin.UID, Mark: store.Taken, Size: r.Size, New: true},
	}})
	if err != nil {
		b.Discard()
		return
	}
	say("put", r.ID, hex.EncodeToString(r.SHA256[:]))
	if i%3 == 0 {
		return
	}
	l, _, err := e.LeaseMessages(ctx, store.Filter{Lane: "mta"}, 1, time.Minute)
	if err != nil || len(l) == 0 {
		return
	}
	id := l[0].Record.ID
	say("ending", id)
	if e.Commit(ctx, &store.Batch{Remove: []mail.ID{id}, Fence: []store.Lease{l[0].Lease}}) == nil {
		say("ended", id)
	}
}

// A history is what a child has said.
type history struct {
	sums          map[string]string
	ending, ended map[string]bool
	notes         []string
}

func newHistory() *history {
	return &history{sums: make(map[string]string), ending: make(map[string]bool), ended: make(map[string]bool)}
}

// run starts a child, kills it after a while of work, and reads what it has said until then.
func (h *history) run(t *testing.T, dir, files string, alive time.Duration) {
	t.Helper()
	h.runUntil(t, dir, files, alive, func(p *os.Process) { p.Kill() })
}

// runUntil does what run does, with an end of the caller's.
func (h *history) runUntil(t *testing.T, dir, files string, alive time.Duration, end func(*os.Process)) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), envChild+"="+dir, envFiles+"="+files)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var timer *time.Timer
	ended := make(chan struct{})
	var cut atomic.Bool
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case f[0] == "ready":
			timer = time.AfterFunc(alive, func() {
				cut.Store(true)
				end(cmd.Process)
				close(ended)
			})
		case cut.Load() && len(f) > 1:
			h.ending[f[1]] = true // said while the disk was taken away: it may be wrong
		case f[0] == "put" && len(f) == 3:
			h.sums[f[1]] = f[2]
		case f[0] == "ending" && len(f) == 2:
			h.ending[f[1]] = true
		case f[0] == "ended" && len(f) == 2:
			h.ended[f[1]] = true
		default:
			h.notes = append(h.notes, lines.Text())
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if timer != nil && !timer.Stop() {
		<-ended
	}
}

// judge opens the state and compares it with what was acknowledged.
func (h *history) judge(t *testing.T, dir string) {
	t.Helper()
	r := openRig(t, dir, func(o *Options) { o.BootID = "" })
	defer r.Close()
	there := make(map[string]bool)
	for x, err := range r.List(ctx, store.Filter{}) {
		must(t, err)
		id := x.Record.ID.String()
		there[id] = true
		sum := sha256.Sum256([]byte(r.octets(x.Record.Body)))
		if sum != x.Record.SHA256 {
			t.Fatalf("%s is damaged", id)
		}
		if want, ok := h.sums[id]; ok && want != hex.EncodeToString(sum[:]) {
			t.Fatalf("%s is another message", id)
		}
		if h.ended[id] {
			t.Fatalf("%s has come back, lane %q; alarms:\n%s", id, x.Record.Lane, r.saw.alarms())
		}
		m, err := r.Marks(ctx, "acc", []mail.UID{x.Record.Origin.UID})
		if err != nil || m[0].Mark != store.Taken {
			t.Fatalf("%s is not marked: %v", id, err)
		}
	}
	for id := range h.sums {
		if !there[id] && !h.ending[id] {
			t.Fatalf("%s was acknowledged and is lost (%d of %d are there); alarms:\n%s",
				id, len(there), len(h.sums), r.saw.alarms())
		}
	}
	if _, rebuilt := r.Rebuilt(); rebuilt {
		t.Fatal("the database was damaged:", r.saw.alarms())
	}
}

// TestKill kills a process with six writers, again and again, and reads every acknowledged message back.
func TestKill(t *testing.T) {
	dir := newDir(t)
	h := newHistory()
	for n := range 4 {
		h.run(t, dir, "", time.Duration(30+rand.IntN(250))*time.Millisecond)
		h.judge(t, dir)
		if len(h.notes) > 0 {
			t.Fatalf("after kill %d the child says %q", n, h.notes)
		}
	}
	if len(h.sums) < 20 || len(h.ended) < 5 {
		t.Fatalf("only %d put and %d ended", len(h.sums), len(h.ended))
	}
	t.Logf("%d acknowledged, %d ended", len(h.sums), len(h.ended))
}

// TestD6_FewFiles lets a process run out of file descriptors. It may end; what it acknowledged is there.
func TestD6_FewFiles(t *testing.T) {
	dir := newDir(t)
	h := newHistory()
	for _, files := range []string{"16", "19", "22", "25"} {
		h.run(t, dir, files, 400*time.Millisecond)
		h.judge(t, dir)
	}
	if !strings.Contains(strings.Join(h.notes, "\n"), "too many open files") {
		t.Fatalf("there was no shortage: %q", h.notes)
	}
	t.Logf("%d acknowledged, %d ended", len(h.sums), len(h.ended))
}
