package conf

import (
	"strings"
	"testing"
)

// TestListeners: each mistake of an entry of listen is told, and an open relay is one.
func TestListeners(t *testing.T) {
	for _, x := range []struct {
		at     string
		change func(*Listener)
		want   string // of the only problem; "": there is none
	}{
		{"localhost:2525", nil, ""},
		{"unix:/run/x", nil, ""},
		{"[::1]:2525", func(l *Listener) { l.Users = "/etc/u" }, ""},
		{"0.0.0.0:25", nil, "only clients on this machine"},
		{"0.0.0.0:25", func(l *Listener) { l.Domains = []string{"example.org", ".example.org"} }, ""},
		{"0.0.0.0:25", func(l *Listener) { l.Networks = []string{"::/0"} }, "::/0 is everybody"},
		{"0.0.0.0:25", func(l *Listener) { l.Networks = []string{"10.0.0.1/8"} }, "write 10.0.0.0/8"},
		{"0.0.0.0:25", func(l *Listener) { l.Networks = []string{"ten"} }, "networks: "},
		{"0.0.0.0:25", func(l *Listener) { l.Users = "/etc/u" }, "clear text"},
		{"0.0.0.0:25", func(l *Listener) {
			l.Users, l.TLS = "/etc/u", ServerTLS{Cert: "/c", Key: "/k"}
		}, ""},
		{"localhost:25", func(l *Listener) { l.TLS.Mode = ModeImplicit }, "needs a certificate"},
		{"localhost:25", func(l *Listener) { l.TLS.Cert = "/c" }, "belong together"},
		{"localhost:25", func(l *Listener) { l.Group = "mail" }, "excludes mode and group"},
		{"localhost:25", func(l *Listener) { l.Domains = []string{"a b"} }, "is no domain"},
		{"localhost:25", func(l *Listener) { l.Limits.Errors = -1 }, "errors: -1 is out of range"},
		{"unix:/run/control", nil, "the control socket"},
	} {
		l := DefaultListener()
		if err := l.SetAddress(x.at); err != nil {
			t.Fatal(err)
		}
		l.Kind = "smtp"
		if x.change != nil {
			x.change(&l)
		}
		l.complete()
		v := &validator{c: &Config{Listen: []Listener{l}, Socket: "/run/control"}}
		v.listeners()
		var all []string
		for _, p := range v.problems {
			all = append(all, p.String())
		}
		switch got := strings.Join(all, "; "); {
		case x.want == "" && got != "", len(all) > 1, !strings.Contains(got, x.want):
			t.Errorf("%s: %q, want %q", x.at, got, x.want)
		}
	}
	for _, at := range []string{":25", "localhost", "localhost:x", ""} {
		if err := (&Listener{}).SetAddress(at); err == nil {
			t.Errorf("%q is an address", at)
		}
	}
}
