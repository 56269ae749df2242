package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mailretr/cmd/mailretr/signin"
	"mailretr/store/mail"
)

// An entrance is what the page of signing in shows.
type entrance struct {
	User, Next string
	Wrong      string // what was wrong; "": nothing
	Closed     bool   // nobody can sign in here
}

// checker is who knows passwords; nil: nobody.
func (s *Server) checker() signin.Checker {
	if s.SignIn == nil {
		return nil
	}
	return s.SignIn()
}

func signInPage(v *visit) error {
	next := local(v.r.URL.Query().Get("next"))
	if v.known {
		return v.see(next)
	}
	return v.entrance(http.StatusOK, entrance{Next: next})
}

func (v *visit) entrance(status int, e entrance) error {
	e.Closed = v.checker() == nil || v.web.Proxy.User != "" && v.front()
	v.show(status, "signin", v.texts.get("signin.title"), e)
	return nil
}

// checking is how long somebody waits to hear whether his password is right.
const checking = 20 * time.Second

// signIn looks at name and password, and begins a session, always a new one.
func signIn(v *visit) error {
	e := entrance{User: v.r.PostFormValue("user"), Next: local(v.r.PostFormValue("next"))}
	password := v.r.PostFormValue("password")
	check := v.checker()
	if check == nil || v.web.Proxy.User != "" && v.front() {
		return v.entrance(http.StatusForbidden, e)
	}
	user := strings.TrimSpace(e.User)
	e.User = mail.Printable(user, 200)
	client := v.from()
	try := attempt{client, user, v.knownAs(user)}
	if wait := v.attempts.take(try, v.at); wait > 0 {
		v.log("sign-in: too many wrong passwords", "user", e.User, "client", client.Addr())
		seconds := int(wait/time.Second) + 1
		v.w.Header().Set("Retry-After", strconv.Itoa(seconds))
		e.Wrong = v.texts.get("signin.slow", span(time.Duration(seconds)*time.Second))
		return v.entrance(http.StatusTooManyRequests, e)
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), checking)
	defer cancel()
	who, err := check.Check(ctx, user, password)
	if err == nil && !v.Server.web().Same(v.web) {
		err = signin.ErrAway // who was asked may let nobody in any more
	}
	switch {
	case errors.Is(err, signin.ErrRefused) && !errors.Is(err, signin.ErrAway):
		v.log("sign-in refused", "user", e.User, "client", client.Addr())
		e.Wrong = v.texts.get("signin.refused")
		return v.entrance(http.StatusForbidden, e)
	case err != nil:
		if !errors.Is(err, signin.ErrRefused) { // else it was wrong in one place, and a guess, whatever another would say
			v.attempts.giveBack(try, v.at, false)
		}
		v.log("sign-in: nobody can say whether a password is right", "user", e.User, "err", mail.Printable(err.Error(), 500))
		e.Wrong = v.texts.get("signin.away")
		return v.entrance(http.StatusServiceUnavailable, e)
	}
	v.attempts.giveBack(try, v.at, true)
	v.sessions.end(v.secret())
	v.setCookie(v.sessions.begin(who, v.at))
	v.setKnown(user)
	v.log("signed in", "user", mail.Printable(who.Name, 200), "client", client.Addr())
	return v.see(e.Next)
}

// signOut ends the session; with all, those of the same name on other devices, too.
func signOut(v *visit) error {
	if v.known && v.r.PostFormValue("all") != "" {
		v.sessions.endOf(v.who.Name)
	}
	v.sessions.end(v.secret())
	v.setCookie("")
	return v.see("/sign-in")
}

// local is a place on this site; what is none becomes the first page.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || len(next) > 2000 {
		return "/"
	}
	return next
}
