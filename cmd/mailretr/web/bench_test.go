package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"mailretr/conf"
	"mailretr/store/mail"
)

// BenchmarkPages measures what a page costs where there are 10,000 maildrops of 5,000 owners.
func BenchmarkPages(b *testing.B) {
	w := newWorld(b)
	var names []string
	w.change(func(c *conf.Config) {
		c.Maildrops = nil
		for i := range 10_000 {
			m := conf.DefaultMaildrop()
			m.Name, m.Protocol, m.Host, m.User = fmt.Sprintf("d%05d", i), "imap", "mail.isp.example", fmt.Sprint(i)
			m.Owner = fmt.Sprintf("owner%d@kroon.co.za", i%5000)
			names, c.Maildrops = append(names, m.Name), append(c.Maildrops, &m)
		}
	})
	w.house.Status.Keep(names, nil)
	for _, n := range names {
		w.observe(n, mail.Event{Op: mail.OpPoll, Messages: 1, Next: w.now()})
	}
	w.people["owner"] = w.people["jaco"]
	who := w.people["owner"]
	who.Owners = []string{"owner77@kroon.co.za"}
	w.people["owner"] = who
	for _, x := range []struct{ name, user, path string }{
		{"owner", "owner", "/"}, {"maildrop", "owner", "/maildrop?name=d00077"}, {"overview", "gert", "/admin"},
		{"maildrops", "gert", "/admin/maildrops"}, {"search", "gert", "/admin/maildrops?q=d0777"},
	} {
		b.Run(x.name, func(b *testing.B) {
			cookie := w.as(x.user).cookies()[0]
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, x.path, nil)
				r.AddCookie(cookie)
				got := httptest.NewRecorder()
				w.site.Config.Handler.ServeHTTP(got, r)
				if got.Code != 200 {
					b.Fatal(got.Code, got.Body)
				}
			}
		})
	}
}
