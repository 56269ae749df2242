package term

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"mailretr/store/mail"
)

// maxCell bounds a cell, in octets: an address or a reply fits, a hostile one is cut.
const maxCell = 512

// screenful is how many rows are aligned with each other. A list of 100,000 is shown as it comes and never
// kept.
const screenful = 500

// A Table writes rows: aligned on a terminal, with single tabs elsewhere, where the head is left out so
// that cut and awk see nothing but rows. Flush ends it.
type Table struct {
	o     *Out
	head  []string
	right []bool // by column: numbers stand under each other
	rows  []row
	err   error
	done  bool // the head was written
}

type row struct {
	cells  []string
	colour Colour
	below  []string
}

// Table begins a table.
func (o *Out) Table(head ...string) *Table {
	return &Table{o: o, head: head, right: make([]bool, len(head))}
}

// Right aligns the columns with these heads to the right, and returns the table.
func (t *Table) Right(heads ...string) *Table {
	for i, h := range t.head {
		t.right[i] = t.right[i] || slices.Contains(heads, h)
	}
	return t
}

// Row adds a row in a colour. Cells are escaped and cut.
func (t *Table) Row(c Colour, cells ...string) {
	clean := make([]string, len(cells))
	for i, s := range cells {
		clean[i] = mail.Printable(s, maxCell)
	}
	t.rows = append(t.rows, row{cells: clean, colour: c})
	if len(t.rows) >= screenful {
		t.flush()
	}
}

// Below adds a line under the last row, indented, escaped and cut.
func (t *Table) Below(format string, args ...any) {
	line := "  " + mail.Printable(fmt.Sprintf(format, args...), 4*maxCell)
	if n := len(t.rows); n > 0 {
		t.rows[n-1].below = append(t.rows[n-1].below, line)
		return
	}
	t.print(line) // its row was the last of a screenful
}

// Flush writes what is left, and returns the first error of writing.
func (t *Table) Flush() error {
	t.flush()
	return t.err
}

func (t *Table) flush() {
	rows := t.rows
	t.rows = nil
	if len(rows) == 0 {
		return
	}
	if !t.o.TTY {
		for _, r := range rows {
			t.print(strings.Join(r.cells, "\t"))
			t.print(r.below...)
		}
		return
	}
	if !t.done {
		t.done = true
		rows = append([]row{{cells: slices.Clone(t.head), colour: Bold}}, rows...)
	}
	t.pad(rows)
	lines := align(rows)
	for i, r := range rows {
		t.print(t.o.Paint(r.colour, lines[i]))
		t.print(r.below...)
	}
}

// pad makes the cells of columns that are aligned to the right equally long.
func (t *Table) pad(rows []row) {
	for i, right := range t.right {
		most := 0
		for _, r := range rows {
			if right && i < len(r.cells) {
				most = max(most, utf8.RuneCountInString(r.cells[i]))
			}
		}
		for _, r := range rows {
			if right && i < len(r.cells) {
				r.cells[i] = strings.Repeat(" ", most-utf8.RuneCountInString(r.cells[i])) + r.cells[i]
			}
		}
	}
}

// align returns one line per row.
func align(rows []row) []string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.StripEscape)
	for _, r := range rows {
		io.WriteString(w, strings.Join(r.cells, "\t")+"\n") // a Buffer never fails
	}
	w.Flush()
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

func (t *Table) print(lines ...string) {
	for _, l := range lines {
		if t.err == nil {
			_, t.err = io.WriteString(t.o, l+"\n")
		}
	}
}
