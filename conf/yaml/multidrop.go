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
		key: "map", off: true,
		read:    func(d *decoder, n *yaml.Node, m *conf.Multidrop) { readMap(d, n, &m.Map, &m.MapFile) },
		show:    func(_ shower, m *conf.Multidrop) *yaml.Node { return showMap(m.Map, m.MapFile) },
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
