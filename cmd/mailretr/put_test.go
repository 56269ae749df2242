package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestPut(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "file"), filepath.Join(t.TempDir(), "victim")
	says := func(text string, then error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return errors.Join(err, then)
		}
	}
	stands := func(want string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil || string(b) != want {
			t.Errorf("%q, %v; want %q", b, err, want)
		}
		if list, _ := os.ReadDir(dir); len(list) != 1 {
			t.Errorf("there are %v", list)
		}
		if fi, err := os.Lstat(path); err != nil || fi.Mode() != 0o600 {
			t.Errorf("%v %v", fi, err)
		}
	}
	if err := os.WriteFile(victim, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	if err := put(path, says("first", nil)); err != nil {
		t.Fatal(err)
	}
	stands("first")
	if b, _ := os.ReadFile(victim); string(b) != "theirs" {
		t.Errorf("the victim has %q", b)
	}
	cut := errors.New("the line was cut")
	if err := put(path, says("half", cut)); !errors.Is(err, cut) {
		t.Error(err)
	}
	stands("first")
	if err := put(filepath.Join(dir, "none", "file"), says("x", nil)); code(err) != exCantCreat {
		t.Error(err)
	}
}

// The key outlives a restart, and one that is damaged is not made anew: what it has marked would be collected again.
func TestContentKey(t *testing.T) {
	dir := t.TempDir()
	first, err := contentKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := contentKey(dir); again != first || err != nil {
		t.Errorf("the key has changed: %v", err)
	}
	if other, err := contentKey(t.TempDir()); other == first || err != nil {
		t.Errorf("two states have one key: %v", err)
	}
	if err := os.Truncate(filepath.Join(dir, contentKeyFile), 31); err != nil {
		t.Fatal(err)
	}
	if _, err := contentKey(dir); err == nil {
		t.Error("a damaged key is taken")
	}
}
