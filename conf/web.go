package conf

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Web says where owners see how their maildrops are, and admins how everything is, in a browser.
type Web struct {
	At Where `json:"-"`

	Network string // "tcp" or "unix"; "": nowhere
	Address string // host:port, or a path
	Mode    uint32 // permissions of a unix socket
	Group   string // of a unix socket; "": that of the process
	TLS     WebTLS

	Users  []WebUser // who may sign in with a password that is written here
	SignIn []SignIn  // who else knows passwords
	Proxy  WebProxy  // who speaks for browsers
	Admins []string  // names under which people sign in who see and change everything; see AdminElsewhere

	Session  time.Duration // after which one has to sign in again
	Collect  time.Duration // between two times that an owner has a maildrop collected; 0: he cannot
	Subjects bool          // owners see the subjects of mail that waits
	Help     string        // URL where owners change what their maildrops are; "": there is none
}

// WebTLS is the certificate of the pages.
type WebTLS struct {
	At Where `json:"-"`

	Cert, Key string // PEM files
}

// A WebUser may sign in.
type WebUser struct {
	At Where `json:"-"`

	Name string
	Hash Secret   // of the password; see package relay/passwd for the forms
	Owns []string // names under which maildrops have him for their owner, beside Name
}

// WebProxy is a server in front of the pages that is believed what it says of its clients. Who comes by a unix socket is
// one where User is set; else only who comes from Networks.
type WebProxy struct {
	At Where `json:"-"`

	Networks []string
	User     string // name of the header field with who has signed in there; "": one signs in here
	Owns     string // of the field with the names of what he owns, separated by commas; "": his own name
}

// DefaultWeb returns pages of which nothing was written yet.
func DefaultWeb() Web { return Web{Mode: 0o660, Session: 12 * time.Hour, Collect: time.Minute} }

// Same says whether two say the same, wherever it is written.
func (w *Web) Same(o *Web) bool {
	a, b := *w, *o
	for _, x := range []*Web{&a, &b} {
		x.At, x.TLS.At, x.Proxy.At, x.Users, x.SignIn = Where{}, Where{}, Where{}, nil, nil
	}
	return reflect.DeepEqual(a, b) && slices.EqualFunc(w.SignIn, o.SignIn, SignIn.same) && slices.EqualFunc(w.Users, o.Users, WebUser.same)
}

func (u WebUser) same(v WebUser) bool {
	return u.Name == v.Name && u.Hash.Equal(v.Hash) && slices.Equal(u.Owns, v.Owns)
}

// On says whether there are pages.
func (w *Web) On() bool { return w.Network != "" }

// Name is the place as it was written; "" for none.
func (w *Web) Name() string {
	if !w.On() {
		return ""
	}
	l := w.listener()
	return l.Name()
}

// Place is all that cannot change while it is served.
func (w *Web) Place() string {
	return fmt.Sprintf("%s %o %q %q %q", w.Name(), w.Mode, w.Group, w.TLS.Cert, w.TLS.Key)
}

// SetListen reads where it is: host:port, unix:/path or /path; none for nowhere.
func (w *Web) SetListen(s string) error {
	if s == "none" {
		w.Network, w.Address = "", ""
		return nil
	}
	var l Listener
	if err := l.SetAddress(s); err != nil {
		return err
	}
	w.Network, w.Address = l.Network, l.Address
	return nil
}

func (w *Web) listener() Listener { return Listener{Network: w.Network, Address: w.Address} }

// Prefixes are the networks of the proxies.
func (p *WebProxy) Prefixes() (all []netip.Prefix) {
	for _, n := range p.Networks {
		if x, err := parsePrefix(n); err == nil {
			all = append(all, x)
		}
	}
	return all
}

func (v *validator) web() {
	w := &v.c.Web
	if !w.On() {
		if len(w.Users)+len(w.SignIn)+len(w.Admins) > 0 || w.Proxy.User != "" {
			v.warn(w.At.Self, "write listen: 127.0.0.1:8025", "web: nobody can see it without listen")
		}
		return
	}
	v.webPlace(w)
	v.webTLS(w)
	v.webUsers(w)
	for i := range w.SignIn {
		v.signIn(&w.SignIn[i])
	}
	v.webProxy(w)
	v.span(w.At, "session", w.Session, time.Minute, 30*24*time.Hour)
	v.span(w.At, "collect", w.Collect, 0, 24*time.Hour)
	if u, err := url.Parse(w.Help); w.Help != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		v.fail(w.At.Of("help"), "write e.g. https://panel.example.org/maildrops", "help: %q is no URL of a web page", w.Help)
	}
}

