package conf

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"mailretr/relay/flag"
)

// An IMAP says more of a destination that is a folder of an IMAP account.
type IMAP struct {
	At Where `json:"-"`

	Secure    bool     // imaps: TLS from the first octet
	Folder    string   // in UTF-8
	Flags     []string // that each message is given
	KeepFlags bool     // the flags that a message had where it was collected are given too
	Keep      string   // "", or FolderKeep: into the folder that is called as the one it was collected from
}

// SetMailbox reads where mail is appended: imap or imaps, "://", a user with "@", a host and a port, and "/" with a
// folder; without it INBOX is meant. What is no letter in user or folder may be escaped (%20).
func (d *Destination) SetMailbox(s string) error {
	at, user, path, err := parseURL(s, d.User)
	switch {
	case err != nil:
		return err
	case at.protocol != "imap":
		return errors.New("it does not begin with imap:// or imaps://")
	case strings.ContainsAny(path, "?#"):
		return errors.New("a ? or # in a folder is written %3F or %23")
	}
	folder, err := url.PathUnescape(strings.Trim(path, "/"))
	if err != nil {
		return errors.New("the folder has a % that is no escape; write %25")
	}
	if folder == "" {
		folder = "INBOX"
	}
	if d.IMAP == nil {
		d.IMAP = &IMAP{}
	}
	d.IMAP.Secure, d.IMAP.Folder, d.User = at.secure, folder, user
	d.Network, d.Address = "tcp", net.JoinHostPort(at.host, strconv.Itoa(at.port))
	return nil
}

// Mailbox is what SetMailbox reads; "" where it is not known.
func (d *Destination) Mailbox() string {
	host, port, err := net.SplitHostPort(d.Address)
	if d.IMAP == nil || err != nil {
		return ""
	}
	n, _ := strconv.Atoi(port)
	m := Maildrop{Protocol: "imap", Secure: d.IMAP.Secure, Host: host, Port: n, User: d.User}
	parts := strings.Split(d.IMAP.Folder, "/")
	for i := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(parts[i]), "@", "%40")
	}
	return m.URL() + "/" + strings.Join(parts, "/")
}

func (d *Destination) completeIMAP() {
	if d.IMAP == nil {
		return
	}
	d.IMAP.At.inherit(d.At, "imap")
	if d.TLS.Mode == ModeDefault && d.IMAP.Secure {
		d.TLS.Mode = ModeImplicit
	}
}

// mailbox checks a folder of an IMAP account.
func (v *validator) mailbox(d *Destination) {
	if !v.need(d.At, "imap", d.Address, "write e.g. imaps://jaco@mail.example.org/INBOX") {
		return
	}
	host, _, _ := net.SplitHostPort(d.Address)
	v.host(d.At, "imap", host)
	if d.User == "" {
		v.fail(d.At.Of("imap"), "write it into the url: imaps://user@host/folder", "imap: the user is missing")
	}
	m := d.IMAP
	if m == nil {
		return
	}
	v.clean(m.At, "imap", m.Folder)
	v.one(m.At, "folder", m.Keep, "", FolderKeep)
	if m.Secure != (d.TLS.Mode == ModeImplicit) {
		v.fail(d.At.Of("tls"), "write imaps:// for TLS from the first octet, imap:// else",
			"tls: %s does not go with the url", d.TLS.Mode)
	}
	for _, f := range m.Flags {
		if !flag.Given(f) {
			v.fail(m.At.Of("flags"), `write \Seen, \Answered, \Flagged, \Draft or a word`,
				"flags: %q cannot be given to a message", f)
		}
	}
}
