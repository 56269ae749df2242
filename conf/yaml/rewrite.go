package yaml

import (
	"strings"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// rewrite is the table of that section.
var rewrite = []option[conf.Rewrite]{
	{
		key: "map", off: true, example: `{info@example.org: [jaco@example.org, anna@example.org], "*@old.example": "*@example.org"}`,
		read: func(d *decoder, n *yaml.Node, r *conf.Rewrite) { readMap(d, n, &r.Map, &r.MapFile) },
		show: func(_ shower, r *conf.Rewrite) *yaml.Node { return showMap(r.Map, r.MapFile) },
		doc: "Who gets the mail of an address instead: one address or a list. user@example.org goes before \"user@*\" (that " +
			"user in each domain), and that before \"*@example.org\" (everybody else). What an address leads to is looked up " +
			"again, until nothing is said of it or it leads to itself. {file: /etc/mailretr/map} reads more from a file with an " +
			"address and its list on each line.",
	},
	lookups,
	domains("strip_detail", "Domains in which user+detail is user, where the map does not know the address with its detail.",
		func(r *conf.Rewrite) *[]string { return &r.Strip }),
	domains("add_folder", "Domains to whose addresses the folder of an IMAP maildrop is added, as in user+Lists/go; an LMTP "+
		"server then files it there. INBOX is not added, nor a folder whose name is beyond ASCII.",
		func(r *conf.Rewrite) *[]string { return &r.Folder }),
	text("delimiter", "What stands between user and detail.", `"+"`, func(r *conf.Rewrite) *string { return &r.Mark }).rare(),
}

// domains is a list of domains, in lower case.
func domains(key, doc string, f func(*conf.Rewrite) *[]string) option[conf.Rewrite] {
	o := list(key, doc, "[example.org]", f).rare()
	read := o.read
	o.read = func(d *decoder, n *yaml.Node, r *conf.Rewrite) {
		read(d, n, r)
		for i, x := range *f(r) {
			(*f(r))[i] = strings.ToLower(strings.TrimPrefix(x, "@"))
		}
	}
	return o
}
