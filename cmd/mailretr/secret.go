package main

import (
	"bufio"
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
)

func newSecret(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "secret",
		Short: "Passwords in databases",
		Args:  cobra.NoArgs,
		RunE:  group,
	}
	var source, host, user string
	encrypt := &cobra.Command{
		Use:   "encrypt",
		Short: "Encrypt a password for a row of a source with a key",
		Long: "Reads a password from its input, one line, and writes it as the row of a source with key: may have it. It opens\n" +
			"for this host and user alone. Other programs can do the same: it is enc: and the base64 of a nonce of 12 octets,\n" +
			"the AES-256-GCM of the password and the tag of 16 octets; the additional data are the host in lower case, a line\n" +
			"feed, and the user.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.encrypt(c.Context(), source, host, user) },
	}
	f := encrypt.Flags()
	f.StringVar(&source, "source", "", "the `name` of the source; without it: the only one with a key")
	f.StringVar(&host, "host", "", "the `host` of the row")
	f.StringVar(&user, "user", "", "the `user` of the row")
	c.AddCommand(encrypt)
	return c
}

func (a *app) encrypt(ctx context.Context, source, host, user string) error {
	if host == "" || user == "" {
		return usage("secret encrypt: --host and --user have to be given", "write them as they stand in the row")
	}
	l := a.load(ctx)
	if l.err != nil {
		a.problems(l.problems)
		return l.err
	}
	var with []*conf.Source
	for _, s := range l.config.Asked() {
		if s.Key.Given() && (source == "" || s.Name == source) {
			with = append(with, s)
		}
	}
	if len(with) != 1 {
		return &control.Error{Code: control.Config, Text: "it is not clear with which key: one source is wanted that has key:",
			Hint: "name it with --source; make a key with: openssl rand -base64 32"}
	}
	key, err := conf.ReadSecretKey(ctx, with[0].Key)
	if err != nil {
		return &control.Error{Code: control.Config, Text: err.Error()}
	}
	text, err := bufio.NewReader(io.LimitReader(a.in, conf.MaxColumn)).ReadString('\n')
	text = strings.TrimRight(text, "\r\n")
	if err != nil && err != io.EOF {
		return err
	}
	if text == "" {
		return usage("secret encrypt: there is no password", "write it to the input")
	}
	a.out.Printf("%s\n", key.Seal(text, host, user))
	return nil
}
