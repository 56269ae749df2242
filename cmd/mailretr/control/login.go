package control

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"mailretr/fetch/oauth"
	"mailretr/store/mail"
)

// A LoginRequest begins a sign-in with the provider of a maildrop. Tokens stay with the server: what goes over the
// socket is what the owner sees anyway, and the code that the provider gave to the browser.
type LoginRequest struct {
	Way string `json:"way,omitempty"` // device or browser; "": device, where the provider has it
	// Redirect is where the client listens, "http://127.0.0.1:1234/": the browser is sent there with code and state.
	Redirect string `json:"redirect,omitempty"`
}

// A Login is what the owner has to do, or, Done, that the consent is kept.
type Login struct {
	Maildrop string    `json:"maildrop"`
	URL      string    `json:"url,omitempty"`
	Code     string    `json:"code,omitempty"`  // to be entered there; the answer goes on until it is
	State    string    `json:"state,omitempty"` // of the browser: comes back with the code, for LoginFinish
	Paste    bool      `json:"paste,omitempty"` // the provider shows the code on a page of its own
	Until    time.Time `json:"until,omitzero"`
	Done     bool      `json:"done,omitempty"`
}

// A LoginFinish has what came back from the browser.
type LoginFinish struct {
	State string `json:"state"`
	Code  string `json:"code"`
}

// The ways of a LoginRequest.
const (
	ByDevice  = "device"
	ByBrowser = "browser"
)

func login(h *House, out *stream, r *http.Request) error {
	q, err := body[LoginRequest](r)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	a, err := h.account(name)
	if err != nil {
		return err
	}
	switch q.Way {
	case ByBrowser:
		return begin(out, r, a, name, q)
	case ByDevice:
		if !a.HasDevice() {
			return usage("the provider has no device flow", "sign in with a browser: mailretr login --browser "+name)
		}
	case "":
		if !a.HasDevice() {
			return begin(out, r, a, name, q)
		}
	default:
		return usage("a sign-in goes by device or browser", "")
	}
	err = a.Device(r.Context(), func(p oauth.Prompt) error {
		return out.item(Login{Maildrop: name, URL: p.URL, Code: p.Code, Until: p.Until}, true)
	})
	return h.signed(out, name, true, err)
}

// begin begins a sign-in with a browser; another request finishes it.
func begin(out *stream, r *http.Request, a *oauth.Account, name string, q LoginRequest) error {
	p, err := a.Begin(r.Context(), q.Redirect)
	if err != nil {
		return signing(name, err)
	}
	return out.item(Login{Maildrop: name, URL: p.URL, State: p.State, Paste: a.Pasted(), Until: p.Until}, true)
}

func loginFinish(h *House, out *stream, r *http.Request) error {
	q, err := body[LoginFinish](r)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	a, err := h.account(name)
	if err != nil {
		return err
	}
	return h.signed(out, name, true, a.Finish(r.Context(), q.State, q.Code))
}

func loginForget(h *House, out *stream, r *http.Request) error {
	name := r.PathValue("name")
	a, err := h.account(name)
	if err != nil {
		return err
	}
	return h.signed(out, name, false, a.Forget(r.Context()))
}

// signed is the end of a request that changes a consent.
func (h *House) signed(out *stream, name string, in bool, err error) error {
	if err != nil {
		return signing(name, err)
	}
	if h.Signed != nil {
		h.Signed(name, in)
	}
	return out.item(Login{Maildrop: name, Done: true}, true)
}

// account returns the consent of a maildrop.
func (h *House) account(name string) (*oauth.Account, error) {
	if h.maildrop(name) == nil {
		return nil, newError(NotFound, fmt.Sprintf("there is no maildrop %q", mail.Printable(name, 100)),
			"see which there are with: mailretr status")
	}
	if h.Consent != nil {
		if a := h.Consent(name); a != nil {
			return a, nil
		}
	}
	return nil, usage(fmt.Sprintf("maildrop %q is collected with a password", mail.Printable(name, 100)),
		"to sign in instead, write oauth: in its entry of the configuration")
}

// signing makes an error of what went wrong. Whoever signs in knows how: what is left is to do it again.
func signing(name string, err error) error {
	var t *mail.Trouble
	if !errors.As(err, &t) {
		return err
	}
	code, hint := Tempfail, t.Hint
	switch t.Kind {
	case mail.Auth:
		code, hint = Denied, "try again, and consent: mailretr login "+mail.Printable(name, 100)
	case mail.Local:
		code = Config
	}
	return newError(code, t.Error(), hint)
}
