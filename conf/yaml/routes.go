package yaml

import (
	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// route is the table of one route.
var route = []option[conf.Route]{
	list("recipient", "Condition: one of these recipients. user@example.org, \"user@*\" (that user in each domain), "+
		"\"*@example.org\" (everybody there), \"*@*.example.org\" (everybody in the domains below), or \"*\".",
		`"*@lists.example.org"`, func(r *conf.Route) *[]string { return &r.Recipient }),
	list("sender", "Condition: one of these senders of the envelope, in the same forms; \"<>\" is the null one, that of "+
		"bounces.", `"*@example.com"`, func(r *conf.Route) *[]string { return &r.Sender }).rare(),
	list("maildrop", "Condition: collected from one of these maildrops; * in a name stands for any letters.", "jaco",
		func(r *conf.Route) *[]string { return &r.Maildrop }).rare(),
	list("folder", "Condition: collected from one of these folders of an IMAP maildrop; * in a name stands for any "+
		"letters.", `"Lists/*"`, func(r *conf.Route) *[]string { return &r.Folder }).rare(),
	list("to", "The destination, or several: such mail goes to each, and no further route is asked.", "default",
		func(r *conf.Route) *[]string { return &r.To }),
	list("also", "Instead of to: such mail goes there too, and the next route is asked.", "default",
		func(r *conf.Route) *[]string { return &r.Also }).rare(),
}

// routes is a list whose order counts.
var routes = option[conf.Config]{
	key: "routes", adds: true, off: true,
	doc: "Where mail goes, by recipient, sender, maildrop or folder. The first route whose conditions all hold counts; mail " +
		"that none speaks of goes to the deliver: of its maildrop, or the first destination. With several destinations " +
		"each has its own copy and its own outcome, and the sender hears of the first only: what fails at another one is " +
		"told to the postmaster. `mailretr route ADDRESS` says where mail would go, and why.",
	read: readRoutes, show: showRoutes,
	explain: func(p *printer) { explain(p.item(), route) },
}

func readRoutes(d *decoder, n *yaml.Node, c *conf.Config) {
	if n = d.follow(n); n == nil || null(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, `write routes: [{recipient: "*@example.org", to: NAME}]`, "routes: a list is wanted here, not %s", kind(n))
		return
	}
	for _, x := range n.Content {
		var one conf.Route
		one.At.Self = d.pos(x)
		before := d.failed
		section(d, x, route, &one, &one.At)
		if d.failed > before {
			d.wrong[one.At.Self] = true
		}
		c.Routes = append(c.Routes, one)
	}
}

func showRoutes(s shower, c *conf.Config) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range c.Routes {
		one := &c.Routes[i]
		n.Content = append(n.Content, mapping(s, route, one, &conf.Route{}, one.At))
	}
	return n
}
