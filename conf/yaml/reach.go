package yaml

import (
	"fmt"
	"strconv"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

const (
	anyServer = "any"
	outside   = "outside"
)

// reach is the table of the longer form; the option reach says what its keys mean.
var reach = []option[conf.Reach]{
	values("hosts", "", "", func(r *conf.Reach) *[]conf.Place { return &r.Hosts }, conf.ParsePlace, conf.Place.String),
	values("allow", "", "", func(r *conf.Reach) *[]conf.Place { return &r.Allow }, conf.ParsePlace, conf.Place.String),
	values("deny", "", "", func(r *conf.Reach) *[]conf.Place { return &r.Deny }, conf.ParsePlace, conf.Place.String),
	values("ports", "", "", func(r *conf.Reach) *[]int { return &r.Ports }, parsePort, strconv.Itoa),
}

func parsePort(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%q is no port; write 1 to 65535", s)
	}
	return n, nil
}

// reachWords are what the values mean.
const reachWords = "any: wherever they are. outside: only where their names lead out of this machine and of private networks " +
	"when they are dialled, whatever they meant a moment before, and only on the ports 110, 143, 993 and 995. Or {hosts: " +
	"[\"*.isp.example\"], allow: [10.20.0.0/16], deny: [198.51.100.0/24], ports: [993, 995]}, each of which may be left out: " +
	"hosts are the only names that may be written, allow is reached although it is inside (a name wherever it leads), deny " +
	"is not reached in any case; else it is outside."

var reachOfDrop = reaching("For an entry that was written by others: which servers it may name. "+reachWords, anyServer,
	func(m *conf.Maildrop) conf.Reach {
		if m.Reach == nil {
			return conf.Reach{Any: true}
		}
		return *m.Reach
	},
	func(m *conf.Maildrop, r *conf.Reach) {
		if m.Reach = r; r.Any {
			m.Reach = nil
		}
	}).rare()

var reachOfSource = reaching("Which servers rows may name, since they are often written by the owners of mailboxes. "+reachWords,
	outside,
	func(s *conf.Source) conf.Reach { return s.Reach }, func(s *conf.Source, r *conf.Reach) { s.Reach = *r })

// reaching is the option reach: a word, or a section.
func reaching[T any](doc, usual string, get func(*T) conf.Reach, set func(*T, *conf.Reach)) option[T] {
	return option[T]{
		key: "reach", example: usual, doc: doc,
		read: func(d *decoder, n *yaml.Node, v *T) {
			r := &conf.Reach{}
			readReach(d, n, r)
			set(v, r)
		},
		show: func(s shower, v *T) *yaml.Node { r := get(v); return showReach(s, &r) },
	}
}

func readReach(d *decoder, n *yaml.Node, r *conf.Reach) {
	r.At.Self = d.pos(n)
	if n = d.follow(n); n == nil || n.Kind != yaml.ScalarNode {
		section(d, n, reach, r, &r.At)
		return
	}
	switch s := d.text(n, "reach"); s {
	case "", outside:
	case anyServer:
		r.Any = true
	default:
		d.fail(n, "write any or outside", "reach: %q is not known", s)
	}
}

func showReach(s shower, r *conf.Reach) *yaml.Node {
	switch {
	case r.Any:
		return scalar(anyServer)
	case len(r.Hosts)+len(r.Allow)+len(r.Deny)+len(r.Ports) == 0:
		return scalar(outside)
	}
	return mapping(s, reach, r, nil, r.At)
}
