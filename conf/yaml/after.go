package yaml

import (
	"time"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// afters is the table of after: as a mapping, {move: Folder, after: 14d}.
var afters = []option[conf.After]{
	{key: "delete", read: readAct("delete", conf.After{Act: conf.Delete})},
	{key: "seen", read: readAct("seen", conf.After{Act: conf.Mark, Flag: `\Seen`})},
	{key: "move", read: readNamed("move", conf.Move, func(a *conf.After) *string { return &a.Folder })},
	{key: "flag", read: readNamed("flag", conf.Mark, func(a *conf.After) *string { return &a.Flag })},
	span("after", "", "14d", func(a *conf.After) *time.Duration { return &a.Delay }),
	size("above", "", "10M", func(a *conf.After) *int64 { return &a.Above }),
}

// readAct reads a key that has no value: {delete: , above: 10M}.
func readAct(key string, is conf.After) func(*decoder, *yaml.Node, *conf.After) {
	return func(d *decoder, n *yaml.Node, a *conf.After) {
		if n = d.follow(n); n == nil {
			return
		}
		if !null(n) {
			d.fail(n, "write {"+key+": , above: 10M}", "%s: no value is wanted here, not %s", key, kind(n))
			return
		}
		act(d, n, a, is)
	}
}

func readNamed(key string, is conf.Act, f func(*conf.After) *string) func(*decoder, *yaml.Node, *conf.After) {
	return func(d *decoder, n *yaml.Node, a *conf.After) {
		if s := d.text(n, key); s != "" {
			act(d, n, a, conf.After{Act: is})
			*f(a) = s
		}
	}
}

// act sets what is done, which is one thing.
func act(d *decoder, n *yaml.Node, a *conf.After, is conf.After) {
	if a.Act != conf.Keep {
		d.fail(n, "write one of delete, seen, move, flag", "after: only one thing can be done to a message")
		return
	}
	a.Act, a.Flag = is.Act, is.Flag
}

func readAfter(d *decoder, n *yaml.Node, m *conf.Maildrop) {
	if n = d.follow(n); n == nil {
		return
	}
	if n.Kind != yaml.MappingNode {
		parsed(d, n, "after", conf.ParseAfter, &m.After)
		return
	}
	var at conf.Where
	var a conf.After
	before := d.failed
	section(d, n, afters, &a, &at)
	switch {
	case d.failed > before:
	case a.Act == conf.Keep:
		d.fail(n, "write e.g. {delete: , above: 10M} or {move: Folder}", "after: it is not said what is done")
	case a.Act == conf.Mark && (a.Delay > 0 || a.Above > 0):
		d.fail(n, "remove it, or write delete or move", "after: a flag is set at once, and on everything")
	default:
		m.After = a
	}
}

func showAfter(_ shower, m *conf.Maildrop) *yaml.Node {
	a := m.After
	if a.Act != conf.Move {
		return scalar(a.String())
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	n.Content = append(n.Content, scalar("move"), scalar(a.Folder))
	if a.Above > 0 {
		n.Content = append(n.Content, scalar("above"), scalar(conf.Size(a.Above)))
	}
	if a.Delay > 0 {
		n.Content = append(n.Content, scalar("after"), scalar(conf.Duration(a.Delay)))
	}
	return n
}
