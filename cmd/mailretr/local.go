package main

import (
	"fmt"
	"time"

	"mailretr/conf"
	"mailretr/relay"
	"mailretr/relay/local"
	"mailretr/store/mail"
)

// begun is when this program began: what was queued before may have been delivered by an earlier one.
var begun = time.Now()

func newMaildir(s surroundings, d *conf.Destination, _ mail.Lane) (relay.Connection, error) {
	o := local.Maildir{Options: localOf(s, d), Path: d.Address, Create: d.Local.Create, Keep: d.Local.Folder == conf.FolderKeep}
	return connection1(local.NewMaildir(o))
}

func newMbox(s surroundings, d *conf.Destination, _ mail.Lane) (relay.Connection, error) {
	return connection1(local.NewMbox(local.Mbox{Options: localOf(s, d), Path: d.Address, Create: d.Local.Create, Lock: d.Local.Lock}))
}

func newCommand(s surroundings, d *conf.Destination, _ mail.Lane) (relay.Connection, error) {
	preset, known := local.Presets[d.Local.Preset]
	if d.Local.Preset != "" && !known {
		return nil, fmt.Errorf("the preset %q is not known; there are sendmail, procmail, maildrop, dovecot-lda", d.Local.Preset)
	}
	argv := d.Command
	if len(argv) == 0 {
		argv = preset.Argv
	}
	return connection1(local.NewCommand(local.Command{Options: localOf(s, d), Argv: argv, Timeout: d.Local.Timeout}))
}

// connection1 keeps a nil client from becoming a connection.
func connection1(c *local.Client, err error) (relay.Connection, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

func localOf(s surroundings, d *conf.Destination) local.Options {
	return local.Options{User: d.Local.User, Group: d.Local.Group, Folder: s.folder, Host: d.Hello, Dir: s.state, Since: begun,
		Trace: final(d), Turns: s.turns}
}

// alone says whether one message may take long in a lane while others could be delivered: it runs a program, or waits for
// the lock of a mailbox.
func (h *house) alone(l mail.Lane) bool {
	d, ok := h.destination(l)
	return ok && (d.Kind == "mbox" || d.Kind == "command" || d.Filter != nil)
}

// final says whether a destination puts mail into mailboxes, so that a Return-Path belongs in front.
func final(d *conf.Destination) bool {
	if d.Kind == "command" && d.Local.Preset != "" {
		return local.Presets[d.Local.Preset].Final
	}
	return d.Kind == "lmtp" || d.Kind == "imap" || d.Local != nil
}

// filtered puts the filter of a destination in front of it.
func filtered(s surroundings, d *conf.Destination, l mail.Lane, to mail.Deliverer) (mail.Deliverer, error) {
	if d.Filter == nil {
		return to, nil
	}
	f, err := local.NewFilter(to, local.FilterOptions{Argv: d.Filter.Command, User: d.Filter.User, Timeout: d.Filter.Timeout,
		Dir: s.state, Lane: l, Observe: s.observe})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// unusable are the mistakes that the kinds on this machine find in their templates.
func unusable(d *conf.Destination) (list []conf.Problem) {
	if d.Local != nil && deliverers[d.Kind] != nil {
		if _, err := deliverers[d.Kind](surroundings{}, d, ""); err != nil {
			list = append(list, conf.Problem{Pos: d.At.Of(d.Kind), Severity: conf.Error, Text: fmt.Sprintf("%s: %v", d.Kind, err),
				Hint: "mailretr config describe has the words that there are"})
		}
	}
	if _, err := filtered(surroundings{}, d, "", nil); err != nil {
		list = append(list, conf.Problem{Pos: d.At.Of("filter"), Severity: conf.Error, Text: fmt.Sprintf("filter: %v", err),
			Hint: "mailretr config describe has the words that there are"})
	}
	return list
}
