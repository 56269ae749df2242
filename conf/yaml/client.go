package yaml

import "mailretr/conf"

// border is the table of where the client of a message is found.
var border = []option[conf.Border]{
	list("by", "The provider's hosts that take mail from outside, by the name that stands behind by in their Received; * "+
		"stands for any letters.", "mx.isp.example", func(b *conf.Border) *[]string { return &b.By }),
	list("through", "Hosts of the provider that write a Received above it, nearer to the maildrop.", `"*.store.isp.example"`,
		func(b *conf.Border) *[]string { return &b.Through }).rare(),
}

// client is the option of a maildrop.
var client = optional("client", "Who handed a message to the provider: it is read from the provider's own Received, and told to "+
	"destinations that have client:. What anybody but the named hosts has written is not believed.", border,
	func(m *conf.Maildrop) **conf.Border { return &m.Client }, func(b *conf.Border) *conf.Where { return &b.At }).rare()

// introduction is the option of a destination.
var introduction = value("client", "Of smtp and lmtp: tell the MTA who handed a message to the provider (client: of the maildrop), "+
	"so that it judges that host and not us: xclient (Postfix: smtpd_authorized_xclient_hosts), proxy-v1 or proxy-v2 (Exim: "+
	"hosts_proxy; Postfix: smtpd_upstream_proxy_protocol = haproxy). none: do not.", "none",
	func(d *conf.Destination) *conf.Introduction { return &d.SMTP.Client }, conf.ParseIntroduction,
	func(i conf.Introduction) string { return string(i) }).rare()
