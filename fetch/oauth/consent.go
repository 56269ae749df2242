package oauth

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mailretr/store/mail"
)

const (
	// pendingTime is how long the owner may take in the browser.
	pendingTime = 15 * time.Minute
	// maxPending is how many sign-ins of one account may be under way; the oldest gives way.
	maxPending = 8
)

// A Prompt is what the owner is to do: open an address, and enter the code there, where there is one.
type Prompt struct {
	URL   string
	Code  string    // of the device flow
	Until time.Time // zero: not known
	State string    // of the browser flow: what comes back with the code
}

// pending is a sign-in under way.
type pending struct {
	verifier, redirect string
	until              time.Time
}

// HasDevice says whether the provider has the device flow.
func (a *Account) HasDevice() bool { return a.provider.DeviceURL != "" }

// Pasted says whether the provider knows another address than one of this machine: then the code comes back
// on a page that the owner copies it from.
func (a *Account) Pasted() bool {
	return a.provider.Redirect != "" && onPort(a.provider.Redirect, "1") == ""
}

// onPort returns an address of this machine that is registered without a port, with one (RFC 8252, 7.3); ""
// where it is no such address.
func onPort(registered, port string) string {
	u, err := url.Parse(registered)
	if err != nil || u.Scheme != "http" || !loopback(u.Hostname()) || u.Port() != "" {
		return ""
	}
	u.Host += ":" + port
	return u.String()
}

// Device signs in by the device flow (RFC 8628): show is called once with what the owner has to do, on any
// machine, and Device returns when that is done and the consent is durable. An error is a *mail.Trouble.
func (a *Account) Device(ctx context.Context, show func(Prompt) error) error {
	c, err := a.config(ctx, "")
	if err != nil {
		return err
	}
	asking := a.with(ctx)
	d, err := c.DeviceAuth(asking)
	if err != nil {
		return a.trouble(err, c.ClientSecret)
	}
	if err := a.sensible(d); err != nil {
		return err
	}
	if err := show(Prompt{URL: d.VerificationURI, Code: d.UserCode, Until: d.Expiry}); err != nil {
		return err
	}
	for {
		t, err := c.DeviceAccessToken(asking, d) // waits before it asks
		if err == nil {
			return a.consented(ctx, t)
		}
		x := a.trouble(err, d.DeviceCode, d.UserCode, c.ClientSecret)
		switch passing := x.Kind == mail.Unreachable || x.Kind == mail.Busy; {
		case !passing, ctx.Err() != nil:
			return x
		case !time.Now().Before(d.Expiry):
			return a.late()
		} // else the owner may be typing, and the line comes back
	}
}

// sensible refuses what nobody should be sent to, or cannot be shown.
func (a *Account) sensible(d *oauth2.DeviceAuthResponse) error {
	u, err := url.Parse(d.VerificationURI)
	local := err == nil && u.Scheme == "http" && loopback(u.Hostname())
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && !local || len(d.VerificationURI) > 500:
		return a.foreign("the provider names no https:// page to sign in at")
	case d.UserCode == "" || len(d.UserCode) > 64 || d.DeviceCode == "" || len(d.DeviceCode) > maxToken:
		return a.foreign("the provider gives no code to sign in with")
	}
	latest := time.Now().Add(pendingTime * 4)
	if d.Expiry.IsZero() || d.Expiry.After(latest) {
		d.Expiry = latest
	}
	d.Interval = min(max(d.Interval, 0), 60)
	return nil
}

// Begin begins a sign-in in a browser: the owner opens the URL of the prompt, and the provider sends the
// browser on to redirect, a loopback address at which somebody listens, with the code and the state that
// Finish wants. redirect is not used where the account is Pasted.
func (a *Account) Begin(ctx context.Context, redirect string) (Prompt, error) {
	if a.provider.AuthURL == "" {
		return Prompt{}, a.local(errors.New("the configuration has no auth_url for this provider"))
	}
	redirect, err := a.redirect(redirect)
	if err != nil {
		return Prompt{}, a.local(err)
	}
	c, err := a.config(ctx, redirect)
	if err != nil {
		return Prompt{}, err
	}
	p := pending{verifier: oauth2.GenerateVerifier(), redirect: redirect,
		until: a.keeper.now().Add(pendingTime)}
	state := rand.Text()
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(p.verifier)}
	for k, v := range a.provider.Params {
		options = append(options, oauth2.SetAuthURLParam(k, v))
	}
	if strings.Contains(a.user, "@") {
		options = append(options, oauth2.SetAuthURLParam("login_hint", a.user))
	}
	a.begun(state, p)
	return Prompt{URL: c.AuthCodeURL(state, options...), State: state, Until: p.until}, nil
}

// redirect returns where the provider shall send the browser, for somebody who listens there.
func (a *Account) redirect(there string) (string, error) {
	if a.Pasted() {
		return a.provider.Redirect, nil
	}
	u, err := url.Parse(there)
	if err != nil || u.Scheme != "http" || !loopback(u.Hostname()) || u.Port() == "" ||
		u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("the redirect is no address of this machine with a port")
	}
	if own := onPort(a.provider.Redirect, u.Port()); own != "" {
		return own, nil
	}
	return there, nil
}

// begun remembers a sign-in, and forgets those whose time is over.
func (a *Account) begun(state string, p pending) {
	a.mu.Lock()
	defer a.mu.Unlock()
	oldest := ""
	for s, x := range a.pending {
		switch {
		case a.keeper.now().After(x.until):
			delete(a.pending, s)
		case oldest == "" || x.until.Before(a.pending[oldest].until):
			oldest = s
		}
	}
	if len(a.pending) >= maxPending {
		delete(a.pending, oldest)
	}
	a.pending[state] = p
}

// Finish ends a sign-in with what the provider sent back: the consent is durable when it returns nil. A state
// is good once. An error is a *mail.Trouble.
func (a *Account) Finish(ctx context.Context, state, code string) error {
	a.mu.Lock()
	p, found := a.pending[state]
	delete(a.pending, state)
	a.mu.Unlock()
	switch {
	case !found || a.keeper.now().After(p.until):
		return a.local(errors.New("this answer belongs to no sign-in that is under way; begin again"))
	case code == "" || len(code) > maxToken:
		return a.local(errors.New("the answer holds no code"))
	}
	c, err := a.config(ctx, p.redirect)
	if err != nil {
		return err
	}
	t, err := c.Exchange(a.with(ctx), code, oauth2.VerifierOption(p.verifier))
	if err != nil {
		return a.trouble(err, code, p.verifier, c.ClientSecret)
	}
	return a.consented(ctx, t)
}

// consented keeps a new consent, in place of any other.
func (a *Account) consented(ctx context.Context, t *oauth2.Token) error {
	done, err := a.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	return a.adopt(context.WithoutCancel(ctx), t, a.keeper.now())
}
