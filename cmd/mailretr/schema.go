package main

import (
	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf/sql"
)

func newSQL(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "sql",
		Short: "Our own tables in a database",
		Args:  cobra.NoArgs,
		RunE:  group,
	}
	var mysql, postgres, sqlite bool
	var since int
	schema := &cobra.Command{
		Use:   "schema",
		Short: "Write the statements that make our own tables",
		Long: "Writes the statements that make the table that preset: mailretr reads, and the table into which status: of a\n" +
			"source writes how maildrops are (not for SQLite, which is only read). They may be run again; each migration\n" +
			"begins with its number, and --since leaves out those up to one that was run already.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			kind := "mysql"
			switch {
			case postgres:
				kind = "postgres"
			case sqlite:
				kind = "sqlite"
			}
			text, err := sql.Schema(kind, since)
			if err != nil {
				return &control.Error{Code: control.Internal, Text: err.Error()}
			}
			_, err = a.stdout.Write([]byte(text))
			return err
		},
	}
	f := schema.Flags()
	f.BoolVar(&mysql, "mysql", false, "for MySQL or MariaDB (the default)")
	f.BoolVar(&postgres, "postgres", false, "for PostgreSQL")
	f.BoolVar(&sqlite, "sqlite", false, "for SQLite")
	f.IntVar(&since, "since", 0, "only the migrations after this `number`")
	schema.MarkFlagsMutuallyExclusive("mysql", "postgres", "sqlite")
	c.AddCommand(schema)
	return c
}
