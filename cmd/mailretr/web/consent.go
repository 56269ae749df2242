package web

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/fetch/oauth"
	"mailretr/store/mail"
)

// consents are the sign-ins with providers that are under way, by maildrop. The zero value is ready; safe for concurrent
// use.
type consents struct {
	mu   sync.Mutex
	all  map[string]*consenting
	work sync.WaitGroup
}

// A consenting is one of them.
type consenting struct {
	prompt control.Login
	err    *control.Error
	done   bool
	began  time.Time
	stop   context.CancelFunc
}

const (
	// consentTime is how long an owner has for it, consentWait how long he waits for the provider's address.
	consentTime = 20 * time.Minute
	consentWait = 15 * time.Second
	// maxConsents bounds what is under way.
	maxConsents = 200
)

// A consentState is what a page shows of it.
type consentState struct {
	Button bool   // it can be begun here
	URL    string // where the owner has to go; "": nowhere now
	Code   string // that he enters there
	Paste  bool   // or that he brings from there
	Done   bool
	Wrong  string
}

// account is the consent of a maildrop; nil: it has a password.
func (v *visit) account(name string) *oauth.Account {
	if v.House.Consent == nil {
		return nil
	}
	return v.House.Consent(name)
}

// consent is how the sign-in of a maildrop with its provider stands; nil: it has a password.
func (v *visit) consent(name string) *consentState {
	a := v.account(name)
	if a == nil {
		return nil
	}
	s := &consentState{Button: a.HasDevice() || a.Pasted()}
	v.consents.mu.Lock()
	defer v.consents.mu.Unlock()
	x := v.consents.all[name]
	if x == nil || v.at.Sub(x.began) > consentTime {
		return s
	}
	switch {
	case x.err != nil:
		s.Wrong = x.err.Error()
	case x.done:
		s.Done = true
	default:
		s.URL, s.Code, s.Paste = x.prompt.URL, x.prompt.Code, x.prompt.Paste
	}
	return s
}

// beginConsent begins a sign-in with the provider; one that was under way is given up.
func beginConsent(v *visit) error {
	name := v.r.PostFormValue("name")
	if !v.owns(name) {
		return errNotThere
	}
	a := v.account(name)
	if a == nil || !a.HasDevice() && !a.Pasted() {
		return &fault{http.StatusConflict, "consent.cannot"}
	}
	q := control.LoginRequest{Way: control.ByBrowser}
	if a.HasDevice() {
		q.Way = control.ByDevice
	}
	told, full := v.consents.begin(v, name, q)
	if full {
		return &fault{http.StatusServiceUnavailable, "collect.full"}
	}
	wait := time.NewTimer(consentWait)
	defer wait.Stop()
	select {
	case <-told:
	case <-wait.C:
	case <-v.r.Context().Done():
	}
	v.log("consent begun", "maildrop", name, "user", mail.Printable(v.who.Name, 200))
	return v.back("consent")
}

// begin returns a channel that is closed when it is known what the owner has to do.
func (c *consents) begin(v *visit, name string, q control.LoginRequest) (told <-chan struct{}, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]*consenting{}
	}
	for n, x := range c.all {
		if n == name || v.at.Sub(x.began) > consentTime {
			x.stop()
			delete(c.all, n)
		}
	}
	if len(c.all) >= maxConsents || v.life.Err() != nil {
		return nil, true
	}
	ctx, stop := context.WithTimeout(v.life, consentTime)
	x := &consenting{began: v.at, stop: stop}
	c.all[name] = x
	client, known := v.client, make(chan struct{})
	c.work.Go(func() {
		defer stop()
		c.follow(ctx, client, name, q, x, sync.OnceFunc(func() { close(known) }))
	})
	return known, false
}

// follow goes on until the owner has consented, or, where he brings a code, until he is told where.
func (c *consents) follow(ctx context.Context, client *control.Client, name string, q control.LoginRequest, x *consenting, tell func()) {
	defer tell()
	for p, err := range client.Login(ctx, name, q) {
		c.mu.Lock()
		switch {
		case err != nil:
			x.err = control.ErrorOf(err)
		case p.Done:
			x.done = true
		default:
			x.prompt = p
		}
		c.mu.Unlock()
		tell()
	}
}

func (c *consents) end() { c.work.Wait() }

// finishConsent takes the code that the owner has brought from the provider.
func finishConsent(v *visit) error {
	name, code := v.r.PostFormValue("name"), strings.TrimSpace(v.r.PostFormValue("code"))
	if !v.owns(name) {
		return errNotThere
	}
	v.consents.mu.Lock()
	x := v.consents.all[name]
	var state string
	if x != nil {
		state = x.prompt.State
	}
	v.consents.mu.Unlock()
	if state == "" || code == "" || len(code) > 4096 {
		return &fault{http.StatusConflict, "consent.over"}
	}
	_, err := v.client.FinishLogin(v.r.Context(), name, control.LoginFinish{State: state, Code: code})
	v.consents.mu.Lock()
	if x.done = err == nil; err != nil {
		x.err = control.ErrorOf(err)
	}
	v.consents.mu.Unlock()
	return v.back("consent")
}
