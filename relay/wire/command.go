package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Commands are programs with their arguments, as the administrator wrote them: there is no shell, and nothing
// of a server, a message or a database is ever put into them.

// maxComplaint is how much of what a command writes to its standard error is kept: the end, because the
// reason stands last.
const maxComplaint = 1024

// parting is how long an end waits for what a command has to say.
const parting = time.Second

// prepare runs a command to its end, which has to be a success. What it leaves in the background goes on.
func prepare(ctx context.Context, argv []string, limit time.Duration) error {
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %v: %w", limit,
		os.ErrDeadlineExceeded))
	defer cancel()
	cmd := exec.CommandContext(limited, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = parting
	said := &complaint{}
	cmd.Stderr = said
	err := cmd.Run()
	switch {
	case limited.Err() != nil:
		err = context.Cause(limited)
	case errors.Is(err, exec.ErrWaitDelay): // it succeeded; something in the background has its standard error
		err = nil
	}
	return said.about(err)
}

// A command is a connection to the standard input and output of a program.
type command struct {
	*net.UnixConn
	name  string
	said  *complaint
	ended chan struct{} // closed when the program has been waited for
	err   error         // of the wait; valid then
	pid   int
	close sync.Once
}

// start runs a program in a process group of its own, so that what it starts ends with it.
func start(argv []string) (net.Conn, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := &command{UnixConn: ours, name: argv[0], said: &complaint{}, ended: make(chan struct{})}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, c.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = parting
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	c.pid = cmd.Process.Pid
	go func() {
		c.err = cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// socketPair returns two ends of a connection: a socket, because deadlines and Conn.Alive want one.
func socketPair() (ours *net.UnixConn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	mine := os.NewFile(uintptr(fds[0]), "command")
	theirs = os.NewFile(uintptr(fds[1]), "command")
	c, err := net.FileConn(mine)
	mine.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return c.(*net.UnixConn), theirs, nil
}

// Read turns the end into the reason for it, where the program failed.
func (c *command) Read(p []byte) (int, error) {
	n, err := c.UnixConn.Read(p)
	return n, c.reason(err)
}

// Write does the same.
func (c *command) Write(p []byte) (int, error) {
	n, err := c.UnixConn.Write(p)
	return n, c.reason(err)
}

func (c *command) reason(err error) error {
	if err != io.EOF && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	select {
	case <-c.ended:
	case <-time.After(parting):
		return err
	}
	var exit *exec.ExitError
	if errors.As(c.err, &exit) {
		return &ours{"dial", c.said.about(fmt.Errorf("%s ended: %w", c.name, c.err))}
	}
	return err
}

// Close ends the program and whatever it has started, and waits for it a moment.
func (c *command) Close() error {
	err := net.ErrClosed
	c.close.Do(func() {
		err = c.UnixConn.Close()
		if e := syscall.Kill(-c.pid, syscall.SIGKILL); e != nil && e != syscall.ESRCH {
			err = errors.Join(err, os.NewSyscallError("kill", e))
		}
		select {
		case <-c.ended:
		case <-time.After(parting):
		}
	})
	return err
}

// A complaint keeps the end of what is written to it. Safe for concurrent use.
type complaint struct {
	mu   sync.Mutex
	kept []byte
}

// Write takes all of p.
func (c *complaint) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, p[max(0, len(p)-maxComplaint):]...)
	if extra := len(c.kept) - maxComplaint; extra > 0 {
		c.kept = append(c.kept[:0], c.kept[extra:]...)
	}
	return len(p), nil
}

// about adds to an error what was complained of, on one line.
func (c *complaint) about(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var words []string
	for line := range strings.Lines(string(c.kept)) {
		if line = strings.TrimSpace(line); line != "" {
			words = append(words, line)
		}
	}
	if err == nil || len(words) == 0 {
		return err
	}
	text := strings.Join(words, "; ")
	return fmt.Errorf("%w: %s", err, printable([]byte(text[max(0, len(text)-maxComplaint):]), maxComplaint))
}
