package local

import (
	"bytes"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// me is the user that the tests run as, by name: root has to be written.
func me(t testing.TB) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// options are what most tests want.
func options(t testing.TB) Options {
	t.Helper()
	return Options{User: me(t), Host: "mx.example", Dir: t.TempDir(), Trace: true, Since: time.Unix(1, 0)}
}

// open makes a client, or fails.
func open(t testing.TB) func(*Client, error) *Client {
	return func(c *Client, err error) *Client {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// restored is what a deliverer was given: without its Delivered-To, with CRLF.
func restored(text []byte) []byte {
	_, rest, ok := bytes.Cut(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), []byte("\r\n"))
	if !ok {
		return text
	}
	return rest
}

func TestContractMaildir(t *testing.T) {
	relaytest.Run(t, func(t *testing.T) relaytest.Harness {
		dir := t.TempDir()
		above := filepath.Join(dir, "mail")
		must(t, os.Mkdir(above, 0o700))
		must(t, os.WriteFile(filepath.Join(above, "later"), nil, 0o600)) // no directory
		return relaytest.Harness{
			Can: relaytest.Can{Many: true, Envelope: true, Lane: true}, Strip: restored, // no reverse-path: that is relay.Trace's
			Deliverer: func(testing.TB) mail.Deliverer {
				return open(t)(NewMaildir(Maildir{Options: options(t), Path: above + "/{local}", Create: true}))
			},
			Refused: ".hidden@relay.example", Later: "later@relay.example",
			Arrived: func(t testing.TB) []relaytest.Arrival { return maildirs(t, above) },
			Unreachable: func(t testing.TB) {
				must(t, os.Rename(above, above+".away"))
			},
		}
	})
}

// maildirs reads all Maildirs below a directory, by its own reckoning.
func maildirs(t testing.TB, above string) (all []relaytest.Arrival) {
	t.Helper()
	must(t, filepath.WalkDir(above, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		in := filepath.Base(filepath.Dir(path))
		if in == "tmp" {
			t.Errorf("%s was left behind", path)
		}
		if in != "new" && in != "cur" {
			return nil
		}
		text, err := os.ReadFile(path)
		all = append(all, arrival(t, text))
		return err
	}))
	return all
}

// arrival is a message with the envelope that its trace says.
func arrival(t testing.TB, text []byte) relaytest.Arrival {
	t.Helper()
	first, _, _ := bytes.Cut(text, []byte("\n"))
	to, ok := strings.CutPrefix(string(first), "Delivered-To: ")
	if !ok {
		t.Errorf("the first line is %.80q", first)
	}
	return relaytest.Arrival{From: "sender@origin.example", To: []mail.Path{mail.Path(to)}, Data: text}
}

func TestContractMbox(t *testing.T) {
	relaytest.Run(t, func(t *testing.T) relaytest.Harness {
		above := filepath.Join(t.TempDir(), "mail")
		must(t, os.Mkdir(above, 0o700))
		must(t, os.Symlink("/etc/passwd", filepath.Join(above, "later")))
		return relaytest.Harness{
			Can: relaytest.Can{Many: true, Envelope: true, Null: true, Lane: true}, Strip: restored,
			Deliverer: func(testing.TB) mail.Deliverer {
				return open(t)(NewMbox(Mbox{Options: options(t), Path: above + "/{local}", Create: true}))
			},
			Refused: ".hidden@relay.example", Later: "later@relay.example",
			Arrived:     func(t testing.TB) []relaytest.Arrival { return mboxes(t, above) },
			Unreachable: func(t testing.TB) { must(t, os.Rename(above, above+".away")) },
		}
	})
}

// mboxes reads all mboxes in a directory, and undoes the quoting, by its own reckoning.
func mboxes(t testing.TB, above string) (all []relaytest.Arrival) {
	t.Helper()
	list, err := os.ReadDir(above)
	must(t, err)
	for _, e := range list {
		if !e.Type().IsRegular() {
			continue
		}
		if strings.HasSuffix(e.Name(), ".lock") {
			t.Errorf("%s was left behind", e.Name())
		}
		text, err := os.ReadFile(filepath.Join(above, e.Name()))
		must(t, err)
		for _, m := range unboxed(t, text) {
			a := arrival(t, m.text)
			if a.From = mail.Path(m.sender); m.sender == "MAILER-DAEMON" {
				a.From = ""
			}
			all = append(all, a)
		}
	}
	return all
}

type boxed struct {
	sender string
	text   []byte
}

// unboxed reads an mbox of mboxrd.
func unboxed(t testing.TB, text []byte) (all []boxed) {
	t.Helper()
	blank := true
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("From ")) {
			f := strings.Fields(string(line))
			if !blank || len(f) != 7 {
				t.Errorf("line %q begins a message", line)
			}
			all = append(all, boxed{sender: f[1]})
			continue
		}
		blank = string(line) == "\n"
		if trimmed := bytes.TrimLeft(line, ">"); len(trimmed) < len(line) && bytes.HasPrefix(trimmed, []byte("From ")) {
			line = line[1:]
		}
		all[len(all)-1].text = append(all[len(all)-1].text, line...)
	}
	for i := range all {
		whole, ok := bytes.CutSuffix(all[i].text, []byte("\n\n"))
		if !ok {
			t.Errorf("message %d has no empty line behind it", i)
		}
		all[i].text = append(whole, '\n')
	}
	return all
}

