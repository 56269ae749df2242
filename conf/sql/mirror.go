package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"mailretr/conf"
)

// A Status is how one maildrop is, as a row of the table mailretr_status. Zero times and empty texts become NULL. Texts are
// UTF-8 without controls; those that a server or a message had a part in are bounded by who made them.
type Status struct {
	Maildrop    string
	Source, Row string // where its entry stands, in the words of the source; "": in a file

	State, Words, Class, Advice, Said, Cause string

	Failures                                        int
	Since, LastAttempt, LastSuccess, LastMail, Next time.Time
	Waiting, Collected                              int // messages
	WaitingOctets, CollectedOctets, Up, Down        int64
	Saved, Wasted                                   int64
	Recent                                          string // JSON: the last messages, and what became of them
	Updated                                         time.Time
}

// A Mirror writes how maildrops are into the table mailretr_status, which `mailretr sql schema` makes. It is for one
// goroutine at a time, and keeps its connection until Close.
type Mirror struct {
	link
	reporter string
}

// statusTable is its name.
const statusTable = "mailretr_status"

// A field is a column of the table with what is written there.
type field struct {
	name  string
	value func(*Status) any
}

// fields are the columns but for reporter and maildrop, which are the key.
var fields = []field{
	{"source", func(s *Status) any { return orNull(s.Source) }},
	{"row_id", func(s *Status) any { return key(s.Row) }},
	{"state", func(s *Status) any { return s.State }},
	{"words", func(s *Status) any { return s.Words }},
	{"class", func(s *Status) any { return orNull(s.Class) }},
	{"since", func(s *Status) any { return instant(s.Since) }},
	{"advice", func(s *Status) any { return orNull(s.Advice) }},
	{"said", func(s *Status) any { return orNull(s.Said) }},
	{"cause", func(s *Status) any { return orNull(s.Cause) }},
	{"failures", func(s *Status) any { return s.Failures }},
	{"last_attempt", func(s *Status) any { return instant(s.LastAttempt) }},
	{"last_success", func(s *Status) any { return instant(s.LastSuccess) }},
	{"last_mail", func(s *Status) any { return instant(s.LastMail) }},
	{"next_attempt", func(s *Status) any { return instant(s.Next) }},
	{"waiting", func(s *Status) any { return s.Waiting }},
	{"waiting_octets", func(s *Status) any { return s.WaitingOctets }},
	{"collected", func(s *Status) any { return s.Collected }},
	{"collected_octets", func(s *Status) any { return s.CollectedOctets }},
	{"line_up", func(s *Status) any { return s.Up }},
	{"line_down", func(s *Status) any { return s.Down }},
	{"saved_octets", func(s *Status) any { return s.Saved }},
	{"wasted_octets", func(s *Status) any { return s.Wasted }},
	{"recent", func(s *Status) any { return orNull(s.Recent) }},
	{"updated", func(s *Status) any { return instant(s.Updated) }},
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// mostKey is the length of the column of row_id, in characters.
const mostKey = 255

// key is what a row is called. One that does not fit is left away: a part of it may be the name of another row, and the
// whole would keep the status of all others from being written.
func key(s string) any {
	if utf8.RuneCountInString(s) > mostKey {
		return nil
	}
	return orNull(s)
}

// instant is a time as columns of whole seconds have it.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Truncate(time.Second)
}

// NewMirror returns the mirror in the database of a source; reporter tells the rows of one mailretr from those of others
// that write into the same table. It connects when it is first used.
func NewMirror(s conf.Source, reporter string) (*Mirror, error) {
	if s.Kind != "mysql" && s.Kind != "postgres" {
		return nil, fmt.Errorf("%s has no table %s", s.Kind, statusTable)
	}
	l, err := linkOf(s)
	return &Mirror{l, reporter}, err
}

// most bounds the rows of one statement, with less than 65,536 values.
const most = 100

