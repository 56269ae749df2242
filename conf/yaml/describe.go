package yaml

import (
	"bufio"
	"io"
	"strings"
)

// Describe writes a complete, commented example. It loads as it stands; a setting behind a # without a blank
// is left out there because few need it.
func Describe(w io.Writer) error {
	e := &example{w: bufio.NewWriter(w)}
	p := &printer{w: e}
	p.comment("Everything that can be configured. Lines that begin with # and a key are settings that few " +
		"need; they show the default or an example. Durations: 30s, 5m, 2h, 5d. Sizes: 32K, 10M, 1G.")
	explain(p, top)
	return e.w.Flush()
}

// A form is how the tables are explained: as an example, or as a manual page. Errors stay with it.
type form interface {
	gap()                                           // between the keys of the file itself
	comment(indent, sentences string)               // explains the key that follows
	key(indent, begin, key, value string, off bool) // begin is "- " for the first key of an item
}

// A printer goes through the tables.
type printer struct {
	w      form
	indent string
	first  string // indentation of the next key, where that is another: "- " begins an item
	off    bool
}

func (p *printer) comment(s string) { p.w.comment(p.indent, s) }

// key writes a key with its value, if it has one.
func (p *printer) key(key, value string) {
	indent, begin := p.indent, ""
	if p.first != "" {
		indent, begin, p.first = strings.TrimSuffix(p.first, "- "), "- ", ""
	}
	p.w.key(indent, begin, key, value, p.off)
}

// item returns a printer for the members of a list.
func (p *printer) item() *printer {
	return &printer{w: p.w, indent: p.indent + "  ", first: p.indent + "- ", off: p.off}
}

func explain[T any](p *printer, table []option[T]) {
	for _, o := range table {
		if p.indent == "" {
			p.w.gap()
		}
		p.comment(o.doc)
		in := &printer{w: p.w, indent: p.indent, first: p.first, off: p.off || o.off}
		in.key(o.key, o.example)
		p.first = ""
		if o.explain != nil {
			o.explain(&printer{w: p.w, indent: p.indent + "  ", off: in.off})
		}
	}
}

// An example is the form of [Describe].
type example struct{ w *bufio.Writer }

// wide is the width of comments.
const wide = 100

func (e *example) gap() { e.w.WriteString("\n") }

func (e *example) comment(indent, s string) {
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && len(indent)+3+len(line)+len(word) > wide {
			e.w.WriteString(indent + "# " + line + "\n")
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	e.w.WriteString(indent + "# " + line + "\n")
}

func (e *example) key(indent, begin, key, value string, off bool) {
	if off {
		rest := strings.TrimLeft(indent, " ") // the hyphen of an item
		indent = indent[:len(indent)-len(rest)] + "#" + rest
	}
	e.w.WriteString(strings.TrimRight(indent+begin+key+": "+value, " ") + "\n")
}
