package conf

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Secret says where a password is found. It is read at each login, so that it can be changed without a
// reload. However it is printed, formatted, logged or marshalled, it shows "***". The zero value is none.
type Secret struct {
	kind  string        // file, env, command, credential, plain
	ref   string        // path, variable or name of a credential
	argv  []string      // of command
	plain func() string // a function, because fmt looks into everything else, unexported or not
}

const (
	// MaxSecret bounds a secret, in octets; tokens are longer than passwords.
	MaxSecret = 64 << 10
	// SecretTimeout bounds the reading of a secret: a command may ask a password store.
	SecretTimeout = 30 * time.Second

	hidden = "***"
)

// SecretFile is read from a file; one line end at its end is not part of it.
func SecretFile(path string) Secret { return Secret{kind: "file", ref: path} }

// SecretEnv is the value of an environment variable.
func SecretEnv(name string) Secret { return Secret{kind: "env", ref: name} }

// SecretCommand is what a command writes; there is no shell.
func SecretCommand(argv ...string) Secret { return Secret{kind: "command", argv: argv} }

// SecretCredential is a systemd credential: a file of this name in $CREDENTIALS_DIRECTORY.
func SecretCredential(name string) Secret { return Secret{kind: "credential", ref: name} }

// SecretPlain is the secret itself, written in the configuration.
func SecretPlain(text string) Secret {
	return Secret{kind: "plain", plain: func() string { return text }}
}

// Given says whether there is one.
func (s Secret) Given() bool { return s.kind != "" }

// Plain says whether the secret itself stands in the configuration.
func (s Secret) Plain() bool { return s.kind == "plain" }

// Equal says whether two secrets are found in the same place, or are the same text.
func (s Secret) Equal(t Secret) bool {
	if s.kind != t.kind || s.ref != t.ref || !slices.Equal(s.argv, t.argv) {
		return false
	}
	return s.plain == nil || s.plain() == t.plain()
}

// Form returns which kind it is (file, env, command, credential, plain; "" for none) and where it is found:
// the path, the variable, the words of the command, the name. For plain it returns nothing.
func (s Secret) Form() (kind string, where []string) {
	switch s.kind {
	case "", "plain":
		return s.kind, nil
	case "command":
		return s.kind, slices.Clone(s.argv)
	}
	return s.kind, []string{s.ref}
}

// Source says where the secret is found, without the secret: "file /etc/x", "env X", "command pass".
func (s Secret) Source() string {
	switch s.kind {
	case "":
		return "none"
	case "plain":
		return "plain"
	case "command":
		return "command " + s.argv[0]
	}
	return s.kind + " " + s.ref
}

// String returns "***".
func (s Secret) String() string { return hidden }

// GoString returns "***".
func (s Secret) GoString() string { return hidden }

// Format writes "***", whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// MarshalJSON returns "***".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalText returns "***".
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalYAML returns "***".
func (s Secret) MarshalYAML() (any, error) { return hidden, nil }

// LogValue returns "***".
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// Resolve reads the secret. It takes at most SecretTimeout. An error names the place, never the secret. A
// secret that is empty, larger than MaxSecret, or holds CR, LF or NUL is an error: the last would end a
// command early.
func (s Secret) Resolve(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, SecretTimeout)
	defer cancel()
	text, err := s.read(ctx)
	if err != nil {
		return "", &unread{s, err}
	}
	switch {
	case text == "":
		return "", fmt.Errorf("the secret (%s) is empty", s.Source())
	case len(text) > MaxSecret:
		return "", fmt.Errorf("the secret (%s) is larger than %d octets", s.Source(), MaxSecret)
	case strings.ContainsAny(text, "\r\n\x00"):
		return "", fmt.Errorf("the secret (%s) has a line break or NUL inside", s.Source())
	}
	return text, nil
}

// Hash returns a keyed hash of the secret as it is now, to notice that it has changed. The key keeps a stolen
// hash from being a way to guess the secret.
func (s Secret) Hash(ctx context.Context, key []byte) ([32]byte, error) {
	text, err := s.Resolve(ctx)
	if err != nil {
		return [32]byte{}, err
	}
	h := hmac.New(sha256.New, key)
	io.WriteString(h, text)
	return [32]byte(h.Sum(nil)), nil
}

func (s Secret) read(ctx context.Context) (string, error) {
	switch s.kind {
	case "plain":
		return s.plain(), nil
	case "env":
		text, ok := os.LookupEnv(s.ref)
		if !ok {
			return "", errors.New("the variable is not set")
		}
		return text, nil
	case "file":
		return readSecret(ctx, s.ref)
	case "credential":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", errors.New("CREDENTIALS_DIRECTORY is not set; the unit needs LoadCredential=")
		}
		return readSecret(ctx, filepath.Join(dir, s.ref))
	case "command":
		return runSecret(ctx, s.argv)
	}
	return "", errors.New("none is configured")
}

// readSecret reads in the background, because a network file system may hang for ever.
func readSecret(ctx context.Context, path string) (string, error) {
	type answer struct {
		text string
		err  error
	}
	c := make(chan answer, 1)
	go func() {
		text, err := readFile(path)
		c <- answer{text, err}
	}()
	select {
	case a := <-c:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func readFile(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // O_NONBLOCK: a FIFO must not hold us
	if err != nil {
		return "", err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return "", err
	} else if !fi.Mode().IsRegular() {
		return "", errors.New("it is not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxSecret+3))
	return trimLine(b), err
}

// runSecret runs a command in a process group of its own, so that what it started ends with it.
func runSecret(ctx context.Context, argv []string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, talk := &capped{max: MaxSecret + 3}, &capped{max: 256}
	cmd.Stdout, cmd.Stderr = out, talk
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("the command did not end in time: %w", ctx.Err())
	}
	if err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(talk.kept.String()), "\n")
		if line == "" {
			return "", err
		}
		return "", fmt.Errorf("%w: %q", err, line)
	}
	return trimLine(out.kept.Bytes()), nil
}

// trimLine removes one line end.
func trimLine(b []byte) string {
	return string(bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r")))
}

// capped keeps the first octets that are written, and takes the rest without keeping it. The buffer is a
// field and not embedded: io.Copy would find its ReadFrom and go round the limit.
type capped struct {
	kept bytes.Buffer
	max  int
}

func (c *capped) Write(p []byte) (int, error) {
	if room := c.max - c.kept.Len(); room > 0 {
		c.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
