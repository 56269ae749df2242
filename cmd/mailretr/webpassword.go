package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	xterm "golang.org/x/term"

	"mailretr/cmd/mailretr/signin"
	"mailretr/relay/passwd"
)

func newWeb(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "web",
		Short: "The web page",
		Args:  cobra.NoArgs,
		RunE:  group,
	}
	c.AddCommand(&cobra.Command{
		Use:   "password",
		Short: "Make the hash of a password, for a user of the web page",
		Long: "Reads a password, from the terminal or as one line of the input, and writes its hash (Argon2id), as password: of\n" +
			"a user below web: users: has it.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.hashPassword() },
	})
	return c
}

func (a *app) hashPassword() error {
	password, err := a.newPassword()
	switch {
	case err != nil:
		return err
	case !signin.Proper(password):
		return usage("web password: this can be no password",
			"it has 1 to 1024 octets, in UTF-8, and no control characters")
	}
	a.out.Printf("%s\n", passwd.Make(password))
	return nil
}

// newPassword reads a password: from a terminal twice, and unseen.
func (a *app) newPassword() (string, error) {
	f, ok := a.in.(*os.File)
	if !ok || !xterm.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(a.in, 4096)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var said [2]string
	for i, question := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(a.stderr, question)
		b, err := xterm.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.stderr)
		if err != nil {
			return "", err
		}
		said[i] = string(b)
	}
	if said[0] != said[1] {
		return "", usage("web password: the two are not the same", "type it again")
	}
	return said[0], nil
}
