package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
	"mailretr/store/mail"
)

// A visit is one request, and who makes it.
type visit struct {
	*Server
	w       http.ResponseWriter
	r       *http.Request
	at      time.Time
	conf    *conf.Config
	web     *conf.Web
	who     signin.Who
	known   bool            // who he is
	secure  bool            // the browser speaks TLS, with us or with the server in front
	auto    bool            // a script asked by itself
	shown   string          // the stamp of what is shown
	crowded bool            // a script cannot wait for a change: too many do
	away    map[string]bool // see sick
}

// A handling answers a visit. What it returns becomes a page that says so.
type handling func(*visit) error

// A fault is an answer that is no page.
type fault struct {
	status int
	text   string // key of texts
}

// Error is for tests.
func (f *fault) Error() string { return f.text }

var (
	errNotThere = &fault{http.StatusNotFound, "error.notthere"}
	errForm     = &fault{http.StatusBadRequest, "error.form"}
)

// open answers whoever comes.
func (s *Server) open(f handling) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r)
		defer func() {
			if x := recover(); x == http.ErrAbortHandler {
				panic(x)
			} else if x != nil { // a mistake of ours in one page is no reason to end, nor to be silent
				v.fail(fmt.Errorf("%v\n%s", x, debug.Stack()))
			}
		}()
		if v.misled() {
			v.known = false
			v.fail(errHost)
			return
		}
		v = v.patiently()
		if v.known && r.Method == http.MethodGet {
			v.shown = v.stamp() // before anything is looked at: what changes meanwhile is seen the next time
		}
		if err := f(v); err != nil {
			v.fail(err)
		}
	}
}

// signedIn answers who has signed in, and sends others to do so.
func (s *Server) signedIn(f handling) http.HandlerFunc {
	return s.open(func(v *visit) error {
		if v.known {
			return f(v)
		}
		to := "/sign-in"
		if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
			to += "?" + url.Values{"next": {v.r.URL.RequestURI()}}.Encode()
		}
		return v.see(to)
	})
}

// admin answers admins. For others it is not there.
func (s *Server) admin(f handling) http.HandlerFunc {
	return s.signedIn(func(v *visit) error {
		if !v.who.Admin {
			return errNotThere
		}
		return f(v)
	})
}

// visit finds out who makes a request.
func (s *Server) visit(w http.ResponseWriter, r *http.Request) *visit {
	c := s.House.Config()
	v := &visit{Server: s, w: w, r: r, at: s.now(), conf: c, web: s.web()}
	v.auto = r.Header.Get("X-Live") != ""
	front := v.front()
	v.secure = s.Secure || front && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	if v.web.Proxy.User != "" && front {
		v.who, v.known = v.told()
	} else if v.who, v.known = s.sessions.of(v.secret(), v.at, v.web.Session, !v.auto); v.known {
		v.askAgain()
		v.who.Admin = v.who.Admin || v.web.AdminElsewhere(v.who.Name)
	}
	return v
}

// peer is who is at the other end of the connection; not ok: it is a unix socket.
func (v *visit) peer() (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(v.r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(host)
	return a.Unmap().WithZone(""), err == nil
}

// front says whether the peer is a server in front that is believed.
func (v *visit) front() bool {
	a, ok := v.peer()
	if !ok {
		return v.web.Network == "unix"
	}
	return v.trusted(a)
}

func (v *visit) trusted(a netip.Addr) bool { return speaksFor(v.web, a) }

// speaksFor says whether an address is one of a server in front.
func speaksFor(w *conf.Web, a netip.Addr) bool {
	return slices.ContainsFunc(w.Proxy.Prefixes(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// told is who somebody is by what the server in front says. A field that is there twice was not written by it alone.
func (v *visit) told() (who signin.Who, known bool) {
	names := v.r.Header.Values(v.web.Proxy.User)
	if len(names) != 1 || !signin.Proper(names[0]) {
		return who, false
	}
	who = signin.Who{Name: names[0], Owners: []string{names[0]}, Admin: v.web.NamesAdmin(names[0])}
	if f := v.web.Proxy.Owns; f != "" {
		who.Owners = nil
		for _, o := range strings.Split(strings.Join(v.r.Header.Values(f), ","), ",") {
			if o = strings.TrimSpace(o); o != "" {
				who.Owners = append(who.Owners, o)
			}
		}
	}
	return who, true
}

// from is the network of the browser, as far as it can be known: an IPv6 client has a /64 of its own.
func (v *visit) from() netip.Prefix {
	a, ok := v.peer()
	if v.front() {
		for _, one := range slices.Backward(strings.Split(strings.Join(v.r.Header.Values("X-Forwarded-For"), ","), ",")) {
			x, err := netip.ParseAddr(strings.TrimSpace(one))
			if err != nil {
				break
			}
			if a, ok = x.Unmap().WithZone(""), true; !v.trusted(a) {
				break
			}
		}
	}
	if !ok {
		return netip.Prefix{}.Masked()
	}
	return networkOf(a)
}

// see sends the browser on, so that a reload repeats nothing.
func (v *visit) see(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// fail shows what went wrong.
func (v *visit) fail(err error) {
	status, p := http.StatusInternalServerError, problem{}
	var f *fault
	var e *control.Error
	switch {
	case errors.As(err, &f):
		status, p.Text = f.status, v.texts.get(f.text)
	case errors.As(err, &e):
		status, p.Text = statusOf(e.Code), e.Error()
		if v.who.Admin {
			p.Hint = mail.Printable(e.Hint, 500)
		}
	default:
		p.Text = v.texts.get("error.internal")
		v.fault("a page could not be made", "path", mail.Printable(v.r.URL.Path, 200), "err", mail.Printable(err.Error(), 4000))
	}
	v.show(status, "error", v.texts.get("error.title"), p)
}

// A problem is what the page of an error shows.
type problem struct{ Text, Hint string }

// statusOf is a code as HTTP has it.
func statusOf(c control.Code) int {
	switch c {
	case control.NotFound:
		return http.StatusNotFound
	case control.Usage:
		return http.StatusBadRequest
	case control.Busy:
		return http.StatusConflict
	case control.Unavailable, control.Tempfail:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// fault logs a mistake of ours.
func (s *Server) fault(text string, args ...any) {
	if s.Log != nil {
		s.Log.Error(text, args...)
	}
}

func (s *Server) log(text string, args ...any) {
	if s.Log != nil {
		s.Log.Info(text, args...)
	}
}
