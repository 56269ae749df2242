package yaml

import "mailretr/conf"

// caps are the options of the line that say what it may cost.
var caps = []option[conf.Line]{
	size("month", "Octets from one reset day to the next; when they are spent nothing is collected, polls included. "+
		"0: no limit.", "20G", func(l *conf.Line) *int64 { return &l.Month }).rare(),
	number("reset", "Day of the month on which the provider counts anew: 1 to 31, the last day where the month "+
		"is shorter.", "1", func(l *conf.Line) *int { return &l.Reset }).rare(),
	size("day", "Octets a day. 0: no limit.", "1G", func(l *conf.Line) *int64 { return &l.Day }).rare(),
	value("reserve", "What of each limit is kept for small mail: large mail stops so much earlier. A share, or a "+
		"size.",
		"10%", func(l *conf.Line) *conf.Share { return &l.Reserve }, conf.ParseShare, conf.Share.String).rare(),
	size("large", "From this size on mail is large: it waits for the off-peak hours, where there are some, and "+
		"leaves the reserve alone.", "1M", func(l *conf.Line) *int64 { return &l.Large }).rare(),
	values("off_peak", "Hours in which large mail is collected: one part of the day or a list. Without it: "+
		"always.", `"00:00-06:00"`, func(l *conf.Line) *[]conf.Window { return &l.OffPeak },
		conf.ParseWindow, conf.Window.String).rare(),
	text("timezone", "Where these days and hours are counted, if not in this machine's time zone.",
		"Africa/Johannesburg",
		func(l *conf.Line) *string { return &l.Timezone }).rare(),
}

// budget is the table of what one maildrop may cost.
var budget = []option[conf.Budget]{
	size("month", "Octets from one reset day of the line to the next. 0: no limit.", "2G",
		func(b *conf.Budget) *int64 { return &b.Month }).rare(),
	size("day", "Octets a day. 0: no limit.", "200M", func(b *conf.Budget) *int64 { return &b.Day }).rare(),
}

// oversize is the table of what happens to mail that is too large.
var oversize = []option[conf.Oversize]{
	size("above", "From this size on a message is too large.", "20M",
		func(o *conf.Oversize) *int64 { return &o.Above }).rare(),
	value("then", "leave (it stays in the maildrop, and the status says so), notice (it stays, and the recipient is "+
		"told by a small message), bounce (it goes back to the sender without having been fetched), or off-peak (it is "+
		"collected in the off-peak hours of line).", "leave",
		func(o *conf.Oversize) *conf.Then { return &o.Then },
		func(s string) (conf.Then, error) { return conf.Then(s), nil },
		func(t conf.Then) string { return string(t) }).rare(),
}
