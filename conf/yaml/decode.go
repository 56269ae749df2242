package yaml

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// A decoder reads one file into the loader's configuration.
type decoder struct {
	*loader
	file   string
	mode   os.FileMode
	budget int            // nodes that may still be looked at: aliases could multiply them without end
	drop   *conf.Maildrop // whose entry is being read
	failed int            // mistakes so far
}

func (d *decoder) pos(n *yaml.Node) conf.Pos {
	return conf.Pos{File: d.file, Line: n.Line, Column: n.Column}
}

func (d *decoder) fail(n *yaml.Node, hint, format string, args ...any) {
	d.failAt(d.pos(n), hint, format, args...)
}

// failAt is fail for a place that is no node, in a file beside.
func (d *decoder) failAt(at conf.Pos, hint, format string, args ...any) {
	d.failed++
	d.problem(conf.Error, at, hint, format, args...)
	if d.drop != nil {
		p := &d.problems[len(d.problems)-1]
		p.Maildrop, p.Entry = d.drop.Name, d.drop.At.Self
	}
}

// follow returns what an alias stands for. nil means that there is too much; that was told then.
func (d *decoder) follow(n *yaml.Node) *yaml.Node {
	if d.budget--; d.budget < 0 {
		if d.budget == -1 {
			d.fail(n, "write it without aliases", "the aliases stand for too much")
		}
		return nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// section reads a mapping by its table. Mistakes in one key do not hide those in the next.
func section[T any](d *decoder, n *yaml.Node, table []option[T], v *T, at *conf.Where) {
	if n = d.follow(n); n == nil || null(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, "write key: value, e.g. "+table[0].key+": …", "settings are wanted here, not %s", kind(n))
		return
	}
	if at.Self == (conf.Pos{}) {
		at.Self = d.pos(n)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		setting(d, n.Content[i], n.Content[i+1], table, v, at)
	}
}

// setting reads one key with its value.
func setting[T any](d *decoder, key, value *yaml.Node, table []option[T], v *T, at *conf.Where) {
	if key.Kind != yaml.ScalarNode || key.Value == "<<" && key.Style == 0 {
		d.fail(key, "write the settings out", "%s cannot be a key", quote(key))
		return
	}
	o := find(table, key.Value)
	if o == nil {
		d.fail(key, suggest(key.Value, keys(table), d.elsewhere), "unknown key %q", key.Value)
		return
	}
	where := d.pos(value)
	if value.Kind != yaml.ScalarNode {
		where = d.pos(key)
	}
	if at.Has(o.key) && !o.adds {
		d.fail(key, "write it once", "%s is already at %s", o.key, at.Of(o.key))
		return
	}
	at.Set(o.key, where)
	before := d.failed
	o.read(d, value, v)
	if d.failed > before {
		d.wrong[where] = true
	}
}

func null(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style == 0 && n.ShortTag() == "!!null"
}

// kind says in words what a node is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "key: value"
	}
	return quote(n)
}

// quote shows a value, cut to a readable length.
func quote(n *yaml.Node) string {
	s := n.Value
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return strconv.Quote(s)
}

// text reads one value as it is written. "" means that there is none that can be used; that was told.
func (d *decoder) text(n *yaml.Node, key string) string {
	switch n = d.follow(n); {
	case n == nil:
	case n.Kind != yaml.ScalarNode:
		d.fail(n, "write "+key+": value", "%s: one value is wanted, not %s", key, kind(n))
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(n, "put it in quotes, or remove the tag", "%s: a value that begins with ! is a tag to YAML", key)
	case null(n) || n.Value == "":
		d.fail(n, "write a value, or remove the key", "%s: is empty", key)
	default:
		return n.Value
	}
	return ""
}

// texts reads a list, or one value that stands for a list of one.
func (d *decoder) texts(n *yaml.Node, key string) (list []string) {
	d.each(n, func(x *yaml.Node) {
		if s := d.text(x, key); s != "" {
			list = append(list, s)
		}
	})
	return list
}

// each calls f for the members of a list, or for one value.
func (d *decoder) each(n *yaml.Node, f func(*yaml.Node)) {
	if n = d.follow(n); n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		f(n)
		return
	}
	for _, x := range n.Content {
		f(x)
	}
}

// flag reads a truth value.
func (d *decoder) flag(n *yaml.Node, key string, v *bool) {
	switch s := d.text(n, key); strings.ToLower(s) {
	case "":
	case "true", "yes", "on":
		*v = true
	case "false", "no", "off":
		*v = false
	default:
		d.fail(n, "write true or false", "%s: %q is neither", key, s)
	}
}

// number reads a whole number. 012 and 1_000 mean different things in different versions of YAML.
func (d *decoder) number(n *yaml.Node, key string, v *int) {
	s := d.text(n, key)
	if s == "" {
		return
	}
	x, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(x) != s {
		d.fail(n, "write it in digits, without leading zeros", "%s: %q is not a number", key, s)
		return
	}
	*v = x
}

// parsed reads a value with a function of conf.
func parsed[V any](d *decoder, n *yaml.Node, key string, parse func(string) (V, error), v *V) {
	s := d.text(n, key)
	if s == "" {
		return
	}
	x, err := parse(s)
	if err != nil {
		d.fail(n, "", "%s: %v", key, err)
		return
	}
	*v = x
}

// path reads the path of a file. A relative one begins at the file it stands in, ~/ at home.
func (d *decoder) path(n *yaml.Node, key string) string {
	return d.absolute(d.text(n, key))
}

func (d *decoder) absolute(s string) string {
	switch rest, tilde := strings.CutPrefix(s, "~/"); {
	case s == "" || filepath.IsAbs(s):
		return s
	case tilde && d.home != "":
		return filepath.Join(d.home, rest)
	}
	return filepath.Join(filepath.Dir(d.file), s)
}

// find returns the option of that key.
func find[T any](table []option[T], key string) *option[T] {
	for i := range table {
		if table[i].key == key {
			return &table[i]
		}
	}
	return nil
}

func keys[T any](table []option[T]) (list []string) {
	for _, o := range table {
		list = append(list, o.key)
	}
	return list
}

// suggest returns the hint for an unknown key.
func suggest(key string, known []string, elsewhere map[string]string) string {
	if k := near(key, known); k != "" {
		return fmt.Sprintf("did you mean %q?", k)
	}
	if place := elsewhere[key]; place != "" {
		return "it belongs " + place
	}
	return "known here: " + strings.Join(known, ", ")
}

// near returns the known key that differs least, by two letters at most; "" where there is none.
func near(key string, known []string) (best string) {
	least := 3
	for _, k := range known {
		if n := distance(key, k); n < least && n < len(k) {
			best, least = k, n
		}
	}
	return best
}

// distance is the number of letters to insert, remove, replace or swap with their neighbour.
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
