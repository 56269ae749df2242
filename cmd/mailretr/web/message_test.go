package web

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store"
	"mailretr/store/mail"
)

// octets is a message in memory.
type octets string

func (o octets) Size() int64 { return int64(len(o)) }
func (o octets) Header(context.Context) ([]byte, error) {
	i := strings.Index(string(o), "\r\n\r\n")
	return []byte(o[:i+4]), nil
}
func (o octets) Open(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(o))), nil
}

// put queues a message of a maildrop and returns its id.
func (w *world) put(maildrop, uid, from, subject string, to ...string) string {
	w.t.Helper()
	m := &mail.Message{Content: octets("Subject: " + subject + "\r\nFrom: a@example.org\r\n\r\nbody\r\n")}
	m.Origin = mail.Origin{Maildrop: maildrop, Account: account(maildrop), UID: mail.UID(uid)}
	m.Envelope.Reverse = mail.Path(from)
	for _, x := range to {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: mail.Path(x)})
	}
	before := w.ids()
	if r := w.house.Queue.Deliver(w.t.Context(), m); !r.Done(len(to)) {
		w.t.Fatalf("not queued: %v", r)
	}
	for id := range w.ids() {
		if !before[id] {
			return id
		}
	}
	w.t.Fatal("it is not in the queue")
	return ""
}

func account(maildrop string) mail.Account {
	return mail.AccountOf("pop3", "mail.isp.example", maildrop)
}

// ids are those in the queue.
func (w *world) ids() map[string]bool {
	w.t.Helper()
	all := map[string]bool{}
	for l, err := range w.house.Engine.List(w.t.Context(), store.Filter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		all[l.Record.ID.String()] = true
	}
	return all
}

// state is how a message is.
func (w *world) state(id string) control.State {
	m, err := w.server.client.Show(w.t.Context(), id)
	if err != nil {
		return ""
	}
	return m.State
}

