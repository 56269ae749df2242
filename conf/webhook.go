package conf

import (
	"net/url"
	"strings"
)

// A Webhook is a program of the admin's that is told by HTTP of what Notify tells.
type Webhook struct {
	At Where `json:"-"`

	URL    string // http or https
	Secret Secret // by which it knows that it is us
	Inside bool   // it may be on this machine or in a private network
	CA     string // PEM file; "": the system's roots
}

// Same says whether two are told in the same way.
func (w *Webhook) Same(o *Webhook) bool {
	if w == nil || o == nil {
		return w == o
	}
	return w.URL == o.URL && w.CA == o.CA && w.Inside == o.Inside && w.Secret.Equal(o.Secret)
}

func (v *validator) webhook(w *Webhook) {
	const form = "write it as https://hooks.example.org/mailretr"
	if !v.need(w.At, "url", w.URL, form) {
		return
	}
	u, err := url.Parse(w.URL)
	switch { // the url itself is in no text: it may have a token
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		v.fail(w.At.Of("url"), form, "url: it is no address of http or https")
	case u.User != nil:
		v.fail(w.At.Of("url"), "leave user and password out; secret: signs what is sent", "url: it has a user inside")
	case Loopback(u.Hostname()) && !w.Inside:
		v.fail(w.At.Of("url"), "write reach: any", "url: %s is this machine, and reach is outside", u.Hostname())
	case u.Scheme == "http" && !Loopback(u.Hostname()):
		v.warn(w.At.Of("url"), "write https://", "url: whoever is on the way to %s can read what is sent", u.Hostname())
	}
	if !w.Secret.Given() {
		v.fail(w.At.Of("secret"), "write secret: {file: /etc/mailretr/webhook.secret}, and the same at the receiver: "+
			"openssl rand -base64 32 makes one", "secret is missing")
	}
	v.secret(w.At, "secret", w.Secret)
	if w.CA != "" && !strings.HasPrefix(w.CA, "/") {
		v.fail(w.At.Of("ca"), "write an absolute path", "ca: %q does not begin with /", w.CA)
	}
}
