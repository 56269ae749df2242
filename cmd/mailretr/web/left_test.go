package web

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store"
	"mailretr/store/mail"
)

// rememberedDrops are what is known of maildrops from before.
type rememberedDrops map[string]fetch.State

func (r rememberedDrops) Load(_ context.Context, name string) ([]byte, error) {
	return json.Marshal(r[name])
}
func (r rememberedDrops) Save(context.Context, string, []byte) error { return nil }

// Notes belong to an account, and whoever writes an entry can name that of somebody else: what others have left there he
// neither sees nor has fetched, until they are gone and he has proved that he has the password.
func TestNotesOfOthers(t *testing.T) {
	w := newWorld(t)
	w.change(func(c *conf.Config) {
		c.Web.Subjects = true
		for _, x := range []struct{ name, owner string }{{"hers", "anna@kroon.co.za"}, {"second", "jaco@kroon.co.za"}} {
			m := conf.DefaultMaildrop()
			m.Name, m.Protocol, m.Host, m.User, m.Owner = x.name, "pop3", "mail.isp.example", "jaco", x.owner
			c.Maildrops = append(c.Maildrops, &m)
		}
	})
	w.house.Status.Keep([]string{"anna", "jaco", "hers", "second"}, nil)
	for uid, left := range map[string]string{"u-secret": "jaco", "u-gone": "a name of before"} {
		if _, err := w.house.Queue.Aside(t.Context(), store.Aside{Account: account("jaco"), UID: mail.UID(uid), Maildrop: left,
			Kind: fetch.AsideRefused, Why: "why of " + uid, Header: []byte("Subject: subject of " + uid + "\r\n\r\n")}); err != nil {
			t.Fatal(err)
		}
	}
	seen := func(who, name string, secret, gone bool) {
		t.Helper()
		code, text := w.as(who).get("/maildrop?name=" + name)
		if code != 200 || strings.Contains(text, "u-secret") != secret || strings.Contains(text, "u-gone") != gone ||
			secret && !strings.Contains(text, "subject of u-secret") {
			t.Errorf("%s at %s: %d %s", who, name, code, text)
		}
	}
	fetched := func(uid string, code int) {
		t.Helper()
		if got, text := w.as("anna").post("/maildrop/fetch", "name", "hers", "uid", uid, "back", "/"); got != code {
			t.Errorf("%s: %d %s", uid, got, text)
		}
	}
	seen("gert", "hers", true, true)
	seen("jaco", "jaco", true, false)
	seen("jaco", "second", true, false)
	seen("anna", "hers", false, false)
	fetched("u-secret", 404)
	fetched("u-gone", 404)

	// She has the password: she could read there what is left by nobody any more, too.
	w.house.Poller.Notes = rememberedDrops{"hers": {Account: account("jaco"), Met: w.now()}, "second": {Account: account("anna"), Met: w.now()}}
	var drops []fetch.Drop
	for _, name := range []string{"anna", "jaco", "hers", "second"} {
		drops = append(drops, fetch.Drop{Name: name, From: refusing{"-ERR no"}})
	}
	w.house.Poller.Set(t.Context(), drops)
	seen("anna", "hers", false, true)
	seen("jaco", "second", true, false)
	fetched("u-secret", 404)
	fetched("u-gone", 200)
}

// What is done with what was collected is said in words, not in those of the configuration.
func TestKeeps(t *testing.T) {
	v := &visit{Server: &Server{texts: english()}}
	for words, want := range map[string]string{
		"keep": "stays in", "seen": "stays in", "delete": "and is safe here, is deleted", "delete after 14d": "is deleted in the maildrop after 14 days.",
		"delete above 10M": "10\u00a0MB or more; smaller", "delete above 10M after 3d": "10\u00a0MB or more, after 3 days; smaller",
		"move Done": "to the folder Done.",
	} {
		after, err := conf.ParseAfter(words)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.keeps(&conf.Maildrop{After: after}); !strings.Contains(got, want) {
			t.Errorf("%s: %s", words, got)
		}
	}
	if got := v.keeps(&conf.Maildrop{After: conf.After{Act: conf.Move, Folder: "Done", Delay: 14 * 24 * 3600e9}}); !strings.Contains(got, "Done after 14 days") {
		t.Error(got)
	}
}