// Put writes rows, those that are there already in their places. After an error it is not known which were written; to
// write them again does no harm.
func (m *Mirror) Put(ctx context.Context, list []Status) error {
	if err := m.open(ctx); err != nil {
		return err
	}
	for some := range slices.Chunk(list, most) {
		args := make([]any, 0, len(some)*(len(fields)+2))
		for i := range some {
			args = append(args, m.reporter, some[i].Maildrop)
			for _, f := range fields {
				args = append(args, f.value(&some[i]))
			}
		}
		if _, err := m.db.ExecContext(ctx, m.upsert(len(some)), args...); err != nil {
			return m.missing(err)
		}
	}
	return nil
}

// upsert is the statement that writes n rows.
func (m *Mirror) upsert(n int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + statusTable + " (reporter, maildrop")
	for _, f := range fields {
		b.WriteString(", " + f.name)
	}
	b.WriteString(") VALUES ")
	p := places{kind: m.kind}
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(" + p.next(len(fields)+2) + ")")
	}
	set := " ON DUPLICATE KEY UPDATE "
	new := "%[1]s = VALUES(%[1]s)"
	if m.kind == "postgres" {
		set, new = " ON CONFLICT (reporter, maildrop) DO UPDATE SET ", "%[1]s = excluded.%[1]s"
	}
	for i, f := range fields {
		if i > 0 {
			set = ", "
		}
		fmt.Fprintf(&b, set+new, f.name)
	}
	return b.String()
}

// Remove removes the rows of these maildrops; those that are not there do no harm.
func (m *Mirror) Remove(ctx context.Context, names []string) error {
	if err := m.open(ctx); err != nil {
		return err
	}
	for some := range slices.Chunk(names, most) {
		p, args := places{kind: m.kind}, []any{m.reporter}
		for _, name := range some {
			args = append(args, name)
		}
		query := "DELETE FROM " + statusTable + " WHERE reporter = " + p.next(1) + " AND maildrop IN (" + p.next(len(some)) + ")"
		if _, err := m.db.ExecContext(ctx, query, args...); err != nil {
			return m.missing(err)
		}
	}
	return nil
}

// Names returns the maildrops of which there are rows of this reporter.
func (m *Mirror) Names(ctx context.Context) (names []string, err error) {
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	p := places{kind: m.kind}
	rows, err := m.db.QueryContext(ctx, "SELECT maildrop FROM "+statusTable+" WHERE reporter = "+p.next(1), m.reporter)
	if err != nil {
		return nil, m.missing(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, m.told(err)
		}
		if names = append(names, name); len(names) > conf.MaxRows {
			return nil, fmt.Errorf("%s has more than %d rows of ours", statusTable, conf.MaxRows)
		}
	}
	return names, m.told(rows.Err())
}

// Check says whether the table is there, with its columns. It writes nothing.
func (m *Mirror) Check(ctx context.Context) error {
	if err := m.open(ctx); err != nil {
		return err
	}
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(", " + f.name)
	}
	rows, err := m.db.QueryContext(ctx, "SELECT reporter, maildrop"+b.String()+" FROM "+statusTable+" WHERE 1 = 0")
	if err != nil {
		return m.missing(err)
	}
	return m.told(errors.Join(rows.Err(), rows.Close()))
}

// missing says of a table or column that is not there what makes it.
func (m *Mirror) missing(err error) error {
	var my *mysql.MySQLError
	var pg *pgconn.PgError
	absent := errors.As(err, &my) && (my.Number == 1146 || my.Number == 1054) ||
		errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "42703")
	if err = m.told(err); absent {
		return fmt.Errorf("%w; what makes it: mailretr sql schema --%s", err, m.kind)
	}
	return err
}

// places are the marks of a statement that stand for values.
type places struct {
	kind string
	n    int
}

// next returns n more, with commas.
func (p *places) next(n int) string {
	var list []string
	for range n {
		p.n++
		mark := "?"
		if p.kind == "postgres" {
			mark = fmt.Sprintf("$%d", p.n)
		}
		list = append(list, mark)
	}
	return strings.Join(list, ", ")
}