func (w *world) hold(id, why string) {
	w.t.Helper()
	x, err := mail.ParseID(id)
	if err == nil {
		err = w.house.Queue.Hold(w.t.Context(), x, why, nil)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// An owner sees what of his waits here and why, with its subject only where that is allowed, and as text.
func TestH5_Subjects(t *testing.T) {
	w := newWorld(t)
	w.put("jaco", "1", "a@example.org", "=?utf-8?q?"+strings.ReplaceAll(evil, " ", "_")+"?=", "jaco@kroon.co.za")
	w.put("anna", "1", "secret@example.org", "not yours", "anna@kroon.co.za")
	b := w.as("jaco")
	_, text := b.get("/maildrop?name=jaco")
	if strings.Contains(text, "alert(1)") || !strings.Contains(text, "It is delivered soon") || strings.Contains(text, "secret@") {
		t.Error(text)
	}
	w.change(func(c *conf.Config) { c.Web.Subjects = true })
	_, text = w.as("jaco").get("/maildrop?name=jaco")
	if !strings.Contains(text, "&lt;script&gt;alert(1)") || strings.Contains(text, "<script>alert") {
		t.Error(text)
	}
}

// An owner may do with his own what harms nobody else: an admin's hold is the admin's, and what cannot be undone is asked
// about first.
func TestOwnersVerbs(t *testing.T) {
	w := newWorld(t)
	his, hers := w.put("jaco", "1", "", "x", "jaco@kroon.co.za"), w.put("anna", "1", "", "x", "anna@kroon.co.za")
	b := w.as("jaco")
	do := func(b *browser, name, id, verb string, more ...string) int {
		code, _ := b.post("/message", append([]string{"name", name, "id", id, "verb", verb}, more...)...)
		return code
	}
	for _, x := range [][2]string{{"anna", hers}, {"jaco", hers}, {"anna", his}, {"jaco", "x"}} {
		if code := do(b, x[0], x[1], "remove", "sure", "1"); code != http.StatusNotFound {
			t.Errorf("%v: %d", x, code)
		}
	}
	w.hold(his, "an admin says so")
	for _, verb := range []string{"release", "remove", "bounce", "retry", "hold", "flush", ""} {
		if code := do(b, "jaco", his, verb, "sure", "1"); code != http.StatusConflict {
			t.Errorf("%s: %d", verb, code)
		}
	}
	if w.state(his) != control.Held || w.state(hers) != control.Queued {
		t.Error("something was changed")
	}
	admin := w.as("gert")
	if code, text := admin.post("/message", "name", "jaco", "id", his, "verb", "remove"); code != 200 ||
		!strings.Contains(text, "Are you sure?") || w.state(his) != control.Held {
		t.Errorf("not asked: %d %s", code, text)
	}
	if code, text := admin.post("/message", "name", "jaco", "id", his, "verb", "release", "back", "/maildrop?name=jaco"); code != 200 ||
		!strings.Contains(text, "delivered at once") || w.state(his) != control.Queued {
		t.Errorf("not released: %d %s", code, text)
	}
	if do(admin, "jaco", his, "remove", "sure", "1"); w.state(his) != "" {
		t.Error("not removed")
	}
}

// Messages that the program has given up on are an owner's to release: the table names kinds that exist.
func TestOwnerReleases(t *testing.T) {
	w := newWorld(t)
	w.put("jaco", "1", "", "x", "jaco@kroon.co.za")
	v := &visit{Server: w.server, conf: w.config(), web: &w.config().Web}
	v.r, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for _, hold := range ownerReleases {
		got := v.verbs(&control.Message{State: control.Held, Hold: hold})
		if len(got) != 2 || got[0].Verb != control.Release || got[1].Verb != control.Remove || got[1].Confirm == "" {
			t.Errorf("%s: %+v", hold, got)
		}
		if english()["hold."+hold] == "" {
			t.Errorf("%s has no sentence", hold)
		}
	}
	for _, hold := range []string{"admin", "rule", "flood", "suspect", "damaged"} {
		if got := v.verbs(&control.Message{State: control.Held, Hold: hold}); len(got) != 0 || english()["hold."+hold] == "" {
			t.Errorf("%s: %+v", hold, got)
		}
	}
}

// A message that was left for its size is fetched when its owner says so; one that waits for the budget is not.
func TestFetchLeft(t *testing.T) {
	w := newWorld(t)
	aside := func(drop, uid, kind string) {
		if _, err := w.house.Queue.Aside(t.Context(), store.Aside{Account: account(drop), UID: mail.UID(uid), Maildrop: drop,
			Kind: kind, Why: "62 MB are too large " + evil, Size: 62 << 20, Header: []byte("Subject: big\r\n\r\n"),
			Next: w.now().Add(24 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	aside("jaco", "big", fetch.AsideRefused)
	aside("jaco", "dear", fetch.AsideBudget)
	aside("anna", "hers", fetch.AsideRefused)
	b := w.as("jaco")
	_, text := b.get("/maildrop?name=jaco")
	if strings.Count(text, "Fetch it now") != 1 || !strings.Contains(text, "62\u00a0MB") || strings.Contains(text, "Subject: big") ||
		strings.Contains(text, "<img") || strings.Contains(text, "hers") {
		t.Error(text)
	}
	for _, x := range []struct {
		name, uid string
		code      int
	}{{"jaco", "dear", 409}, {"jaco", "hers", 404}, {"anna", "hers", 404}, {"jaco", "none", 404}, {"jaco", "big", 200}} {
		if code, text := b.post("/maildrop/fetch", "name", x.name, "uid", x.uid, "back", "/maildrop?name=jaco"); code != x.code {
			t.Errorf("%v: %d %s", x, code, text)
		}
	}
	a, ok, err := w.house.Queue.AsideOf(t.Context(), account("jaco"), "big")
	if err != nil || !ok || a.Kind != store.AsideWanted {
		t.Errorf("%+v %v %v", a, ok, err)
	}
	if a, _, _ := w.house.Queue.AsideOf(t.Context(), account("anna"), "hers"); a.Kind != fetch.AsideRefused {
		t.Errorf("%+v", a)
	}
}

// Each kind of note has words.
func TestWordsOfNotes(t *testing.T) {
	for _, kind := range append(ownerFetches, fetch.AsideBudget, store.AsideWanted) {
		if english()["left."+kind] == "" || english()["lefttodo."+kind] == "" {
			t.Errorf("%s has none", kind)
		}
	}
}

// An owner is told that what was fetched waits because the destination is away.
func TestAway(t *testing.T) {
	w := newWorld(t)
	w.change(func(c *conf.Config) {
		c.Maildrops = slices.Clone(c.Maildrops)
		for i := range c.Maildrops {
			c.Maildrops[i].Deliver = "default"
		}
	})
	b := w.as("jaco")
	if _, text := b.get("/"); strings.Contains(text, "takes no mail") {
		t.Error(text)
	}
	w.observe("", mail.Event{Op: mail.OpLane, Lane: "default", Outcome: mail.Deferred, Reply: "421 no", Next: w.now().Add(time.Minute)})
	for _, path := range []string{"/", "/maildrop?name=jaco"} {
		if _, text := b.get(path); !strings.Contains(text, "Your own mail server takes no mail") {
			t.Error(text)
		}
	}
}

// Whoever has written a row with a mistake reads what it is; what is wrong in a file, and where that is, is the admin's.
func TestLeftOut(t *testing.T) {
	w := newWorld(t)
	w.change(func(c *conf.Config) {
		c.Maildrops = nil
		c.Bad = []conf.BadMaildrop{
			{Name: "panel row 7", Owner: "jaco@kroon.co.za", Problems: []conf.Problem{{Pos: conf.Pos{File: "panel row 7, column port"},
				Text: "port: 99999 is none " + evil, Hint: "write 995"}}},
			{Name: "filed", Owner: "jaco@kroon.co.za", Problems: []conf.Problem{{Pos: conf.Pos{File: "/etc/secret.yaml", Line: 3},
				Text: "a secret mistake"}}},
		}
	})
	w.house.Status.Keep([]string{"panel row 7", "filed"}, nil)
	_, text := w.as("jaco").get("/")
	for _, want := range []string{"99999 is none &lt;script&gt;", "write 995", "Not collected", `id="m-panelrow7-`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "/maildrop/collect") {
		t.Error(text)
	}
	if code, _ := w.as("jaco").get("/maildrop?name=panel+row+7"); code != 200 {
		t.Errorf("its page: %d", code)
	}
	if code, _ := w.as("anna").get("/maildrop?name=panel+row+7"); code != 404 {
		t.Errorf("for anna: %d", code)
	}
}

// A link from elsewhere does not make a page say that something was done.
func TestNotices(t *testing.T) {
	w := newWorld(t)
	b := w.as("jaco")
	if _, text := b.get("/?did=remove"); !strings.Contains(text, `id="notice"`) {
		t.Error("our own is not shown")
	}
	b.from = "cross-site"
	for _, path := range []string{"/?did=remove", "/?did=nothing"} {
		if _, text := b.get(path); strings.Contains(text, `id="notice"`) {
			t.Error(text)
		}
	}
}

// A maildrop is paused by its owner, and resumed.
func TestPause(t *testing.T) {
	w := newWorld(t)
	b := w.as("jaco")
	if code, _ := b.post("/maildrop/pause", "name", "anna"); code != 404 {
		t.Errorf("anna's: %d", code)
	}
	if code, text := b.post("/maildrop/pause", "name", "jaco", "back", "/maildrop?name=jaco"); code != 200 ||
		!strings.Contains(text, `data-state="paused"`) || strings.Contains(text, "/maildrop/collect") {
		t.Errorf("%d %s", code, text)
	}
	if code, text := b.post("/maildrop/pause", "name", "jaco", "resume", "1", "back", "/maildrop?name=jaco"); code != 200 ||
		strings.Contains(text, `data-state="paused"`) {
		t.Errorf("%d %s", code, text)
	}
	// What an admin has paused is said to be so, and its owner has no button, nor does the form do anything.
	if _, text := w.as("gert").post("/maildrop/pause", "name", "jaco", "back", "/maildrop?name=jaco"); !strings.Contains(text, `id="resume"`) {
		t.Error(text)
	}
	if _, text := b.get("/maildrop?name=jaco"); !strings.Contains(text, "paused by the administrator") || strings.Contains(text, "/maildrop/pause") {
		t.Error(text)
	}
	for _, resume := range []string{"", "1"} {
		if code, text := b.post("/maildrop/pause", "name", "jaco", "resume", resume); code != 403 || !strings.Contains(text, "paused by the administrator") {
			t.Errorf("%d %s", code, text)
		}
	}
	if _, text := b.get("/"); !strings.Contains(text, `data-state="paused"`) {
		t.Error("its owner has resumed it")
	}
	if _, text := w.as("gert").post("/maildrop/pause", "name", "jaco", "resume", "1", "back", "/maildrop?name=jaco"); strings.Contains(text, `data-state="paused"`) {
		t.Error("an admin cannot resume it")
	}
}
