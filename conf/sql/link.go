package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"mailretr/conf"
)

// A link is one connection to a database, which is made when it is needed and kept until Close. It is for one goroutine at
// a time.
type link struct {
	kind   string
	secret conf.Secret

	db  *sql.DB
	dsn string // with which db was opened

	endless *atomic.Bool // an answer had no end
}

func linkOf(s conf.Source) (link, error) {
	if opens[s.Kind] == nil || s.SQL == nil {
		return link{}, fmt.Errorf("%q is no kind of database", s.Kind)
	}
	return link{kind: s.Kind, secret: s.SQL.DSN, endless: &atomic.Bool{}}, nil
}

// Close ends the connection; the next question makes another.
func (l *link) Close() error {
	if l.db == nil {
		return nil
	}
	db := l.db
	l.db, l.dsn = nil, ""
	return db.Close()
}

// open connects, if it is not connected with the same DSN already.
func (l *link) open(ctx context.Context) error {
	dsn, err := l.secret.Resolve(ctx)
	if err != nil {
		return err
	}
	if l.db != nil && l.dsn == dsn {
		return nil
	}
	// What the old connection says at its end helps nobody.
	_ = l.Close()
	db, err := opens[l.kind](dsn, l.endless)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	l.db, l.dsn = db, dsn
	return nil
}

// told is an error without the password of the database: a driver quotes what it could not parse.
func (l *link) told(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(conceal(tooMuch(err, l.endless).Error(), l.dsn))
}
