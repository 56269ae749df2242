package yaml

import (
	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// smtp is what destinations of the kinds smtp and lmtp have beside; others do not show it.
var smtp = ofSMTP([]option[conf.Destination]{
	truth("balance", "Of smtp and lmtp with several servers: true makes each connection to any of them. Without it, the "+
		"first one that is there is used.", "false",
		func(d *conf.Destination) *bool { return &d.SMTP.Balance }).rare(),
	number("recipients", "Of smtp and lmtp: recipients in one transaction at most; the rest of them go into the next. 0: "+
		"as many as the server takes.", "0", func(d *conf.Destination) *int { return &d.SMTP.Recipients }).rare(),
	introduction,
})

func ofSMTP(table []option[conf.Destination]) []option[conf.Destination] {
	for i, o := range table {
		table[i].show = func(s shower, d *conf.Destination) *yaml.Node {
			if d.Kind != "" && d.Kind != "smtp" && d.Kind != "lmtp" { // without a kind they are what others differ from
				return nil
			}
			return o.show(s, d)
		}
	}
	return table
}

// servers is the option that says which kind an SMTP or LMTP destination is, and where.
func servers(kind, example, doc string) option[conf.Destination] {
	return option[conf.Destination]{
		key: kind, example: example, doc: doc,
		read: func(d *decoder, n *yaml.Node, v *conf.Destination) { readServers(d, n, v, kind) },
		show: func(_ shower, v *conf.Destination) *yaml.Node {
			if v.Kind != kind {
				return nil
			}
			var all []string
			for _, e := range v.Endpoints() {
				all = append(all, e.String())
			}
			if len(all) == 1 {
				return scalar(all[0])
			}
			return sequence(all)
		},
	}
}

func readServers(d *decoder, n *yaml.Node, v *conf.Destination, kind string) {
	list := false
	d.each(n, func(x *yaml.Node) {
		s := d.text(x, kind)
		if s == "" || !list && !setKind(d, x, v, kind) {
			return
		}
		e, err := conf.ParseEndpoint(kind, s)
		switch {
		case err != nil:
			d.fail(x, `write "host:port", "unix:/path", or a list of them`, "%s: %v", kind, err)
		case !list:
			v.Network, v.Address = e.Network, e.Address
		default:
			v.SMTP.Others = append(v.SMTP.Others, e)
		}
		list = true
	})
	if !list && n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		d.fail(n, `write e.g. "localhost:25"`, "%s: the list is empty", kind)
	}
}
