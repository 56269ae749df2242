package conf

import (
	"crypto/sha256"
	"encoding/json"
	"net/netip"
	"strings"
	"time"
)

// Default returns the configuration in which nothing was written yet.
func Default() Config {
	return Config{
		Watch: true,
		Poll:  5 * time.Minute,
		Queue: Queue{
			Retry: []time.Duration{
				time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
				time.Hour, 2 * time.Hour, 4 * time.Hour,
			},
			Expire:  5 * 24 * time.Hour, // RFC 5321, 4.5.4.1: at least 4–5 days
			Reserve: 256 << 20,
		},
		Limits: Limits{
			PerServer: 3, Sessions: 20, Large: 2,
			HeadersFirst: 32 << 10,
			Batch:        128, BatchSize: 8 << 20,
			MaxMessage: 512 << 20,
		},
		Bounce:  Bounce{Full: 100 << 10, Hourly: 100},
		Line:    Line{Cap: Cap{Reset: 1, Reserve: Share{Percent: 10}, Large: 1 << 20}},
		Notify:  Notify{After: time.Hour, Recovered: 10 * time.Minute},
		Log:     Log{Level: "info", Format: "auto"},
		Rewrite: Rewrite{Mark: "+"},
		Web:     DefaultWeb(),
	}
}

// DefaultDestination returns a destination in which nothing was written yet.
func DefaultDestination() Destination {
	return Destination{Name: "default", Connections: 4, SMTP: SMTP{Client: NoIntroduction}}
}

// DefaultMaildrop returns a maildrop in which nothing was written yet.
func DefaultMaildrop() Maildrop {
	return Maildrop{Auth: "auto", Sender: "Return-Path", Check: true, Enabled: true, Compress: true}
}

// Complete fills in what depends on other settings. It may be called again.
func (c *Config) Complete(p Paths) {
	if c.State == "" {
		c.State = p.State
	}
	if c.Socket == "" {
		c.Socket = p.Socket
	}
	c.Bounce.At.inherit(c.At, "bounce")
	c.Rewrite.At.inherit(c.At, "rewrite")
	for i := range c.Rewrite.Lookups {
		if l := &c.Rewrite.Lookups[i]; l.LDAP != nil {
			l.LDAP.complete(l.At)
		}
	}
	c.Queue.At.inherit(c.At, "queue")
	c.Limits.At.inherit(c.At, "limits")
	c.Line.At.inherit(c.At, "line")
	c.Line.Proxy.At.inherit(c.Line.At, "proxy")
	c.Log.At.inherit(c.At, "log")
	c.Metrics.At.inherit(c.At, "metrics")
	c.Notify.At.inherit(c.At, "notify")
	c.Web.At.inherit(c.At, "web")
	c.Web.TLS.At.inherit(c.Web.At, "tls")
	c.Web.Proxy.At.inherit(c.Web.At, "proxy")
	for i := range c.Web.SignIn {
		c.Web.SignIn[i].complete()
	}
	for i := range c.Deliver {
		c.Deliver[i].complete(c.Hostname)
	}
	for i := range c.Listen {
		c.Listen[i].complete()
	}
	for i := range c.OAuth {
		c.OAuth[i].complete()
	}
	for i := range c.Sources {
		c.Sources[i].complete(c.Sources[:i])
	}
	for i := range c.Maildrops {
		c.completeMaildrop(c.Maildrops[i])
	}
}

func (d *Destination) complete(hostname string) {
	d.TLS.At.inherit(d.At, "tls")
	d.completeLocal()
	d.completeIMAP()
	if d.Hello == "" {
		d.Hello = hostname
	}
	d.secure()
}

func (c *Config) completeMaildrop(m *Maildrop) {
	m.TLS.At.inherit(m.At, "tls")
	m.Proxy.At.inherit(m.At, "proxy")
	m.inherit(&c.Line)
	if m.Oversize != nil && m.Oversize.Then == ThenDefault {
		m.Oversize.Then = ThenLeave
	}
	if m.Owner == "" && len(m.To) > 0 {
		m.Owner = m.To[0]
	}
	if m.Poll == 0 {
		m.Poll = c.Poll
	}
	if m.TLS.Mode == ModeDefault {
		m.TLS.Mode = ModeStartTLS
		if m.Secure {
			m.TLS.Mode = ModeImplicit
		}
	}
	if m.Protocol == "imap" && len(m.Folders) == 0 {
		m.Folders = Named("INBOX")
	}
	for i := range m.Folders {
		m.Folders[i].Name = oneFolder(m.Folders[i].Name)
	}
	m.After.Folder = oneFolder(m.After.Folder)
	if m.Deliver == "" && len(c.Deliver) > 0 {
		m.Deliver = c.Deliver[0].Name
	}
}

// Fingerprint is equal for two maildrops with the same settings, wherever they are written; what was put
// aside for a setting is looked at again when it changes. It says where the password is found, and nothing of
// the password.
func (m *Maildrop) Fingerprint() [32]byte {
	kind, where := m.Password.Form()
	b, err := json.Marshal(struct {
		Maildrop Maildrop
		Kind     string
		Where    []string
	}{*m, kind, where})
	if err != nil {
		panic("conf: " + err.Error()) // plain data can be marshalled
	}
	return sha256.Sum256(b)
}

// Loopback says whether a host is this machine, by its name or literal alone; nothing is looked up.
func Loopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	h := strings.ToLower(strings.TrimSuffix(host, "."))
	return h == "localhost" || strings.HasSuffix(h, ".localhost") // RFC 6761, 6.3
}

// Maildrop returns the maildrop of that name; nil: there is none.
func (c *Config) Maildrop(name string) *Maildrop {
	if c.index != nil {
		if i, ok := c.index[name]; ok {
			return c.Maildrops[i]
		}
		return nil
	}
	for i := range c.Maildrops {
		if c.Maildrops[i].Name == name {
			return c.Maildrops[i]
		}
	}
	return nil
}

// Index makes Maildrop quick where there are many. The maildrops stay as they are afterwards.
func (c *Config) Index() {
	c.index = make(map[string]int, len(c.Maildrops))
	for i := len(c.Maildrops) - 1; i >= 0; i-- { // of two with one name, the first
		c.index[c.Maildrops[i].Name] = i
	}
}

// Destination returns the destination of that name.
func (c *Config) Destination(name string) (Destination, bool) {
	for _, d := range c.Deliver {
		if d.Name == name {
			return d, true
		}
	}
	return Destination{}, false
}
