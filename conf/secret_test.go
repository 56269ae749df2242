package conf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const canary = "hunter2xyz"

// TestH3_SecretIsNeverPrinted prints a secret in every way there is, also from inside fields that fmt and
// others reach by reflection only.
func TestH3_SecretIsNeverPrinted(t *testing.T) {
	s := SecretPlain(canary)
	type inner struct{ secret Secret }
	c := Config{Maildrops: []*Maildrop{{Password: s}}, Deliver: []Destination{{Password: s}}}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "p", &s, "c", c, "in", inner{s})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "p", &s, "c", c, "in", inner{s})
	all := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		for _, v := range []any{s, &s, c, &c, []Secret{s}, map[string]Secret{"x": s}, inner{s}, &inner{s},
			[1]inner{{s}}} {
			all += fmt.Sprintf(verb, v)
		}
	}
	for _, v := range []any{s, &s, c, inner{s}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	y, _ := s.MarshalYAML()
	text, _ := s.MarshalText()
	all += fmt.Sprint(y, string(text), s.Source(), s.String(), s.GoString(), s.LogValue())
	hex := fmt.Sprintf("%x", canary)
	for _, bad := range []string{canary, hex, strings.ToUpper(hex), fmt.Sprint([]byte(canary))} {
		if strings.Contains(all, bad) {
			t.Errorf("%q is shown", bad)
		}
	}
}

func TestSecretSources(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	write("cred", "sesame\n")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("PASS", " sesame ")
	t.Setenv("LINES", "a\nb")
	for name, x := range map[string]struct {
		s          Secret
		want, fail string
	}{
		"file":        {SecretFile(write("a", "sesame\n")), "sesame", ""},
		"CRLF":        {SecretFile(write("b", "sesame\r\n")), "sesame", ""},
		"no line end": {SecretFile(write("c", "sesame")), "sesame", ""},
		"two lines":   {SecretFile(write("d", "sesame\n\n")), "", "line break"},
		"NUL":         {SecretFile(write("e", "ses\x00ame")), "", "NUL"},
		"empty":       {SecretFile(write("f", "\n")), "", "empty"},
		"longest": {SecretFile(write("g", strings.Repeat("x", MaxSecret)+"\n")), strings.Repeat("x",
			MaxSecret), ""},
		"too long":   {SecretFile(write("h", strings.Repeat("x", MaxSecret+1))), "", "larger"},
		"missing":    {SecretFile(filepath.Join(dir, "none")), "", "no such file"},
		"FIFO":       {SecretFile(fifo), "", "not a regular file"},
		"directory":  {SecretFile(dir), "", "not a regular file"},
		"env":        {SecretEnv("PASS"), " sesame ", ""},
		"env lines":  {SecretEnv("LINES"), "", "line break"},
		"env unset":  {SecretEnv("NONE_SUCH"), "", "not set"},
		"credential": {SecretCredential("cred"), "sesame", ""},
		"command":    {SecretCommand("printf", "%s\\n", "$HOME;x"), "$HOME;x", ""},
		"command fails": {SecretCommand("sh", "-c", "echo locked >&2; echo x; exit 3"), "",
			`exit status 3: "locked"`},
		"no command": {SecretCommand("/none/such"), "", "no such file"},
		"endless":    {SecretCommand("head", "-c", "1000000", "/dev/zero"), "", "larger"},
		"plain":      {SecretPlain("x y"), "x y", ""},
		"none":       {Secret{}, "", "none is configured"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := x.s.Resolve(t.Context())
			if got != x.want || (err == nil) != (x.fail == "") || err != nil && !strings.Contains(err.Error(),
				x.fail) {
				t.Errorf("%q, %v", got[:min(len(got), 50)], err)
			}
			if err != nil && strings.Contains(err.Error(), "sesame") {
				t.Errorf("the secret is shown: %v", err)
			}
		})
	}
}

// TestSecretCommandEnds: a command that hangs ends with what it started, and does not hold us.
func TestSecretCommandEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	file := filepath.Join(t.TempDir(), "pid")
	var pid string
	go func() {
		for ctx.Err() == nil && !strings.HasSuffix(pid, "\n") {
			b, _ := os.ReadFile(file) // not there yet
			pid = string(b)
			runtime.Gosched()
		}
		cancel()
	}()
	_, err := SecretCommand("sh", "-c", `sleep 100 & echo $! >"$0"; wait`, file).Resolve(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); alive(strings.TrimSpace(pid)); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("what the command started goes on")
		}
	}
}

// alive says whether a process runs; one that nobody has waited for yet does not.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestSecretHash(t *testing.T) {
	hash := func(s Secret, key string) [32]byte {
		h, err := s.Hash(t.Context(), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	a := hash(SecretPlain("a"), "k")
	if a != hash(SecretPlain("a"), "k") || a == hash(SecretPlain("b"), "k") || a == hash(SecretPlain("a"), "l") {
		t.Error("the hash does not tell them apart")
	}
	if _, err := SecretEnv("NONE_SUCH").Hash(t.Context(), nil); err == nil {
		t.Error("a secret that cannot be read has a hash")
	}
}
