package conf

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Each mistake in web is told, and only that.
func TestWeb(t *testing.T) {
	user := func(hash string) []WebUser { return []WebUser{{Name: "jaco", Hash: SecretPlain(hash)}} }
	elsewhere := SignIn{Kind: "imap", IMAP: &SignInIMAP{Host: "localhost", Port: 143, TLS: TLS{Mode: ModeNone}, Domains: []string{"a.example"}}}
	for _, x := range []struct {
		listen string
		change func(*Web)
		want   string // of the only problem; "": there is none
	}{
		{"none", func(w *Web) { w.Users = nil }, ""},
		{"127.0.0.1:8025", func(w *Web) { w.Users = nil }, "nobody can sign in"},
		{"none", func(w *Web) { w.Users = nil; w.Admins = []string{"a"} }, "nobody can see it"},
		{"127.0.0.1:8025", func(w *Web) { w.Users = user("$argon2id$x") }, ""},
		{"127.0.0.1:8025", func(w *Web) { w.Users = user("{SSHA}x") }, ""},
		{"127.0.0.1:8025", func(w *Web) { w.Users = user("secret") }, "no hash"},
		{"127.0.0.1:8025", func(w *Web) { w.Users = []WebUser{{Name: "jaco"}} }, "password is missing"},
		{"127.0.0.1:8025", func(w *Web) { w.Users = append(user("$x"), user("$y")...) }, "there twice"},
		{"127.0.0.1:8025", func(w *Web) { w.Users = user("$x"); w.Users[0].Owns = []string{""} }, "owns is missing"},
		{"127.0.0.1:8025", func(w *Web) { w.Admins = []string{""} }, "admins is missing"},
		{"127.0.0.1:8025", func(w *Web) { w.Admins = []string{"Jaco"} }, ""},
		{"127.0.0.1:8025", func(w *Web) { w.Admins = []string{"jaco@kroon.co.za"} }, "nobody can sign in as"},
		{"127.0.0.1:8025", func(w *Web) { w.Admins, w.SignIn = []string{"gert"}, []SignIn{elsewhere} }, ""},
		{"unix:/run/w", func(w *Web) { w.Admins, w.Proxy.User = []string{"gert"}, "X-Remote-User" }, ""},
		{"127.0.0.1:25", func(*Web) {}, "taken by"},
		{"127.0.0.1:9977", func(*Web) {}, "taken by metrics"},
		{"127.0.0.1:8025", func(w *Web) { w.Group = "mail" }, "excludes mode"},
		{"0.0.0.0:8025", func(*Web) {}, "clear text"},
		{"0.0.0.0:8025", func(w *Web) { w.TLS = WebTLS{Cert: "/a", Key: "/b"} }, ""},
		{"0.0.0.0:8025", func(w *Web) { w.Proxy.Networks = []string{"192.0.2.7"} }, ""},
		{"127.0.0.1:8025", func(w *Web) { w.TLS = WebTLS{Cert: "/a"} }, "belong together"},
		{"127.0.0.1:8025", func(w *Web) { w.TLS = WebTLS{Cert: "/a", Key: "b"} }, "does not begin with /"},
		{"unix:/run/w", func(w *Web) { w.Proxy.User = "X-Remote-User" }, ""},
		{"unix:/run/control", func(*Web) {}, "control socket"},
		{"unix:run/w", func(*Web) {}, "does not begin with /"},
		{"unix:/" + strings.Repeat("x", 200), func(*Web) {}, "longer than"},
		{"127.0.0.1:8025", func(w *Web) { w.Proxy.User = "X-Remote-User" }, "nobody is believed"},
		{"127.0.0.1:8025", func(w *Web) { w.Proxy = WebProxy{User: "X-U", Networks: []string{"127.0.0.1"}} }, "anybody"},
		{"unix:/run/w", func(w *Web) { w.Proxy.User, w.Mode = "X-U", 0o666 }, "anybody"},
		{"127.0.0.1:8025", func(w *Web) { w.Proxy.Networks = []string{"0.0.0.0/0"} }, "is everybody"},
		{"127.0.0.1:8025", func(w *Web) { w.Proxy.Networks = []string{"here"} }, "networks"},
		{"unix:/run/w", func(w *Web) { w.Proxy.User = "X Y" }, "no name of a header"},
		{"unix:/run/w", func(w *Web) { w.Proxy.User = "cookie" }, "another field"},
		{"unix:/run/w", func(w *Web) { w.Proxy.Owns = "X-Y" }, "without user"},
		{"127.0.0.1:8025", func(w *Web) { w.Session = time.Second }, "session"},
		{"127.0.0.1:8025", func(w *Web) { w.Collect = 0 }, ""},
		{"127.0.0.1:8025", func(w *Web) { w.Help = "javascript:alert(1)" }, "no URL of a web page"},
		{"127.0.0.1:8025", func(w *Web) { w.Help = "https://panel.example.org/" }, ""},
	} {
		c := &Config{Socket: "/run/control", Web: DefaultWeb(), Listen: []Listener{{Network: "tcp", Address: "127.0.0.1:25"}}}
		if err := c.Metrics.SetListen("127.0.0.1:9977"); err != nil {
			t.Fatal(err)
		}
		if err := c.Web.SetListen(x.listen); err != nil {
			t.Fatal(err)
		}
		c.Web.Users = user("$x")
		x.change(&c.Web)
		v := &validator{c: c}
		v.web()
		got := fmt.Sprint(v.problems)
		if x.want == "" && len(v.problems) > 0 || len(v.problems) > 1 || !strings.Contains(got, x.want) {
			t.Errorf("%s: %s, want %q", x.listen, got, x.want)
		}
	}
}
