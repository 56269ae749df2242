package sql

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"mailretr/conf"
)

// Changes says whether there is a query for rows that changed.
func (r *Reader) Changes() bool { return r.sql.Changed != "" }

// Changed returns the rows whose version is later than since, and how many rows there are in all.
func (r *Reader) Changed(ctx context.Context, since string) (some []*conf.Row, total int, err error) {
	err = r.ask(ctx, func(tx *sql.Tx) error {
		args := make([]any, r.changed.times)
		for i := range args {
			args[i] = since
		}
		rows, err := tx.QueryContext(ctx, r.changed.text, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		if err := r.each(rows, func(row *conf.Row) bool {
			some = append(some, row)
			return len(some) <= conf.MaxRows
		}); err != nil {
			return err
		}
		if len(some) > conf.MaxRows {
			return errors.New("there are too many rows")
		}
		rows.Close() // before the next question on the same connection
		return tx.QueryRowContext(ctx, counting(r.sql.Query), r.args()...).Scan(&total)
	})
	return some, total, err
}

// counting makes a query for the number of rows of another; what is a comment at its end stays one.
func counting(query string) string {
	return "SELECT COUNT(*) FROM (" + strings.TrimRight(query, "; \t\r\n") + "\n) q"
}
