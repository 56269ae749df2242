package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/store/badger"
)

// contentKeyFile is the key of the content keys, in the state directory.
const contentKeyFile = "content.key"

// backedUp are the files of the state directory, besides the store's own, that a backup has. oauth.key is not one: with it
// the backup would let whoever reads it sign in with the owners' providers. Nor is settings.key: with it passwords could be
// guessed by what is remembered of logins that were refused.
var backedUp = []string{contentKeyFile}

func newBackup(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE|-",
		Short: "Write a copy of the whole state to a file, while the daemon works",
		Long: "Writes queue, marks, status and counters as they are at one instant, to a new file, or to stdout for -.\n" +
			"The file is as private as the mail in it. The key of consents (oauth.key) is not part of it: without\n" +
			"that file maildrops with oauth: need a new mailretr login. The configuration is not part of it either.",
		Args: wants(1, "the file", 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.house(c.Context(), func(d *control.Client) error { return a.backup(c.Context(), d, args[0]) })
		},
	}
}

// A backedUpTo is the answer to a backup.
type backedUpTo struct {
	File   string `json:"file"`
	Octets int64  `json:"octets"`
}

func (a *app) backup(ctx context.Context, d *control.Client, file string) error {
	if file == "-" && (a.out.TTY || a.json) {
		return usage("a backup is no text", "write it to a file, or into a pipe, without --json")
	}
	from, err := d.Backup(ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	p := a.talk.Progress(a.json)
	n, err := a.backedUp(from, file, func(n int64) { p.Set("backup", term.Step{Octets: n}) })
	p.Close()
	switch {
	case err != nil || file == "-":
		return err
	case a.json:
		return a.line(backedUpTo{file, n})
	}
	a.talk.Printf("%s written to %s\n", term.Size(n), file)
	return nil
}

// backedUp writes the backup where it is wanted. A file is there only when it is whole.
func (a *app) backedUp(from io.Reader, file string, tell func(int64)) (n int64, err error) {
	write := func(w io.Writer) error {
		c := &counter{to: w, tell: tell}
		_, err := io.Copy(c, from)
		n = c.n
		return brokeOff(err)
	}
	if file == "-" {
		err = write(a.out.Writer)
	} else {
		err = put(file, write)
	}
	return n, err
}

func brokeOff(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &control.Error{Code: control.Tempfail, Text: "the backup broke off", Hint: "see the log of the daemon, and try again"}
	}
	return err
}

// A counter counts what is written.
type counter struct {
	to   io.Writer
	n    int64
	tell func(int64)
}

// Write writes and counts.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}

func newRestore(a *app) *cobra.Command {
	var release bool
	c := &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Make a state of a backup, where there is none",
		Long: "Reads what mailretr backup has written, into a state directory that is empty or missing; no daemon may\n" +
			"run. All messages are held, because each may have been delivered since the backup was made: look at\n" +
			"them, then say: mailretr queue release, or remove, --reason restored. With --release they are delivered\n" +
			"as if nothing had happened. Maildrops that keep their mail wait for: mailretr seen accept NAME.",
		Args: wants(1, "the backup", 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.restore(c.Context(), args[0], release)
		},
	}
	c.Flags().BoolVar(&release, "release", false, "deliver what is in the backup, also what may have been delivered since")
	return c
}

func (a *app) restore(ctx context.Context, file string, release bool) error {
	l := a.load(ctx)
	if l.err != nil {
		a.problems(l.problems)
		return l.err
	}
	from := a.in
	if file != "-" {
		f, err := opened(file)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	}
	p := a.talk.Progress(a.json)
	x := badger.Restore{Dir: l.config.State, Files: backedUp, Release: release, Tell: func(n int) {
		p.Set("restore", term.Step{Messages: int64(n)})
	}}
	m, err := x.Restore(ctx, bufio.NewReader(from))
	p.Close()
	switch {
	case err != nil:
		return unrestored(l.config.State, err)
	case a.json:
		return a.line(m)
	}
	if m.Missing > 0 {
		a.talk.Printf("the octets of %s were lost before the backup was made\n", term.Count(m.Missing, "message"))
	}
	how := "held: see them with mailretr queue, then say: mailretr queue release --reason restored"
	if release {
		how = "released"
	}
	a.talk.Printf("%s restored to %s, and %s\n", term.Count(m.Messages, "message"), l.config.State, how)
	return nil
}

// unrestored says why there is no state, and what to do.
func unrestored(dir string, err error) error {
	switch {
	case errors.Is(err, badger.ErrInUse):
		return opening(dir, err)
	case errors.Is(err, badger.ErrNotEmpty):
		return &exit{exCantCreat, &control.Error{Code: control.Usage, Text: err.Error(),
			Hint: "move " + filepath.Clean(dir) + " away, or set state: to another directory"}}
	case errors.Is(err, context.Canceled):
		return err
	}
	return &exit{exDataErr, err}
}
