package yaml

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// bounce is the table of who speaks when mail cannot be delivered, and what becomes of it.
var bounce = slices.Concat([]option[conf.Bounce]{
	{
		key: "from", example: `"Mail Delivery System <mailer-daemon@example.org>"`,
		doc:  "Name and address that bounces come from. The address must exist. Required.",
		read: readFrom, show: showFrom,
	},
	text("postmaster", "Who gets mail that can be neither delivered nor bounced, and bounces that come back. "+
		"Without it such mail is held in the queue.", "postmaster@example.org",
		func(b *conf.Bounce) *string { return &b.Postmaster }),
}, words(func(b *conf.Bounce) *string { return &b.Language }, func(b *conf.Bounce) *string { return &b.Template }),
	[]option[conf.Bounce]{
		size("full", "Up to this size a message goes back whole to a sender who asks for that (RET=FULL); of a larger one "+
			"only the header does. 0: always only the header.", "100K",
			func(b *conf.Bounce) *int64 { return &b.Full }).rare(),
		number("hourly", "Reports of failure and delay that one sender gets in an hour; what is above waits for a later "+
			"one, and is held after a day. 0: no limit.", "100",
			func(b *conf.Bounce) *int { return &b.Hourly }).rare(),
		policy(func(b *conf.Bounce) *conf.Policy { return &b.Policy }),
		text("expire_to", "Who gets, whole, what could not be delivered in time. Without it the sender is told, and only "+
			"they.", "rescue@example.org", func(b *conf.Bounce) *string { return &b.ExpireTo }).rare(),
	})

// words are the options of what reports say.
func words[T any](language, template func(*T) *string) []option[T] {
	return []option[T]{
		text("language", "The language of what reports say to people: en, af, de or fr.", "en", language).rare(),
		path("template", "A file that says it in your own words: templates of Go (text/template) called subject, text, or "+
			"a part such as closing, which take the place of those built in. `mailretr bounce-preview --show-template` "+
			"writes the latter; `mailretr check` tries yours.", "/etc/mailretr/bounce.tmpl", template).rare(),
	}
}

// speech is the table of what is different for one maildrop.
var speech = words(func(s *conf.Speech) *string { return &s.Language }, func(s *conf.Speech) *string { return &s.Template })

// policy is a mapping from codes to fates.
func policy[T any](f func(*T) *conf.Policy) option[T] {
	return option[T]{
		key: "policy", example: `{5.1.1: bounce, "5.7.*": keep, 5.2.2: postmaster}`, off: true,
		doc: "What becomes of mail for a recipient that has failed with a code: 5.1.1, 5.7.*, 5.*, a reply code such as " +
			"550, or 4.4.7 for what was not delivered in time; the most exact one counts. bounce: the sender is told; " +
			"the default. keep: it is held, or stays in the maildrop when it was not fetched yet. postmaster: the " +
			"postmaster gets it whole, and the sender is not told. discard: it ends, and nobody is told.",
		read: func(d *decoder, n *yaml.Node, v *T) { *f(v) = readPolicy(d, n) },
		show: func(_ shower, v *T) *yaml.Node { return showPolicy(*f(v)) },
	}
}

func readPolicy(d *decoder, n *yaml.Node) (p conf.Policy) {
	if n = d.follow(n); n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, "write policy: {5.1.1: bounce}", "policy: codes with their fates are wanted here, not %s", kind(n))
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		code, fate := d.text(key, "policy"), d.text(value, "policy")
		if code == "" || fate == "" {
			continue
		}
		r, err := conf.ParseFailureRule(code, strings.ToLower(fate))
		switch {
		case err != nil:
			d.fail(key, "", "policy: %v", err)
		case slices.ContainsFunc(p, func(x conf.FailureRule) bool { return x.Code == r.Code }):
			d.fail(key, "write it once", "policy: %s is there already", r.Code)
		default:
			p = append(p, r)
		}
	}
	return p
}

func showPolicy(p conf.Policy) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, r := range p {
		n.Content = append(n.Content, scalar(r.Code), scalar(r.Fate))
	}
	return n
}

// holdRule is the table of one rule by which mail is held.
var holdRule = []option[conf.HoldRule]{
	size("above", "", "50M", func(h *conf.HoldRule) *int64 { return &h.Above }),
	text("sender", "", "*@example.org", func(h *conf.HoldRule) *string { return &h.Sender }),
	text("maildrop", "", "jaco", func(h *conf.HoldRule) *string { return &h.Maildrop }),
}

// hold is a list of rules.
var hold = option[conf.Queue]{
	key: "hold", example: `[{above: 50M}, {sender: "*@example.org"}]`, off: true,
	doc: "Messages that are held when they are queued, until you release them: above a size, of a sender (with * for any " +
		"letters; <> is no sender), or of a maildrop. What stands in one pair of braces has to hold together.",
	read: func(d *decoder, n *yaml.Node, q *conf.Queue) {
		q.Hold = nil
		d.each(n, func(x *yaml.Node) {
			h := conf.HoldRule{}
			h.At.Self = d.pos(x)
			section(d, x, holdRule, &h, &h.At)
			q.Hold = append(q.Hold, h)
		})
	},
	show: func(s shower, q *conf.Queue) *yaml.Node {
		all := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for i := range q.Hold {
			n := mapping(shower{}, holdRule, &q.Hold[i], &conf.HoldRule{}, q.Hold[i].At)
			n.Style = yaml.FlowStyle
			all.Content = append(all.Content, trimmed(n))
		}
		return all
	},
}

// trimmed leaves out what says nothing: the size 0.
func trimmed(n *yaml.Node) *yaml.Node {
	var kept []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if v := n.Content[i+1].Value; v != "0" && v != "" {
			kept = append(kept, n.Content[i:i+2]...)
		}
	}
	n.Content = kept
	return n
}
