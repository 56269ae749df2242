package yaml

import (
	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// mailbox is the section of a folder of an IMAP account.
var mailbox = []option[conf.Destination]{
	{
		key: "url", example: "imaps://jaco@mail.example.org/INBOX", read: readMailbox,
		show: func(_ shower, v *conf.Destination) *yaml.Node { return scalar(v.Mailbox()) },
		doc: "Where: imap or imaps, the user, the host, the port if it is not the usual one, and the folder, which is made where " +
			"it is missing. Without a folder: INBOX.",
	},
	text("folder", "keep: into the folder that is called as the IMAP folder it was collected from.", "keep",
		func(d *conf.Destination) *string { return &d.IMAP.Keep }).rare(),
	list("flags", `Flags that each message is given: \Seen, \Answered, \Flagged, \Draft, or words.`, `['\Seen']`,
		func(d *conf.Destination) *[]string { return &d.IMAP.Flags }).rare(),
	truth("keep_flags", "true: also the flags that it had where it was collected.", "false",
		func(d *conf.Destination) *bool { return &d.IMAP.KeepFlags }).rare(),
}

// mailboxAt is the option that makes a destination such a folder.
var mailboxAt = option[conf.Destination]{
	key: "imap", off: true,
	doc: "A folder of an IMAP account, by its url, or a section. It is filled by APPEND. The short form is imap: " +
		"imaps://jaco@mail.example.org/INBOX.",
	read: func(d *decoder, n *yaml.Node, v *conf.Destination) {
		if !setKind(d, n, v, "imap") {
			return
		}
		v.IMAP = &conf.IMAP{}
		v.IMAP.At.Self = d.pos(n)
		if at := d.follow(n); at != nil && at.Kind == yaml.MappingNode {
			section(d, n, mailbox, v, &v.IMAP.At)
			return
		}
		readMailbox(d, n, v)
	},
	show: func(s shower, v *conf.Destination) *yaml.Node {
		if v.Kind != "imap" {
			return nil
		}
		base := conf.Destination{IMAP: &conf.IMAP{}}
		if v.IMAP == nil { // as in localSection
			with := *v
			with.IMAP, v = base.IMAP, &with
		}
		if n := mapping(shower{origin: s.origin, brief: true}, mailbox, v, &base, v.IMAP.At); len(n.Content) > 2 {
			return n
		}
		return scalar(v.Mailbox())
	},
	explain: func(p *printer) { explain(p, mailbox) },
}

func readMailbox(d *decoder, n *yaml.Node, v *conf.Destination) {
	if s := d.text(n, "url"); s != "" {
		if err := v.SetMailbox(s); err != nil {
			d.fail(n, "write it as imaps://jaco@mail.example.org/INBOX", "imap: %v", err)
		}
	}
}
