package yaml

import (
	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// folders is a list of names, patterns and uses; a mapping says more of one.
var folders = option[conf.Maildrop]{
	key: "folders", example: "[INBOX]", off: true, read: readFolders, show: showFolders,
	doc: "Folders of an IMAP maildrop: a name; a pattern with * and % (which stays between two separators); or " +
		"a use such as \\Junk or \\Archive, whatever that folder is called there. In UTF-8, and with the server's " +
		"own separator. A pattern spares \\All, \\Flagged and \\Important, which are copies, and \\Drafts, " +
		"\\Sent, \\Trash and \\Junk; name them to have them. Mail of some may be for somebody else, and some may be " +
		`excluded from patterns: folders: [INBOX, {name: "Lists/*", to: lists@example.org}, ` +
		"{exclude: Lists/old}]. A folder that several mean belongs to the first.",
}

// namedFolder is the table of a folder that has more than a name.
var namedFolder = []option[conf.Folder]{
	text("name", "", "Lists/*", func(f *conf.Folder) *string { return &f.Name }),
	list("to", "", "lists@example.org", func(f *conf.Folder) *[]string { return &f.To }),
	{key: "exclude", read: func(d *decoder, n *yaml.Node, f *conf.Folder) {
		if f.Name != "" {
			d.fail(n, "write - exclude: alone", "exclude: this folder has a name already")
			return
		}
		f.Name, f.Exclude = d.text(n, "exclude"), true
	}},
}

func readFolders(d *decoder, n *yaml.Node, m *conf.Maildrop) {
	m.Folders = nil
	d.each(n, func(x *yaml.Node) {
		var f conf.Folder
		f.At.Self = d.pos(x)
		if y := d.follow(x); y == nil {
			return
		} else if y.Kind != yaml.MappingNode {
			if f.Name = d.text(x, "folders"); f.Name != "" {
				m.Folders = append(m.Folders, f)
			}
			return
		}
		before := d.failed
		section(d, x, namedFolder, &f, &f.At)
		switch {
		case d.failed > before:
		case f.Name == "":
			d.fail(x, `write {name: "Lists/*", to: lists@example.org} or {exclude: Lists/old}`,
				"folders: the name of a folder is missing")
		case f.Exclude && f.At.Has("name"), f.Exclude && f.At.Has("to"):
			d.fail(x, "write {exclude: "+f.Name+"}", "folders: what is excluded has nothing else to it")
		default:
			m.Folders = append(m.Folders, f)
		}
	})
}

func showFolders(_ shower, m *conf.Maildrop) *yaml.Node {
	all := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, f := range m.Folders {
		n := scalar(f.Name)
		if f.Exclude || len(f.To) > 0 {
			key := "name"
			if f.Exclude {
				key = "exclude"
			}
			n = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{scalar(key), n}}
		}
		if len(f.To) > 0 {
			n.Content = append(n.Content, scalar("to"), sequence(f.To))
		}
		all.Content = append(all.Content, n)
	}
	return all
}
