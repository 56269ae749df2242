package sql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mailretr/conf"
)

// A Report is how a maildrop is, for the panel in which its row was written.
type Report struct {
	ID    string    // of the row
	At    time.Time // when it was visited last
	Well  bool
	State string // in one word
	Text  string // sentences
}

// A Panel writes reports into the columns that a panel has for them. It is for one goroutine at a time, and keeps its
// connection until Close.
type Panel struct {
	link
	table board

	found []string // the columns that are there; nil: nobody has looked
}

// A board is the table of a panel with the columns in which its users look.
type board struct {
	table, id string
	columns   []posted
}

// A posted is a column with what is written there.
type posted struct {
	name  string
	value func(*Report) any
}

// boards are known by their presets. ISPConfig has no such column, our own table has mailretr_status beside it.
var boards = map[string]board{
	"postfixadmin": {"fetchmail", "id", []posted{{"date", at}, {"returned_text", sentence}}},
	// What its own poller would write stays empty where all is well.
	"mailu": {"fetch", "id", []posted{{"last_check", at}, {"error", trouble}}},
	"mailcow": {"imapsync", "id", []posted{{"last_run", at}, {"returned_text", sentence}, {"success", success},
		{"exit_status", exitStatus}}},
}

func at(r *Report) any       { return instant(r.At) }
func sentence(r *Report) any { return plain(r.Text) }

func trouble(r *Report) any {
	if r.Well {
		return nil
	}
	return plain(r.Text)
}

func success(r *Report) any {
	if r.Well {
		return 1
	}
	return 0
}

// exitStatus is what mailcow shows as the word of imapsync.
func exitStatus(r *Report) any {
	if r.Well {
		return "EX_OK"
	}
	return plain(r.State)
}

// maxReport is the length of a text, in octets: Mailu's column has 1023 characters.
const maxReport = 1000

// plain is a text that fits into any of those columns, some of which are in Latin-1.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxReport)]
}

// NewPanel returns the panel of a source with a preset that has columns for it. It connects when it is first used.
func NewPanel(s conf.Source) (*Panel, error) {
	l, err := linkOf(s)
	if err != nil {
		return nil, err
	}
	b, known := boards[s.SQL.Preset]
	if !known || s.Kind == "sqlite" {
		return nil, fmt.Errorf("%s has no columns for a status", s.SQL.Preset)
	}
	return &Panel{link: l, table: b}, nil
}

// Close ends the connection; the columns are looked for anew with the next one.
func (p *Panel) Close() error {
	p.found = nil
	return p.link.Close()
}

// Check says whether there are columns that can be written. It writes nothing.
func (p *Panel) Check(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	if p.found != nil {
		return nil
	}
	query := "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?"
	if p.kind == "postgres" {
		query = "SELECT column_name FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false)) AND table_name = $1"
	}
	rows, err := p.db.QueryContext(ctx, query, p.table.table)
	if err != nil {
		return p.told(err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return p.told(err)
		}
		found = append(found, strings.ToLower(name))
	}
	if err := rows.Err(); err != nil {
		return p.told(err)
	}
	if len(p.table.present(found)) == 0 {
		var names []string
		for _, c := range p.table.columns {
			names = append(names, c.name)
		}
		return fmt.Errorf("the table %s has no column for a status, or our user may not see it: %s", p.table.table,
			strings.Join(names, ", "))
	}
	p.found = found
	return nil
}

// present are the columns that are there.
func (b *board) present(found []string) (list []posted) {
	for _, c := range b.columns {
		if slices.Contains(found, c.name) {
			list = append(list, c)
		}
	}
	return list
}

// Put writes reports; of a row that is gone it says nothing. After an error none was written.
func (p *Panel) Put(ctx context.Context, list []Report) error {
	for some := range slices.Chunk(list, most) {
		if err := p.put(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (p *Panel) put(ctx context.Context, list []Report) error {
	if err := p.Check(ctx); err != nil {
		return err
	}
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return p.told(err)
	}
	// After the commit there is nothing to undo.
	defer func() { _ = tx.Rollback() }()
	columns := p.table.present(p.found)
	s, err := tx.PrepareContext(ctx, p.update(columns))
	if err != nil {
		return p.told(err)
	}
	defer s.Close()
	for i := range list {
		id, err := strconv.ParseInt(list[i].ID, 10, 64)
		if err != nil {
			continue // the keys of these tables are numbers, so that it is no row of theirs
		}
		var args []any
		for _, c := range columns {
			args = append(args, c.value(&list[i]))
		}
		if _, err := s.ExecContext(ctx, append(args, id)...); err != nil {
			return p.told(err)
		}
	}
	return p.told(tx.Commit())
}

// update is the statement that writes one row. It keeps the time at which the row was changed, which the database would set
// by itself: else each report would look as if somebody had edited the row, and make all be read again.
func (p *Panel) update(columns []posted) string {
	marks, quote := places{kind: p.kind}, `"`
	if p.kind == "mysql" {
		quote = "`"
	}
	var set []string
	for _, c := range columns {
		set = append(set, quote+c.name+quote+" = "+marks.next(1))
	}
	for _, c := range []string{"modified", "updated_at"} {
		if slices.Contains(p.found, c) {
			set = append(set, c+" = "+c)
		}
	}
	return "UPDATE " + quote + p.table.table + quote + " SET " + strings.Join(set, ", ") +
		" WHERE " + p.table.id + " = " + marks.next(1)
}
