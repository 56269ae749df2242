package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A job is one run of a program.
type job struct {
	argv   []string
	words  words
	who    *who
	limit  time.Duration // 0: 10 min
	stdin  io.Reader     // with CRLF; known to be whole
	stdout io.Writer     // nil: what it says there is shown if it fails
}

// ended is how a program has ended.
type ended struct {
	code int    // -1: by a signal, or by us
	why  string // where code is -1
	said string // what it wrote to its standard error, or output, up to 4 KiB
}

// mostSaid bounds what is kept of what a program says, in octets.
const mostSaid = 4 << 10

// gentle is how long a program may go on after SIGTERM, and its output after its end.
const gentle = 3 * time.Second

// run runs the program in a session, and so a process group, of its own: where we have a terminal, whose
// rights it would otherwise share, it could type there in our name (TIOCSTI). An error means that it was not started, or that its
// input or output failed; then nothing can be said of it, but it has ended.
func (j *job) run(ctx context.Context) (ended, error) {
	limit := j.limit
	if limit <= 0 {
		limit = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not end within %v", limit))
	defer cancel()
	c := exec.CommandContext(ctx, j.argv[0], j.argv[1:]...)
	c.Env, c.Dir = j.environ(), "/"
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: j.who.credential()}
	said := &head{most: mostSaid}
	c.Stderr, c.Stdout = said, j.stdout
	if j.stdout == nil {
		c.Stdout = said
	}
	stop := func() {}
	c.WaitDelay = gentle
	c.Cancel = func() error { stop = killed(c.Process.Pid); return nil }
	in, err := c.StdinPipe()
	if err != nil {
		return ended{}, err
	}
	if err := c.Start(); err != nil {
		if ctx.Err() != nil {
			err = &source{ctx.Err()}
		}
		return ended{}, err
	}
	fed := make(chan error, 1)
	go func() { fed <- feed(in, j.stdin, c.Process.Pid) }()
	err = c.Wait()
	stop()
	if e := <-fed; e != nil {
		return ended{}, e
	}
	return j.judge(ctx, c, err, said)
}

func (j *job) judge(ctx context.Context, c *exec.Cmd, err error, said *head) (ended, error) {
	e := ended{code: c.ProcessState.ExitCode(), said: said.String()}
	var exit *exec.ExitError
	switch {
	case e.code < 0 && ctx.Err() != nil:
		e.why = "ended by us: " + context.Cause(ctx).Error()
	case e.code < 0:
		e.why = c.ProcessState.String()
	case errors.As(err, &exit), err == nil, j.stdout == nil:
		// What a program leaves behind may hold its standard error open: that says nothing of the message.
	default:
		return e, fmt.Errorf("its output: %w", err)
	}
	return e, nil
}

// feed writes the message to the program's standard input. A program need not read all of it; but it never
// sees an end that is not the message's: before that it is killed.
func feed(in io.WriteCloser, r io.Reader, pid int) error {
	u := &lf{to: in}
	from := &failing{r: r}
	_, err := io.CopyBuffer(struct{ io.Writer }{u}, from, make([]byte, 64<<10))
	if from.err != nil {
		syscall.Kill(-pid, syscall.SIGKILL)
		in.Close()
		return from.err
	}
	if err == nil {
		_ = u.end() // an error is the program's own will, as below
	}
	in.Close()
	return nil
}

// failing remembers that it failed.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// killed asks a process group to end, and makes it end a little later. stop is for when it has: the rest of
// the group goes at once.
func killed(pid int) (stop func()) {
	syscall.Kill(-pid, syscall.SIGTERM)
	later := time.AfterFunc(gentle-time.Second, func() { syscall.Kill(-pid, syscall.SIGKILL) })
	return func() {
		if later.Stop() {
			syscall.Kill(-pid, syscall.SIGKILL)
		}
	}
}

// environ is all that the program sees of the outside. Values are one line each. Some shells once took a
// value that begins with () for a function and ran what follows.
func (j *job) environ() []string {
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "SHELL=/bin/sh", "LANG=C",
		"HOME=" + j.who.home, "USER=" + j.who.name, "LOGNAME=" + j.who.name}
	if tz, ok := os.LookupEnv("TZ"); ok {
		env = append(env, "TZ="+tz)
	}
	for _, x := range [...][2]string{{"SENDER", "sender"}, {"RECIPIENT", "recipient"}, {"LOCAL", "local"},
		{"EXTENSION", "extension"}, {"DOMAIN", "domain"}, {"MAILDROP", "maildrop"}, {"FOLDER", "folder"}, {"QUEUE_ID", "id"}} {
		value, ok := j.words[x[1]]
		if !ok {
			continue
		}
		if x[1] == "folder" || x[1] == "maildrop" {
			value = tame(value)
		}
		if strings.HasPrefix(value, "()") {
			value = "_" + value[1:]
		}
		env = append(env, x[0]+"="+value)
	}
	return env
}

// head keeps the beginning of what is written.
type head struct {
	most int
	mu   sync.Mutex
	b    bytes.Buffer
}

// Write keeps what fits.
func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b.Write(p[:min(len(p), h.most-h.b.Len())])
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.TrimSpace(h.b.String())
}
