package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where no daemon takes the message, sendmail says what is missing: the configuration, its repair, or the listener.
func TestSendmailSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, x := range []struct {
		config, via string
		why         error
		want        string
	}{
		{filepath.Join(dir, "none.yaml"), "", errors.New("dial"), "make one with mailretr init, add to it listen: [{smtp: unix:"},
		{filepath.Join(dir, "none.yaml"), "unix:here", errors.New("dial"), "start mailretr serve"},
		{file("wrong.yaml", "maildrops: [\n"), "", errors.New("dial"), "the configuration has mistakes, which mailretr check names"},
		{file("good.yaml", "{}"), "", errNoFront, "add to the configuration: listen: [{smtp: unix:"},
	} {
		a := newApp(strings.NewReader(""), os.Stdout, os.Stderr)
		a.config = x.config
		l := a.load(context.Background())
		err := (&submission{app: a, via: x.via}).away(&l, x.why)
		if got := hint(err); !strings.Contains(got, x.want) || code(err) != exTempFail {
			t.Errorf("%s: %d %q, want %q", x.config, code(err), got, x.want)
		}
	}
}
