// Package sql asks databases for maildrops: MySQL and MariaDB, PostgreSQL, and SQLite, which it only reads.
//
// It promises that it only reads (in a transaction that says so), on one connection, that nothing a row says ever becomes
// part of a query, that a value which is too long or no text is named with its row and harms no other, and that no text
// of an error has the password of the database. What is read at once is bounded: presets let the server shorten what is too
// long; where a query does not, a row of PostgreSQL or a value of SQLite may have 16 MB and an answer of MySQL 256 MB, above which
// the question fails and the last good set goes on. It leaves what the columns mean to package conf, and when to ask, and what
// an error changes, to package conf/source.
//
// Any schema can be asked, by a query whose columns are named as conf.Columns; for tables that people have there are
// presets.
//
// [Lookup] asks about one value at a time, of a user or an address.
//
// Read [Reader.Rows] first.
package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"modernc.org/sqlite"

	"mailretr/conf"
)

// A Reader asks one database. It is for one goroutine at a time, and keeps its connection until Close.
type Reader struct {
	link
	sql     conf.SQL
	changed question // of sql.Changed
}

// New returns the reader of a source of kind mysql, postgres or sqlite. It connects when it is first asked.
func New(s conf.Source) (*Reader, error) {
	l, err := linkOf(s)
	if err != nil {
		return nil, err
	}
	q := *s.SQL
	if q.Preset != "" {
		p, err := presetOf(q.Preset, s.Kind)
		if err != nil {
			return nil, err
		}
		q.Query, q.Version, q.Changed = p.query, p.version, p.changed
	}
	r := &Reader{link: l, sql: q}
	if q.Changed != "" {
		if r.changed, err = named(s.Kind, q.Changed, strings.TrimPrefix(conf.Since, ":")); err != nil {
			return nil, fmt.Errorf("changed: %w", err)
		}
	}
	return r, nil
}

// ask runs f in a transaction that can only read.
func (r *Reader) ask(ctx context.Context, f func(*sql.Tx) error) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	return r.told(reading(ctx, r.kind, r.db, f))
}

// reading runs f in a transaction that can only read.
func reading(ctx context.Context, kind string, db *sql.DB, f func(*sql.Tx) error) error {
	begin := db.BeginTx // tries another connection where one is stale
	if kind == "sqlite" {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		// What is said at the end of what was read helps nobody.
		defer func() { _ = c.Close() }()
		if _, err := sqlite.Limit(c, limitLength, maxRow); err != nil {
			return err
		}
		begin = c.BeginTx
	}
	tx, err := begin(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	err = f(tx)
	// Nothing was written; that the end of it fails changes nothing.
	_ = tx.Rollback()
	return err
}

// args are the parameters of the query.
func (r *Reader) args() []any {
	if r.sql.Preset == "ispconfig" {
		return []any{r.sql.Server, r.sql.Server}
	}
	return nil
}

// Version returns the one value of the version query; "" where there is none.
func (r *Reader) Version(ctx context.Context) (version string, err error) {
	if r.sql.Version == "" {
		return "", nil
	}
	err = r.ask(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, r.sql.Version)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values, ptrs := scanned(len(columns))
		for rows.Next() {
			if err := rows.Scan(ptrs...); err != nil {
				return err
			}
			for _, v := range values {
				version += string(v) + "\x00"
			}
			if len(version) > conf.MaxColumn {
				return errors.New("the version query yields too much: one value that changes with the rows is wanted")
			}
		}
		return rows.Err()
	})
	return version, err
}

func scanned(n int) (values []sql.RawBytes, ptrs []any) {
	values = make([]sql.RawBytes, n)
	for i := range values {
		ptrs = append(ptrs, &values[i])
	}
	return values, ptrs
}

// Rows yields what the query finds.
func (r *Reader) Rows(ctx context.Context) iter.Seq2[*conf.Row, error] {
	return func(yield func(*conf.Row, error) bool) {
		more := true
		err := r.ask(ctx, func(tx *sql.Tx) error {
			rows, err := tx.QueryContext(ctx, r.sql.Query, r.args()...)
			if err != nil {
				return err
			}
			defer rows.Close()
			return r.each(rows, func(row *conf.Row) bool {
				more = yield(row, nil)
				return more
			})
		})
		if err != nil && more {
			yield(nil, err)
		}
	}
}

// each reads the rows of an answer.
func (r *Reader) each(rows *sql.Rows, yield func(*conf.Row) bool) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for i := range columns {
		columns[i] = strings.ToLower(columns[i])
	}
	if err := fitting(columns); err != nil {
		return err
	}
	if r.sql.Changed != "" && !slices.Contains(columns, "version") {
		return errors.New("the query has no column \"version\", by which changed: asks; name one of its columns so (AS)")
	}
	values, ptrs := scanned(len(columns))
	for n := 1; rows.Next(); n++ {
		if err := rows.Scan(ptrs...); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
		if !yield(rowOf(columns, values, n)) {
			return nil
		}
	}
	return rows.Err()
}

// needed are the columns without which no row makes a maildrop.
var needed = []string{"host", "user", "password", "recipient"}

// fitting says what is wrong with the names of the columns.
func fitting(columns []string) error {
	for i, c := range columns {
		switch {
		case !slices.Contains(conf.Columns, c):
			return fmt.Errorf("the query has a column %q; name its columns (AS) as in: %s", c, strings.Join(conf.Columns, ", "))
		case slices.Contains(columns[:i], c):
			return fmt.Errorf("the query has two columns %q", c)
		}
	}
	for _, c := range needed {
		if !slices.Contains(columns, c) {
			return fmt.Errorf("the query has no column %q; name one of its columns so (AS)", c)
		}
	}
	return nil
}

// rowOf is the n-th row. NULL is nothing.
func rowOf(columns []string, values []sql.RawBytes, n int) *conf.Row {
	r, id := &conf.Row{}, ""
	for i, c := range columns {
		switch {
		case values[i] == nil:
		case len(values[i]) > conf.MaxColumn:
			r.Set(c, tooLong)
		default:
			r.Set(c, string(values[i]))
		}
		if c == "id" || c == "name" && id == "" {
			id = r.Columns[c]
		}
	}
	if id == "" {
		id = fmt.Sprintf("number %d", n)
	}
	r.Call(id)
	return r
}

// tooLong stands for what need not be copied to be refused.
var tooLong = strings.Repeat("x", conf.MaxColumn+1)
