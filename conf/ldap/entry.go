package ldap

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// lists are the columns that are lists; several values of an attribute are members.
var lists = map[string]bool{"recipient": true, "folders": true}

// rowsOf makes rows of an entry: one, or as many as its preset finds in it. above is the entry above it; nil: it says nothing.
func (r *Reader) rowsOf(e, above *entry) []*conf.Row {
	row := &conf.Row{}
	row.Call(e.dn)
	if e.large {
		if name := nameOf(e, above); name != "" {
			row.Set("name", name)
		}
		wrong(row, "host", fmt.Sprintf("stands in an entry that has more than %d MB, or %d parts", maxEntry>>20, maxElements))
		return []*conf.Row{row}
	}
	for _, column := range slices.Sorted(maps.Keys(r.schema.Attributes)) {
		names := r.schema.Attributes[column]
		r.set(row, column, valuesOf(e, above, names))
		if above != nil && above.large && row.Columns[column]+row.Wrong[column] == "" && slices.ContainsFunc(names, isAbove) {
			wrong(row, column, "may stand in the entry above, which is too large")
		}
	}
	for column, v := range r.schema.Values {
		if _, said := row.Columns[column]; !said && row.Wrong[column] == "" {
			row.Set(column, v)
		}
	}
	if _, said := row.Columns["name"]; !said && row.Wrong["name"] == "" {
		if name := nameOf(e, above); name != "" {
			row.Set("name", name)
		}
	}
	if f := finish[r.preset]; f != nil {
		return f(e, row)
	}
	return []*conf.Row{row}
}

// isAbove says whether the name of an attribute is meant of the entry above.
func isAbove(name string) bool { return strings.HasPrefix(name, "../") }

// valuesOf are the values of the first attribute that is there. The server may write its name with options.
func valuesOf(e, above *entry, names []string) []string {
	for _, n := range names {
		from := e
		if up, is := strings.CutPrefix(n, "../"); is {
			from, n = above, up
		}
		if from == nil {
			continue
		}
		if v := from.values[strings.ToLower(n)]; len(v) > 0 {
			return v
		}
	}
	return nil
}

// set says a column.
func (r *Reader) set(row *conf.Row, column string, values []string) {
	switch {
	case len(values) == 0:
		return
	case r.preset == "zimbra" && column == "protocol": // its object classes
		values = []string{protocolOf(values)}
	case len(values) > 1 && !lists[column]:
		wrong(row, column, fmt.Sprintf("has %d values", len(values)))
		return
	}
	v := strings.Join(values, ",")
	if word, ok := r.schema.Words[column][strings.ToLower(v)]; ok {
		v = word
	}
	row.Set(column, v)
}

func wrong(row *conf.Row, column, why string) {
	if row.Wrong == nil {
		row.Wrong = map[string]string{}
	}
	delete(row.Columns, column)
	row.Wrong[column] = why
}

// nameOf makes a name of the DN: of its first part, after that of the entry above where this says something: people have
// entries of the same name below different users.
func nameOf(e, above *entry) string {
	name := rdn(e.dn)
	if above != nil {
		name = rdn(above.dn) + "-" + name
	}
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`/,*?"'`, r) {
			return '-'
		}
		return r
	}, strings.ToValidUTF8(name, "-"))
	name = strings.Trim(name, "-")
	const most = 64
	for len(name) > most {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}

// rdn is the value of the first part of a DN.
func rdn(dn string) string {
	d, err := ldap.ParseDN(dn)
	if err != nil || len(d.RDNs) == 0 || len(d.RDNs[0].Attributes) == 0 {
		return ""
	}
	return d.RDNs[0].Attributes[0].Value
}

// parentOf is the DN without its first part (RFC 4514).
func parentOf(dn string) string {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',', ';':
			return strings.TrimLeft(dn[i+1:], " ")
		}
	}
	return ""
}
