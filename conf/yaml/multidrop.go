package yaml

import (
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// multidrop is the table of that section.
var multidrop = []option[conf.Multidrop]{
	values("envelope", "Where the provider writes the recipient: the name of a field, the topmost of that name. "+
		"Delivered-To 2 is the second from the top; X-Envelope-To all is the topmost and those directly below it, "+
		"for a provider that writes one for each recipient; Received by mx.isp.example is the for clause of the "+
		"topmost Received that this host wrote, and Received 2 that of the second one. Of a list the first that "+
		"names a recipient of ours counts. Required.", "X-Envelope-To",
		func(m *conf.Multidrop) *[]conf.Envelope { return &m.Envelope }, conf.ParseEnvelope, conf.Envelope.String),
	list("strip_prefix", "What the provider puts before the name: one, or a list of which the longest is taken "+
		"off. With qmail this is the user of the virtual domain, as in mbox-user-jaco@example.org.",
		`"mbox-user-"`, func(m *conf.Multidrop) *[]string { return &m.StripPrefix }).rare(),
	list("domains", "Our domains; addresses in others are not ours. \"*.example.org\" is every domain below "+
		"example.org. Required.", "[example.org]", func(m *conf.Multidrop) *[]string { return &m.Domains }),
	{
		key: "map", off: true, read: readMap, show: showMap,
		example: `{info@example.org: [jaco@example.org, anna@example.org], "*@old.example": "*@example.org"}`,
		doc: "Who gets the mail of an address instead: one address or a list. user@example.org goes before " +
			"\"user@*\" (that user in each of domains), and that before \"*@example.org\" (everybody else). The " +
			"address is that without the prefix; what the map names is ours, also in other domains. {file: " +
			"/etc/mailretr/map} reads more from a file with an address and its list on each line.",
	},
	value("copies", "Where the provider stores a mail once for each recipient: the Received field whose id says that "+
		"two messages are one mail (the topmost; Received 2, Received by mx.isp.example). If it and all below it "+
		"are equal in both, and the size too, a body above headers_first is collected once. each: collect each.",
		"Received", func(m *conf.Multidrop) *conf.Envelope { return &m.Copies }, conf.ParseCopies,
		conf.Copies).rare(),
	text("otherwise", "Who gets mail in which no recipient of ours is found. Without it, it stays in the "+
		"maildrop, and the status names it.", "postmaster@example.org",
		func(m *conf.Multidrop) *string { return &m.Otherwise }),
}

func readMultidrop(d *decoder, n *yaml.Node, m *conf.Maildrop) {
	m.Multidrop = &conf.Multidrop{Copies: conf.Envelope{Field: "Received"}}
	m.Multidrop.At.Self = d.pos(n)
	section(d, n, multidrop, m.Multidrop, &m.Multidrop.At)
	for i, x := range m.Multidrop.Domains {
		m.Multidrop.Domains[i] = strings.ToLower(strings.TrimPrefix(x, "@"))
	}
}

func showMultidrop(s shower, m *conf.Maildrop) *yaml.Node {
	if m.Multidrop == nil {
		return nil
	}
	return mapping(s, multidrop, m.Multidrop, nil, m.Multidrop.At)
}

func readMap(d *decoder, n *yaml.Node, m *conf.Multidrop) {
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
			if m.MapFile = d.path(value, "map"); m.MapFile != "" {
				d.mapFile(value, m)
			}
			continue
		}
		before := d.failed
		m.Map = append(m.Map, conf.Alias{At: d.pos(key), From: key.Value, To: d.texts(value, "map")})
		if d.failed > before {
			d.wrong[d.pos(key)] = true
		}
	}
}

func showMap(_ shower, m *conf.Multidrop) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if m.MapFile != "" {
		n.Content = append(n.Content, scalar("file"), scalar(m.MapFile))
	}
	for _, a := range m.Map {
		if m.MapFile != "" && a.At.File == m.MapFile {
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
func (d *decoder) mapFile(n *yaml.Node, m *conf.Multidrop) {
	text, mode, err := read(m.MapFile)
	if err != nil {
		d.fail(n, "name a file that can be read", "map: %v", err)
		return
	}
	if mode&0o022 != 0 {
		d.problem(conf.Warning, conf.Pos{File: m.MapFile}, "chmod go-w",
			"others than its owner may change who gets mail (mode %04o)", mode)
	}
	at := conf.Pos{File: m.MapFile}
	if !utf8.Valid(text) {
		d.failAt(invalid(at, text), "save the file as UTF-8", "there is a byte that is not UTF-8")
		return
	}
	for line := range strings.Lines(string(text)) {
		at.Line++
		d.mapLine(line, at, m)
	}
}

// mapLine reads one line.
func (d *decoder) mapLine(line string, at conf.Pos, m *conf.Multidrop) {
	if i := strings.IndexByte(line, '#'); i == 0 || i > 0 && (line[i-1] == ' ' || line[i-1] == '\t') {
		line = line[:i]
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) })
	at.Column = 1 + len(line) - len(strings.TrimLeft(line, " \t"))
	switch {
	case len(words) == 0:
	case at.Column == 1:
		m.Map = append(m.Map, conf.Alias{At: at, From: strings.TrimSuffix(words[0], ":"), To: words[1:]})
	case len(m.Map) == 0 || m.Map[len(m.Map)-1].At.File != at.File:
		d.failAt(at, "begin the line with an address", "map: this line goes on with one that is not there")
	default:
		last := &m.Map[len(m.Map)-1]
		last.To = append(last.To, words...)
	}
}
