package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mailretr/conf"
)

// MaxFound is how many rows a [Lookup] takes; more are an error.
const MaxFound = 100

// A Lookup asks a database the same question about one value or another: what is kept of a user, say. It only reads. Safe
// for concurrent use.
type Lookup struct {
	Longest int // octets of a value; NewLookup sets conf.MaxColumn. Not changed once it is used

	kind string
	dsn  conf.Secret
	question

	endless atomic.Bool // an answer had no end

	mu   sync.Mutex
	db   *sql.DB
	with string // the DSN of db
}

// NewLookup returns a lookup in a database of kind mysql, postgres or sqlite; the query has :name where the value belongs,
// without quotes around it. It connects when it is first asked.
func NewLookup(kind string, dsn conf.Secret, query, name string) (*Lookup, error) {
	if opens[kind] == nil {
		return nil, fmt.Errorf("%q is no kind of database", kind)
	}
	q, err := named(kind, query, name)
	if err != nil {
		return nil, err
	}
	return &Lookup{Longest: conf.MaxColumn, kind: kind, dsn: dsn, question: q}, nil
}

// Close ends the connections.
func (l *Lookup) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.db == nil {
		return nil
	}
	db := l.db
	l.db, l.with = nil, ""
	return db.Close()
}

// opened is the database, with the DSN as it is now.
func (l *Lookup) opened(ctx context.Context) (*sql.DB, string, error) {
	dsn, err := l.dsn.Resolve(ctx)
	if err != nil {
		return nil, "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.db != nil && l.with == dsn {
		return l.db, dsn, nil
	}
	db, err := opens[l.kind](dsn, &l.endless)
	if err != nil {
		return nil, dsn, err
	}
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(time.Minute)
	if l.db != nil {
		// What the old connections say at their end helps nobody.
		_ = l.db.Close()
	}
	l.db, l.with = db, dsn
	return db, dsn, nil
}

// Find returns the rows of the answer for a value, by the names of their columns in lower case; what is NULL is left out.
// No text of an error has the password of the database.
func (l *Lookup) Find(ctx context.Context, value string) (found []map[string]string, err error) {
	db, dsn, err := l.opened(ctx)
	if err != nil {
		return nil, err
	}
	err = reading(ctx, l.kind, db, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, l.text, slices.Repeat([]any{value}, l.times)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		found, err = gathered(rows, l.Longest)
		return err
	})
	if err != nil {
		return nil, errors.New(conceal(tooMuch(err, &l.endless).Error(), dsn))
	}
	return found, nil
}

func gathered(rows *sql.Rows, longest int) (found []map[string]string, err error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, ptrs := scanned(len(columns))
	for rows.Next() {
		if len(found) == MaxFound {
			return nil, fmt.Errorf("the query finds more than %d rows", MaxFound)
		}
		if err := rows.Scan(ptrs...); err != nil {
			return nil, err
		}
		row := map[string]string{}
		for i, c := range columns {
			switch {
			case values[i] == nil:
			case len(values[i]) > longest:
				return nil, fmt.Errorf("its column %q is longer than %d octets", c, longest)
			default:
				row[strings.ToLower(c)] = string(values[i])
			}
		}
		found = append(found, row)
	}
	return found, rows.Err()
}
