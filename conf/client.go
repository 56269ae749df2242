package conf

import (
	"fmt"
	"path"
	"strings"
)

// An Introduction is how an MTA is told who handed a message to the provider.
type Introduction string

const (
	NoIntroduction Introduction = "none"
	XClient        Introduction = "xclient"
	ProxyV1        Introduction = "proxy-v1"
	ProxyV2        Introduction = "proxy-v2"
)

// ParseIntroduction reads one of them.
func ParseIntroduction(s string) (Introduction, error) {
	switch i := Introduction(s); i {
	case NoIntroduction, XClient, ProxyV1, ProxyV2:
		return i, nil
	}
	return "", fmt.Errorf("%q is not known; write none, xclient, proxy-v1 or proxy-v2", s)
}

// A Border says which hosts of a provider write into Received who handed a message to it. Names are those behind "by"; *
// stands for any letters.
type Border struct {
	At Where `json:"-"`

	By      []string // hosts that take mail from outside
	Through []string // hosts behind them, nearer to the maildrop
}

func (v *validator) border(m *Maildrop) {
	b := m.Client
	if b == nil {
		return
	}
	if len(b.By) == 0 {
		v.fail(b.At.Self, "write by: mx.isp.example, as it stands behind by in the provider's Received", "client: by is missing")
	}
	for _, x := range []struct {
		key  string
		list []string
	}{{"by", b.By}, {"through", b.Through}} {
		for _, p := range x.list {
			if !v.clean(b.At, x.key, p) {
				continue
			}
			if _, err := path.Match(p, "x"); err != nil || p == "" || strings.ContainsAny(p, " \t@()") {
				v.fail(b.At.Of(x.key), "write it as mx.isp.example or *.isp.example", "client: %s: %q is no host", x.key, p)
			}
		}
	}
	for _, p := range b.By {
		if strings.Trim(p, "*.?") == "" {
			v.fail(b.At.Of("by"), "name the provider's hosts", "client: by: %q is everybody, and whoever sends mail could be anybody then", p)
		}
	}
}

// introductions: who is told has to be known, and trusted.
func (v *validator) introductions() {
	known := false
	for i := range v.c.Maildrops {
		known = known || v.c.Maildrops[i].Client != nil
	}
	for i := range v.c.Deliver {
		d := &v.c.Deliver[i]
		if how := d.SMTP.Client; how == "" || how == NoIntroduction {
			continue
		}
		if !known {
			v.warn(d.At.Of("client"), "add client: {by: mx.isp.example} to a maildrop",
				"destination %q is told of clients, and no maildrop says how they are found", d.Name)
		}
	}
}
