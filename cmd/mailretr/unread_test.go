package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
)

// A configuration that cannot be read does not say where its daemon answers: what answers at the usual place is asked only
// if it was started with that file.
func TestUnreadConfigurationAsksNoOtherDaemon(t *testing.T) {
	dir := t.TempDir()
	mine, other := filepath.Join(dir, "mine.yaml"), filepath.Join(dir, "other.yaml")
	text := "hostname: mail.kroon.co.za\nsocket: " + filepath.Join(dir, "mine.sock") + "\nmaildrops: [\n"
	for _, f := range []string{mine, other} {
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	usual := filepath.Join(dir, "usual.sock")
	served := &conf.Config{State: filepath.Join(dir, "state")}
	served.At.Self.File = other
	socket, err := control.Listen(usual)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	house := control.House{Config: func() *conf.Config { return served }}
	go func() { ended <- (&control.Server{House: house}).Serve(ctx, socket) }()
	defer func() { stop(); <-ended }()

	ask := func(file string) (asked bool, err error) {
		a := newApp(strings.NewReader(""), os.Stdout, os.Stderr)
		a.config = file
		l := a.load(t.Context())
		l.paths.Socket, l.config.Socket = usual, "" // as it is where the file says nothing that can be read
		_, err = a.daemon(t.Context(), &l, func(*control.Client) error { asked = true; return nil })
		return asked, err
	}
	asked, err := ask(mine)
	var e *control.Error
	if asked || !errors.As(err, &e) || e.Code != control.Config {
		t.Fatalf("asked %v, %v", asked, err)
	}
	for _, want := range []string{mine + ":3:1", "this is not YAML", "cannot be read"} {
		if !strings.Contains(e.Text, want) {
			t.Errorf("no %q in %q", want, e.Text)
		}
	}
	if !strings.Contains(e.Hint, "mailretr check") || !strings.Contains(e.Hint, other) {
		t.Errorf("hint: %q", e.Hint)
	}
	if asked, err := ask(other); !asked || err != nil {
		t.Errorf("the daemon of the same file: asked %v, %v", asked, err)
	}
}
