package yaml

import (
	"time"

	"mailretr/conf"
)

// owners is the table of what one owner of rows may have.
var owners = []option[conf.Owners]{
	number("maildrops", "That are collected. Those of later rows are left out, and their status says so. 0: no limit.", "5",
		func(o *conf.Owners) *int { return &o.Maildrops }),
	number("sessions", "At once. 0: no limit but those of all.", "1", func(o *conf.Owners) *int { return &o.Sessions }),
	span("poll", "The least time between two looks at a maildrop; an interval that is shorter is raised to it. 0: none.", "5m",
		func(o *conf.Owners) *time.Duration { return &o.Poll }),
	size("month", "Octets on the line, from one reset day of line: to the next. 0: no limit.", "2G",
		func(o *conf.Owners) *int64 { return &o.Month }),
	size("day", "Octets on the line a day. 0: no limit.", "200M", func(o *conf.Owners) *int64 { return &o.Day }),
	list("to", "The recipients that rows may name, in the forms of routes: anna@example.org, *@example.org, *@*.example.org. "+
		"Without it: any.", `["*@example.org"]`, func(o *conf.Owners) *[]string { return &o.To }),
}

var ownersOf = optional("owners", "What one owner may have: all maildrops of rows with one owner, or else one first recipient, "+
	"together.", owners, func(s *conf.Source) **conf.Owners { return &s.Owners },
	func(o *conf.Owners) *conf.Where { return &o.At }).rare()
