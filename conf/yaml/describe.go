package yaml

import (
	"bufio"
	"io"
	"strings"
)

// Describe writes a complete, commented example. It loads as it stands; a setting behind a # without a blank
// is left out there because few need it.
func Describe(w io.Writer) error {
	p := &printer{w: bufio.NewWriter(w)}
	p.comment("Everything that can be configured. Lines that begin with # and a key are settings that few " +
		"need; they show the default or an example. Durations: 30s, 5m, 2h, 5d. Sizes: 32K, 10M, 1G.")
	explain(p, top)
	return p.w.Flush()
}

// A printer writes the example. Errors stay in the bufio.Writer until Flush.
type printer struct {
	w      *bufio.Writer
	indent string
	first  string // indentation of the next key, where that is another: "- " begins an item
	off    bool
}

// wide is the width of comments.
const wide = 100

// comment writes sentences, wrapped.
func (p *printer) comment(s string) {
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && len(p.indent)+3+len(line)+len(word) > wide {
			p.w.WriteString(p.indent + "# " + line + "\n")
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	p.w.WriteString(p.indent + "# " + line + "\n")
}

// key writes a key with its value, if it has one.
func (p *printer) key(key, value string) {
	indent, begin := p.indent, ""
	if p.first != "" {
		indent, begin, p.first = strings.TrimSuffix(p.first, "- "), "- ", ""
	}
	if p.off {
		rest := strings.TrimLeft(indent, " ") // the hyphen of an item
		indent = indent[:len(indent)-len(rest)] + "#" + rest
	}
	p.w.WriteString(strings.TrimRight(indent+begin+key+": "+value, " ") + "\n")
}

// item returns a printer for the members of a list.
func (p *printer) item() *printer {
	return &printer{w: p.w, indent: p.indent + "  ", first: p.indent + "- ", off: p.off}
}

func explain[T any](p *printer, table []option[T]) {
	for _, o := range table {
		if p.indent == "" {
			p.w.WriteString("\n")
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
