package yaml

import (
	"strings"

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
			"address is that without the prefix; what the map names is ours, also in other domains.",
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
		before := d.failed
		m.Map = append(m.Map, conf.Alias{At: d.pos(key), From: key.Value, To: d.texts(value, "map")})
		if d.failed > before {
			d.wrong[d.pos(key)] = true
		}
	}
}

func showMap(_ shower, m *conf.Multidrop) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, a := range m.Map {
		to := sequence(a.To)
		if len(a.To) == 1 {
			to = scalar(a.To[0])
		}
		n.Content = append(n.Content, scalar(a.From), to)
	}
	return n
}
