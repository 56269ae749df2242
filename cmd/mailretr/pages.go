package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net"
	"sync"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/signin"
	"mailretr/cmd/mailretr/web"
	"mailretr/conf"
	"mailretr/relay/passwd"
	"mailretr/relay/smtpd"
	"mailretr/store/mail"
)

// What people see in a browser.

// A site is where browsers reach the pages.
type site struct {
	socket net.Listener // nil: there are no pages
	cert   func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

func (p site) close() error { return closed(p.socket) }

// opening opens the place of the pages.
func (d *serving) opening(ctx context.Context, c *conf.Config) (p site, err error) {
	w := &c.Web
	if !w.On() {
		return p, nil
	}
	if w.TLS.Cert != "" {
		cert, err := smtpd.NewCertificate(w.TLS.Cert, w.TLS.Key)
		if err != nil {
			return p, &control.Error{Code: control.Config, Text: fmt.Sprintf("web: the certificate: %v", err),
				Hint: "mend the files, or name others in web: {tls: {cert: …, key: …}}"}
		}
		p.cert = cert.Get
	}
	if w.Network == "unix" {
		gid, err := groupID(w.Group)
		if err != nil {
			return p, &control.Error{Code: control.Config, Text: fmt.Sprintf("web: %v", err), Hint: "name another group"}
		}
		p.socket, err = control.ListenAs(w.Address, fs.FileMode(w.Mode), gid)
		return p, unmade(err)
	}
	p.socket, err = (&net.ListenConfig{}).Listen(ctx, "tcp", w.Address)
	if err != nil {
		return p, &exit{exCantCreat, &control.Error{Code: control.Internal, Text: fmt.Sprintf("web: %v", err),
			Hint: "stop what listens there, or choose another address for web: {listen: …}"}}
	}
	return p, nil
}

// pageProblems looks whether the files and hashes of the pages can be used. The daemon may be another user: what it finds
// are warnings.
func pageProblems(ctx context.Context, c *conf.Config) (list []conf.Problem) {
	w := &c.Web
	if !w.On() {
		return nil
	}
	warn := func(at conf.Pos, hint, format string, args ...any) {
		list = append(list, conf.Problem{Pos: at, Severity: conf.Warning, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
	if w.TLS.Cert != "" {
		if _, err := smtpd.NewCertificate(w.TLS.Cert, w.TLS.Key); err != nil {
			warn(w.TLS.At.Of("cert"), "the daemon does not start without it", "tls: the certificate cannot be used: %v", err)
		}
	}
	for i := range w.Users {
		u := &w.Users[i]
		hash, err := u.Hash.Resolve(ctx)
		if err == nil {
			_, err = passwd.ParseStored(hash, "") // as who signs in is asked
		}
		if err != nil {
			warn(u.At.Of("password"), "make one with: mailretr web password", "user %s cannot sign in: %v", u.Name, err)
		}
	}
	return list
}

// pages serves at a place, which may be none, until ctx ends.
func (d *serving) pages(ctx context.Context, p site) {
	if p.socket == nil {
		return
	}
	s := &web.Server{House: d.controlled(), SignIn: (&checkers{of: d.house.config.Load}).now, Log: d.log, Secure: p.cert != nil}
	d.observe(mail.Event{Op: mail.OpStarted, Text: "pages at " + d.house.config.Load().Web.Name()})
	if err := s.Serve(ctx, p.socket, p.cert); err != nil {
		d.observe(mail.Event{Op: mail.OpAlarm, Err: err, Alarm: true, Text: "the pages can no longer be seen"})
	}
}

// checkers know who may sign in, by the configuration in use.
type checkers struct {
	of func() *conf.Config

	mu   sync.Mutex
	by   *conf.Web
	last *checker
}

// now is the checker of the configuration in use; nil: nobody has a password here.
func (c *checkers) now() signin.Checker {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := &c.of().Web; c.by == nil || !c.by.Same(w) {
		if c.last != nil {
			c.last.close()
		}
		now := *w // a copy: it would hold on to all maildrops of an old configuration
		c.by, c.last = &now, checkerOf(&now)
	}
	return c.last.Checker
}