// taker is a program that mail is given to: it writes what it sees into a file of a directory.
const taker = `#!/bin/sh
{ printf '%s\n%s\n' "$SENDER" "$RECIPIENT" && exec cat; } >"DIR/taken.$$" || exit 75
`

// takes writes the program.
func takes(t testing.TB, dir string) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(script, []byte(strings.ReplaceAll(taker, "DIR", dir)), 0o700))
	return script
}

func TestContractCommand(t *testing.T) {
	relaytest.Run(t, func(t *testing.T) relaytest.Harness {
		dir := t.TempDir()
		script := takes(t, dir)
		return relaytest.Harness{
			Can: relaytest.Can{Many: true, Envelope: true, Null: true, Lane: true}, Strip: restored,
			Deliverer: func(testing.TB) mail.Deliverer {
				return open(t)(NewCommand(Command{Options: options(t), Argv: []string{script, "{local}"}}))
			},
			Arrived: func(t testing.TB) (all []relaytest.Arrival) {
				list, err := os.ReadDir(dir)
				must(t, err)
				for _, e := range list {
					text, err := os.ReadFile(filepath.Join(dir, e.Name()))
					must(t, err)
					from, rest, _ := bytes.Cut(text, []byte("\n"))
					to, rest, _ := bytes.Cut(rest, []byte("\n"))
					a := arrival(t, rest)
					if a.From = mail.Path(from); a.To[0] != mail.Path(to) {
						t.Errorf("for %s, and Delivered-To: %s", to, a.To)
					}
					all = append(all, a)
				}
				return all
			},
			Unreachable: func(t testing.TB) { must(t, os.Remove(script)) },
		}
	})
}

// A filter that passes everything on keeps the contract of what is behind it.
func TestContractFilter(t *testing.T) {
	relaytest.Run(t, func(t *testing.T) relaytest.Harness {
		above := filepath.Join(t.TempDir(), "mail")
		must(t, os.Mkdir(above, 0o700))
		return relaytest.Harness{
			Can: relaytest.Can{Many: true, Envelope: true, Null: true, Lane: true}, Strip: restored,
			Deliverer: func(testing.TB) mail.Deliverer {
				to := open(t)(NewMbox(Mbox{Options: options(t), Path: above + "/{local}", Create: true}))
				f, err := NewFilter(to, FilterOptions{Argv: []string{"/bin/cat"}, User: me(t), Dir: t.TempDir()})
				must(t, err)
				return f
			},
			Refused:     ".hidden@relay.example",
			Arrived:     func(t testing.TB) []relaytest.Arrival { return mboxes(t, above) },
			Unreachable: func(t testing.TB) { must(t, os.Rename(above, above+".away")) },
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
