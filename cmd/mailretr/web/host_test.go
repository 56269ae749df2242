package web

import (
	"net/http"
	"strings"
	"testing"

	"mailretr/conf"
)

// Another site that makes its name mean this machine is told nothing, and can sign nobody in.
func TestH6_AnotherNameForThisMachine(t *testing.T) {
	w := newWorld(t)
	b := w.as("jaco")
	ask := func(host, method, path string) (int, string) {
		r := b.form(path, "user", "jaco", "password", "right")
		r.Method, r.Host = method, host
		code, text, _ := b.do(r)
		return code, text
	}
	for _, host := range []string{"evil.example", "evil.example:8025", "127.0.0.1.evil.example", "localhost.evil.example"} {
		for _, path := range []string{"/", "/sign-in", "/maildrop?name=jaco", "/no"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				if code, text := ask(host, method, path); code != http.StatusMisdirectedRequest || strings.Contains(text, "sign-out") {
					t.Errorf("%s %s of %s: %d", method, path, host, code)
				}
			}
		}
	}
	own := w.config().Hostname
	for _, host := range []string{"localhost", "localhost:8025", "LOCALHOST.", "127.0.0.1:80", "[::1]:8025", "mail.localhost", own, own + ":80"} {
		if code, text := ask(host, http.MethodGet, "/sign-in"); code != 200 || !strings.Contains(text, "password") {
			t.Errorf("%s: %d", host, code)
		}
	}
	w.change(func(c *conf.Config) { c.Web.Proxy.Networks = []string{"127.0.0.0/8"} })
	if code, text := ask("mail.example.org", http.MethodGet, "/sign-in"); code != 200 || !strings.Contains(text, "password") {
		t.Errorf("behind a server in front: %d", code)
	}
}
