package main

import (
	"context"
	_ "embed"
	"time"

	"github.com/spf13/cobra"

	"mailretr/conf"
	"mailretr/conf/ldap"
	"mailretr/conf/source"
	"mailretr/relay/wire"
)

func readLDAP(s conf.Source) (source.Reader, error) { return ldap.New(s, lineTo(s.LDAP)) }

// lineTo reaches the servers of a directory. The connection waits between two looks for as long as these are apart, and what bounds a look
// is its context.
func lineTo(l *conf.LDAP) ldap.Dial {
	return func(ctx context.Context, server string) (ldap.Line, error) {
		network, address, _, err := conf.Directory(server)
		if err != nil {
			return nil, err
		}
		const day = 24 * time.Hour
		c, err := wire.Dial(ctx, wire.Options{Network: network, Address: address, TLS: tlsOf(&l.TLS), Idle: 2 * day, Reply: 2 * day,
			Connect: 10 * time.Second, Handshake: 10 * time.Second})
		if err != nil {
			return nil, err
		}
		return c, nil
	}
}

var (
	//go:embed dist/mailretr.schema
	ldapSchema []byte
	//go:embed dist/mailretr.ldif
	ldapLDIF []byte
)

func newLDAP(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "ldap",
		Short: "Our own entries in a directory",
		Args:  cobra.NoArgs,
		RunE:  group,
	}
	var ldif bool
	schema := &cobra.Command{
		Use:   "schema",
		Short: "Write the schema of our own entries",
		Long: "Writes the object classes that preset: mailretr reads, for OpenLDAP: as its slapd.conf includes them, or with\n" +
			"--ldif as ldapadd takes them.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text := ldapSchema
			if ldif {
				text = ldapLDIF
			}
			_, err := a.stdout.Write(text)
			return err
		},
	}
	schema.Flags().BoolVar(&ldif, "ldif", false, "as an entry of cn=config")
	c.AddCommand(schema)
	return c
}