func (v *validator) webPlace(w *Web) {
	l := w.listener()
	for i := range v.c.Listen {
		if v.c.Listen[i].Name() == l.Name() {
			v.fail(w.At.Of("listen"), "choose another one", "web: %s is taken by %s", l.Name(), v.c.Listen[i].At.Self)
		}
	}
	if w.Name() == v.c.Metrics.Name() {
		v.fail(w.At.Of("listen"), "choose another one", "web: %s is taken by metrics", l.Name())
	}
	if w.Network != "unix" {
		host, _, _ := net.SplitHostPort(w.Address)
		v.host(w.At, "listen", host)
		if w.At.Has("mode") || w.Group != "" {
			v.fail(w.At.Of("mode"), "take out mode: and group:", "web: an address excludes mode: and group: only a "+
				"unix socket has them")
		}
		return
	}
	v.absolute(w.At, "listen", w.Address)
	v.clean(w.At, "group", w.Group)
	if len(w.Address) > maxSocket {
		v.fail(w.At.Of("listen"), "choose a shorter one", "web: the path is longer than %d octets", maxSocket)
	}
	if w.Address == v.c.Socket {
		v.fail(w.At.Of("listen"), "choose another path", "web: that is the control socket")
	}
}

func (v *validator) webTLS(w *Web) {
	t, l := &w.TLS, w.listener()
	switch {
	case (t.Cert == "") != (t.Key == ""):
		v.fail(t.At.Of("cert"), "write both", "tls: cert and key belong together")
	case t.Cert != "":
		v.absolute(t.At, "cert", t.Cert)
		v.absolute(t.At, "key", t.Key)
	case !l.loopback() && len(w.Proxy.Networks) == 0:
		v.fail(w.At.Of("listen"), "add tls: {cert: …, key: …}, or listen on 127.0.0.1 or a unix socket, behind a web server",
			"web: passwords and mail would cross the network to %s in clear text", l.Name())
	}
}

// enterable says whether somebody is let in at all.
func (w *Web) enterable() bool { return len(w.Users)+len(w.SignIn) > 0 || w.Proxy.User != "" }

func (v *validator) webUsers(w *Web) {
	names := map[string]bool{}
	for i := range w.Users {
		u := &w.Users[i]
		if v.need(u.At, "name", u.Name, "write the name with which the person signs in") && names[u.Name] {
			v.fail(u.At.Of("name"), "give it another name", "name: %q is there twice", u.Name)
		}
		names[u.Name] = true
		if !u.Hash.Given() {
			v.fail(u.At.Of("password"), "make one with: mailretr web password", "password is missing")
		} else if u.Hash.Plain() && !strings.HasPrefix(u.Hash.plain(), "$") && !strings.HasPrefix(u.Hash.plain(), "{") {
			v.fail(u.At.Of("password"), "make one with: mailretr web password", "password: this is no hash of a password")
		}
		for _, o := range u.Owns {
			v.need(u.At, "owns", o, "write the owner: or the first to: of a maildrop")
		}
	}
	if !w.enterable() {
		v.warn(w.At.Self, "write users: with who may sign in", "web: nobody can sign in")
	}
	for _, a := range w.Admins {
		elsewhere := len(w.SignIn) > 0 || w.Proxy.User != "" || len(w.Users) == 0 // who may come in is not said here
		if v.need(w.At, "admins", a, "write the name with which the person signs in") && !elsewhere &&
			!slices.ContainsFunc(w.Users, func(u WebUser) bool { return PlainName(u.Name) == PlainName(a) }) {
			v.warn(w.At.Of("admins"), "write the name: of one of users:, or sign_in: for others", "admins: nobody can sign in as %q", a)
		}
	}
}

// webProxy checks who is believed. Whoever is, can be anybody.
func (v *validator) webProxy(w *Web) {
	p := &w.Proxy
	for _, n := range p.Networks {
		x, err := parsePrefix(n)
		switch {
		case err != nil:
			v.fail(p.At.Of("networks"), "write e.g. 192.0.2.7 or 2001:db8::/64", "networks: %v", err)
		case x.Bits() == 0:
			v.fail(p.At.Of("networks"), "name the address of the web server", "networks: %s is everybody", n)
		case p.User != "" && x.Addr().IsLoopback():
			v.warn(p.At.Of("user"), "listen on a unix socket that only the web server may use",
				"user: every program on this machine can say that it is anybody")
		}
	}
	for _, x := range []struct{ key, field string }{{"user", p.User}, {"owns", p.Owns}} {
		if x.field != "" && !fieldName(x.field) {
			v.fail(p.At.Of(x.key), "write e.g. X-Remote-User", "%s: %q is no name of a header field", x.key, x.field)
		}
	}
	switch {
	case p.Owns != "" && p.User == "":
		v.fail(p.At.Of("owns"), "write user: X-Remote-User", "owns: without user: nobody looks at it")
	case p.User != "" && w.Network == "unix" && w.Mode&0o002 != 0:
		v.warn(p.At.Of("user"), "write mode: 0660 and group: with that of the web server",
			"user: every program on this machine can say that it is anybody")
	case p.User != "" && w.Network == "tcp" && len(p.Networks) == 0:
		v.fail(p.At.Of("user"), "write networks: with the address of the web server, or listen on a unix socket",
			"user: nobody is believed")
	}
	if http.CanonicalHeaderKey(p.User) == "Cookie" || p.User != "" && strings.EqualFold(p.User, p.Owns) {
		v.fail(p.At.Of("user"), "write e.g. X-Remote-User", "user: %q is another field", p.User)
	}
}

// fieldName says whether a text is a token of RFC 9110, 5.6.2, as a field is named.
func fieldName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}
