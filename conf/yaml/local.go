package yaml

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// This file has the destinations on this machine. Each may be written short, as a path or an argv, or as a
// section.

// templates is what the descriptions say of words in braces.
const templates = "Words: {local} {extension} (jaco+lists: jaco, lists; in small letters) {domain} {user} {maildrop}; {word|text} " +
	"is text where the word is empty."

var maildirAt = localKind("maildir", "/srv/mail/{domain}/{local}",
	"A Maildir, by its path, or a section. "+templates+" What comes before the directory with the first word has to be there, "+
		"the rest is made.", slices.Concat([]option[conf.Destination]{pathOf("/srv/mail/{domain}/{local}"), keepFolder}, ownership))

var mboxAt = localKind("mbox", "/var/mail/{local}", "An mbox file, by its path, or a section. Words as in maildir.",
	slices.Concat([]option[conf.Destination]{
		pathOf("/var/mail/{local}"),
		span("lock", "How long another program may hold the mailbox before the message is deferred.", "30s",
			func(d *conf.Destination) *time.Duration { return &d.Local.Lock }).rare(),
	}, ownership))

// ownership are the options that say whose a mailbox is.
var ownership = []option[conf.Destination]{
	text("user", "As whom it is written, e.g. {local}; for others than ourselves mailretr has to run as root. Without it: as we "+
		"are; where that is root, as the owner of the mailbox, or of the directory in which it is made.", `"{local}"`,
		func(d *conf.Destination) *string { return &d.Local.User }).rare(),
	text("group", "One group more, e.g. mail where lock files in /var/mail need it.", "mail",
		func(d *conf.Destination) *string { return &d.Local.Group }).rare(),
	truth("create", "false: a recipient without a mailbox is unknown.", "true",
		func(d *conf.Destination) *bool { return &d.Local.Create }).rare(),
}

var keepFolder = text("folder", "keep: into the subfolder (Maildir++) that is called as the IMAP folder it was collected from.",
	"keep", func(d *conf.Destination) *string { return &d.Local.Folder }).rare()

// pathOf is the path of a mailbox in its section.
func pathOf(example string) option[conf.Destination] {
	return option[conf.Destination]{
		key: "path", example: `"` + example + `"`, doc: "Where it is; ~/ is the home directory of the user.",
		read: func(d *decoder, n *yaml.Node, v *conf.Destination) { v.Address = d.place(d.text(n, "path")) },
		show: func(_ shower, v *conf.Destination) *yaml.Node { return scalar(v.Address) },
	}
}

// place is the path of a mailbox; ~/ is not ours but that of whose it is.
func (d *decoder) place(s string) string {
	if s == "" || filepath.IsAbs(s) || strings.HasPrefix(s, "~/") {
		return s
	}
	return filepath.Join(filepath.Dir(d.file), s)
}

// localKind is the option that makes a destination a mailbox of this machine.
func localKind(kind, example, doc string, table []option[conf.Destination]) option[conf.Destination] {
	return option[conf.Destination]{
		key: kind, example: "", doc: doc + ` The short form is ` + kind + `: "` + example + `".`, off: true,
		read: func(d *decoder, n *yaml.Node, v *conf.Destination) {
			if !setLocal(d, n, v, kind) {
				return
			}
			if at := d.follow(n); at != nil && at.Kind == yaml.MappingNode {
				section(d, n, table, v, &v.Local.At)
				return
			}
			v.Address = d.place(d.text(n, kind))
		},
		show: func(s shower, v *conf.Destination) *yaml.Node {
			if v.Kind != kind {
				return nil
			}
			if n := localSection(s, table, v); len(n.Content) > 2 {
				return n
			}
			return scalar(v.Address)
		},
		explain: func(p *printer) { explain(p, table) },
	}
}

// localSection is what differs from the defaults; one that somebody has put together by kind and path has those.
func localSection(s shower, table []option[conf.Destination], v *conf.Destination) *yaml.Node {
	standard := conf.DefaultLocal()
	base := conf.Destination{Local: &standard}
	if v.Local == nil {
		with := *v
		with.Local, v = &standard, &with
	}
	return mapping(shower{origin: s.origin, brief: true}, table, v, &base, v.Local.At)
}

// setLocal makes a destination a local one.
func setLocal(d *decoder, n *yaml.Node, v *conf.Destination, kind string) bool {
	if !setKind(d, n, v, kind) {
		return false
	}
	l := conf.DefaultLocal()
	l.At.Self = d.pos(n)
	v.Local = &l
	return true
}

