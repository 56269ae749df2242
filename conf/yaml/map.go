package yaml

import (
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// readMap reads a map of addresses. file is where some of it stands, "" where all is here.
func readMap(d *decoder, n *yaml.Node, list *[]conf.Alias, file *string) {
	if n = d.follow(n); n == nil || null(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, "write map: {info@example.org: [jaco@example.org, anna@example.org]}",
			"map: address: address is wanted, not %s", kind(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Value == "<<" && key.Style == 0 {
			d.fail(key, "put it in quotes", "map: %s is no address", quote(key))
			continue
		}
		if key.Value == "file" {
			if *file = d.path(value, "map"); *file != "" {
				d.mapFile(value, *file, list)
			}
			continue
		}
		before := d.failed
		*list = append(*list, conf.Alias{At: d.pos(key), From: key.Value, To: d.texts(value, "map")})
		if d.failed > before {
			d.wrong[d.pos(key)] = true
		}
	}
}

func showMap(list []conf.Alias, file string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if file != "" {
		n.Content = append(n.Content, scalar("file"), scalar(file))
	}
	for _, a := range list {
		if file != "" && a.At.File == file {
			continue
		}
		to := sequence(a.To)
		if len(a.To) == 1 {
			to = scalar(a.To[0])
		}
		n.Content = append(n.Content, scalar(a.From), to)
	}
	return n
}

// mapFile reads aliases as Postfix has them in virtual(5): an address, blanks (or a colon), and addresses,
// separated by commas or blanks. A line that begins with a blank goes on with the one before, and # begins a
// comment.
func (d *decoder) mapFile(n *yaml.Node, file string, list *[]conf.Alias) {
	text, mode, err := read(file)
	if err != nil {
		d.fail(n, "name a file that can be read", "map: %v", err)
		return
	}
	if mode&0o022 != 0 {
		d.problem(conf.Warning, conf.Pos{File: file}, "chmod go-w",
			"others than its owner may change who gets mail (mode %04o)", mode)
	}
	at := conf.Pos{File: file}
	if !utf8.Valid(text) {
		d.failAt(invalid(at, text), "save the file as UTF-8", "there is a byte that is not UTF-8")
		return
	}
	for line := range strings.Lines(string(text)) {
		at.Line++
		d.mapLine(line, at, list)
	}
}

// mapLine reads one line.
func (d *decoder) mapLine(line string, at conf.Pos, list *[]conf.Alias) {
	if i := strings.IndexByte(line, '#'); i == 0 || i > 0 && (line[i-1] == ' ' || line[i-1] == '\t') {
		line = line[:i]
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) })
	at.Column = 1 + len(line) - len(strings.TrimLeft(line, " \t"))
	switch {
	case len(words) == 0:
	case at.Column == 1:
		*list = append(*list, conf.Alias{At: at, From: strings.TrimSuffix(words[0], ":"), To: words[1:]})
	case len(*list) == 0 || (*list)[len(*list)-1].At.File != at.File:
		d.failAt(at, "begin the line with an address", "map: this line goes on with one that is not there")
	default:
		last := &(*list)[len(*list)-1]
		last.To = append(last.To, words...)
	}
}
