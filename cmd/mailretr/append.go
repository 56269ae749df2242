package main

import (
	"mailretr/conf"
	"mailretr/relay"
	"mailretr/relay/imap"
	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

func newAppend(s surroundings, d *conf.Destination, l mail.Lane) (relay.Connection, error) {
	dial := wire.Options{Network: d.Network, Address: d.Address, TLS: tlsOf(&d.TLS), Trace: s.log}
	dial.TLS.Classic = classic(&d.TLS, false)
	o := imap.Options{
		Options: imapconn.Options{Dial: dial, User: d.User, Password: d.Password.Resolve},
		Folder:  d.IMAP.Folder, Flags: d.IMAP.Flags, Keep: d.IMAP.KeepFlags, Since: begun, Observe: s.observe, Name: l,
	}
	if d.IMAP.Keep == conf.FolderKeep && s.folder != nil {
		o.Of = func(m *mail.Message) string { return s.folder(m.Origin) }
	}
	c, err := imap.New(o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// dated says whether somebody wants to know the date and the flags that a message had in its maildrop.
func dated(c *conf.Config) bool {
	for _, d := range c.Deliver {
		if d.Kind == "imap" {
			return true
		}
	}
	return false
}