// commandTable is the section of a command.
var commandTable = []option[conf.Destination]{
	text("preset", "A program that is known: sendmail, procmail, maildrop or dovecot-lda.", "procmail",
		func(d *conf.Destination) *string { return &d.Local.Preset }),
	list("argv", "The program with its arguments, each by itself, where the preset's are not right. Words: {recipient} {local} "+
		"{extension} {domain} {user} {sender} {maildrop} {folder} {id}; {sender|<>} is <> where there is no sender.",
		`[/usr/bin/procmail, -f, "{sender|<>}", -d, "{local}"]`, func(d *conf.Destination) *[]string { return &d.Command }).rare(),
	text("user", "As whom it runs, e.g. {local} or vmail; for others than ourselves mailretr has to run as root, and as root it has "+
		"to be written.", `"{local}"`, func(d *conf.Destination) *string { return &d.Local.User }).rare(),
	text("group", "One group more.", "mail", func(d *conf.Destination) *string { return &d.Local.Group }).rare(),
	span("timeout", "How long it may take before it is ended, with all that it has started.", "10m",
		func(d *conf.Destination) *time.Duration { return &d.Local.Timeout }).rare(),
}

var commandOf = option[conf.Destination]{
	key: "command", off: true,
	doc: "A program that gets each message on its standard input, once for each recipient. There is no shell. Exit code 0: " +
		"delivered; 65, 67 to 69, 76 and 77 of sysexits.h: failed, with what it says on its standard error as the reason; 64 to " +
		"78 with a status code there, as 5.2.2: failed, but for 71 and 75; all else: later. " + `The short form is its argv: command: [/usr/local/bin/take, "{recipient}"].`,
	read: func(d *decoder, n *yaml.Node, v *conf.Destination) {
		if !setLocal(d, n, v, "command") {
			return
		}
		if at := d.follow(n); at != nil && at.Kind == yaml.MappingNode {
			section(d, n, commandTable, v, &v.Local.At)
			return
		}
		v.Command = d.texts(n, "command")
	},
	show: func(s shower, v *conf.Destination) *yaml.Node {
		if v.Kind != "command" {
			return nil
		}
		if n := localSection(s, commandTable, v); len(n.Content) > 2 || len(v.Command) == 0 {
			return n
		}
		return sequence(v.Command)
	},
	explain: func(p *printer) { explain(p, commandTable) },
}

var filterTable = []option[conf.Filter]{
	list("argv", "The program with its arguments. Words: {sender} {maildrop} {folder} {id}.", "[/usr/local/bin/check]",
		func(f *conf.Filter) *[]string { return &f.Command }),
	text("user", "As whom it runs. As root it has to be written.", "nobody",
		func(f *conf.Filter) *string { return &f.User }).rare(),
	span("timeout", "How long it may take.", "10m", func(f *conf.Filter) *time.Duration { return &f.Timeout }).rare(),
}

var filterOf = option[conf.Destination]{
	key: "filter", off: true,
	doc: "A program that sees each message on its way to this destination, on its standard input. Exit code 0: it goes on, as it " +
		"was, or as what the program writes to its standard output; 99: it is dropped, counted and logged; 100: it is refused, with " +
		"what it says on its standard error as the reason; all else: later. The short form is its argv.",
	read: func(d *decoder, n *yaml.Node, v *conf.Destination) {
		f := conf.DefaultFilter()
		f.At.Self = d.pos(n)
		v.Filter = &f
		if at := d.follow(n); at != nil && at.Kind == yaml.MappingNode {
			section(d, n, filterTable, v.Filter, &v.Filter.At)
			return
		}
		f.Command = d.texts(n, "filter")
	},
	show: func(s shower, v *conf.Destination) *yaml.Node {
		if v.Filter == nil {
			return nil
		}
		base := conf.DefaultFilter()
		if n := mapping(shower{origin: s.origin, brief: true}, filterTable, v.Filter, &base, v.Filter.At); len(n.Content) > 2 {
			return n
		}
		return sequence(v.Filter.Command)
	},
	explain: func(p *printer) { explain(p, filterTable) },
}

// sectional are the keys of a destination that may have a section; a destination may have such a name too.
func sectional(key string) bool {
	return slices.Contains([]string{"maildir", "mbox", "imap", "command", "filter"}, key)
}

// choosesKind says whether a mapping has the key of a kind, so that it is a destination.
func choosesKind(n *yaml.Node) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if slices.Contains([]string{"smtp", "lmtp", "maildir", "mbox", "imap", "command"}, n.Content[i].Value) {
			return true
		}
	}
	return false
}
