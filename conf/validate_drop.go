package conf

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"mailretr/relay/domain"
)

// maildrop checks one entry; what it finds concerns that entry alone.
func (v *validator) maildrop(m *Maildrop) {
	v.drop = m
	defer func() { v.drop = nil }()
	v.name(m.At, "name", m.Name)
	v.server(m)
	v.recipients(m)
	v.owned(m)
	v.policy(m)
	v.budget(m)
	v.oversize(m)
	if m.Bounce != nil {
		v.speech(m.Bounce.At, m.Bounce.Language, m.Bounce.Template)
	}
	v.border(m)
	if _, ok := v.c.Destination(m.Deliver); !ok && len(v.c.Deliver) > 0 {
		v.fail(m.At.Of("deliver"), "write one of: "+strings.Join(v.destinationNames(), ", "),
			"deliver: there is no destination %q", m.Deliver)
	}
}

func (v *validator) destinationNames() (names []string) {
	for _, d := range v.c.Deliver {
		names = append(names, d.Name)
	}
	return names
}

// server checks where the maildrop is and how to get in.
func (v *validator) server(m *Maildrop) {
	if m.Protocol == "" && m.Host == "" {
		v.fail(m.At.Of("url"), "write e.g. url: imaps://user@mail.example.org", "url is missing")
	} else {
		v.one(m.At, "url", m.Protocol, "pop3", "imap")
		v.host(m.At, "url", m.Host)
		v.number(m.At, "url", int64(m.Port), 1, 65535)
	}
	v.tls(&m.TLS)
	if known := m.Protocol != ""; known && m.Secure != (m.TLS.Mode == ModeImplicit) {
		v.fail(m.At.Of("tls"), "write pop3s:// or imaps:// for TLS from the first octet, pop3:// or imap:// else",
			"tls: %s contradicts the url", m.TLS.Mode)
	}
	v.way(m)
	if m.TLS.Mode == ModeNone && m.Host != "" && !Loopback(m.Host) && len(m.Dial) == 0 {
		v.warn(m.At.Of("tls"), "remove tls: none if the server can do better",
			"the password and the mail cross the line in clear text")
	}
	if m.Host != "" {
		v.need(m.At, "user", m.User, "write it into the url (imaps://user@host), or as user:")
	}
	v.access(m)
	v.folders(m)
}

// ways are the values of auth.
var ways = []string{"auto", "password", "plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "scram-sha-1-plus",
	"scram-sha-256-plus", "external", "oauthbearer", "xoauth2", "apop"}

// access checks how to log in, and with what.
func (v *validator) access(m *Maildrop) {
	v.secret(m.At, "password", m.Password)
	v.one(m.At, "auth", m.Auth, ways...)
	switch {
	case m.OAuth != "":
		v.consent(m)
	case m.Password.Given():
		v.refusing(m)
	case m.Auth != "external":
		v.fail(m.At.Of("password"), "write e.g. password: {file: /etc/mailretr/"+m.Name+".pass}, or oauth:",
			"password is missing")
	}
	switch {
	case m.Auth == "apop" && m.Protocol == "imap":
		v.fail(m.At.Of("auth"), "remove it", "auth: apop is of POP3 only")
	case m.Auth == "external" && m.TLS.Cert == "":
		v.fail(m.At.Of("auth"), "write tls: {cert: FILE, key: FILE}",
			"auth: external shows a certificate, and none is named")
	case strings.HasSuffix(m.Auth, "-plus") && m.TLS.Mode == ModeNone:
		v.fail(m.At.Of("auth"), "remove tls: none", "auth: %s binds the login to TLS", m.Auth)
	}
}

func (v *validator) recipients(m *Maildrop) {
	for _, a := range m.To {
		v.address(m.At, "to", a)
	}
	switch d := m.Multidrop; {
	case d == nil && len(m.To) == 0 && !m.addressed():
		v.fail(m.At.Of("to"), "write to: user@example.org, or multidrop:", "nobody is named to get the mail")
	case d != nil && len(m.To) > 0:
		v.fail(m.At.Of("multidrop"), "write one of them", "to and multidrop exclude each other")
	case d != nil:
		v.multidrop(d)
	}
}

// field checks the name of a header field (RFC 5322, 3.6.8).
func (v *validator) field(at Where, key, name string) {
	for i := 0; i < len(name); i++ {
		if name[i] <= ' ' || name[i] >= 0x7f || name[i] == ':' {
			v.fail(at.Of(key), "write the name alone, without the colon", "%s: %q is no header field", key, name)
			return
		}
	}
}

func (v *validator) policy(m *Maildrop) {
	if v.need(m.At, "sender", m.Sender, "write the name of a header field") {
		v.field(m.At, "sender", m.Sender)
	}
	if v.clean(m.At, "authserv", m.AuthServ) && strings.ContainsAny(m.AuthServ, " ;") {
		v.fail(m.At.Of("authserv"), "write the word that begins its Authentication-Results",
			"authserv: %q is no name of a server", m.AuthServ)
	}
	v.span(m.At, "poll", m.Poll, time.Second, 30*24*time.Hour)
	if m.First.Mode == FirstSince {
		v.span(m.At, "first", m.First.Within, time.Hour, 100*365*24*time.Hour)
	}
	v.after(m)
}

// conflicts finds entries that would do each other's work. The first one is left in place.
func (v *validator) conflicts() {
	names, accounts := make(map[string]Pos), make(map[string]*shared)
	for i := range v.c.Maildrops {
		m := v.c.Maildrops[i]
		v.drop = m
		if first, twice := names[m.Name]; twice && m.Name != "" {
			v.fail(m.At.Of("name"), "give it another name", "name: %q is already at %s", head(m.Name), first)
		} else {
			names[m.Name] = m.At.Of("name")
		}
		key := m.account()
		if key == "" {
			continue
		}
		s := accounts[key]
		if s == nil {
			s = &shared{drops: v.c.Maildrops}
			accounts[key] = s
		}
		if s.many(m) {
			v.fail(m.At.Of("folders"), "join some of them", "folders: %d others have patterns for the same account", mostWide)
			continue
		}
		folder, first, both := s.first(m)
		if !both {
			s.add(i)
			continue
		}
		v.fail(m.At.Of("url"), "remove one of them", "the same account%s is already collected by %q at %s",
			folder, first.Name, first.At.Of("url"))
	}
	v.drop = nil
}

// account tells accounts apart; whoever is not enabled collects nothing.
func (m *Maildrop) account() string {
	if !m.Enabled || m.Host == "" || m.User == "" {
		return ""
	}
	return m.Protocol + "\x00" + oneHost(m.Host) + "\x00" + m.User
}

// Server is where it is, host and port, the same for all that are there however they write it.
func (m *Maildrop) Server() string { return net.JoinHostPort(oneHost(m.Host), strconv.Itoa(m.Port)) }

// oneHost is a host in one form of several that mean the same.
func oneHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return domain.ALabels(host)
}
