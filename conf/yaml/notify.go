package yaml

import (
	"time"

	"mailretr/conf"
)

// notify is the table of who is told of maildrops in trouble.
var notify = []option[conf.Notify]{
	list("mail", "Who gets a mail: addresses, and owner for the address that the owner: of the maildrop is, else its recipients (of "+
		"a multi-drop: the postmaster). "+
		"Without it: nobody.", "[owner]", func(n *conf.Notify) *[]string { return &n.Mail }).rare(),
	span("after", "How long the trouble has to last; one mail tells of it, however long it lasts then.", "1h",
		func(n *conf.Notify) *time.Duration { return &n.After }).rare(),
	span("recovered", "How long it has to be well again before a mail says so; one that told of no trouble is not "+
		"followed by another.", "10m", func(n *conf.Notify) *time.Duration { return &n.Recovered }).rare(),
	optional("webhook", "A program of yours that is told of the same by HTTP. It is tried again for three days, and no mail "+
		"waits for it.", webhook, func(n *conf.Notify) **conf.Webhook { return &n.Webhook },
		func(w *conf.Webhook) *conf.Where { return &w.At }).rare(),
}
