package web

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
	"mailretr/conf/source"
	"mailretr/fetch/budget"
	"mailretr/store/mail"
)

// adminPaths are those of admins.
var adminPaths = []string{"/admin", "/admin/maildrops", "/admin/queue", "/admin/why", "/admin/message", "/admin/octets", "/admin/traffic",
	"/admin/verify", "/admin/import"}

// For all but admins the pages of admins are not there, and their forms do nothing.
func TestAdminsOnly(t *testing.T) {
	w := newWorld(t)
	id := w.put("jaco", "1", "", "x", "jaco@kroon.co.za")
	b := w.as("jaco")
	for _, path := range adminPaths {
		if code, _ := b.get(path + "?id=" + id); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	for _, path := range []string{"/admin/queue", "/admin/flush", "/admin/reload", "/admin/source", "/admin/edit",
		"/admin/verify", "/admin/export", "/admin/import"} {
		if code, _ := b.post(path, "do", "add", "address", "x@kroon.co.za", "id", id, "verb", "remove", "sure", "1", "most", "9", "before", "2026-01-05T12:00:00Z"); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	if w.state(id) != control.Queued {
		t.Error("something was done")
	}
	if code, text := w.browser().get("/admin/queue"); code != 200 || !strings.Contains(text, `id="password"`) {
		t.Errorf("nobody: %d", code)
	}
	w.change(func(c *conf.Config) { c.Web.Admins = []string{"jaco"} })
	if code, text := w.as("jaco").get("/admin"); code != 200 || !strings.Contains(text, "/admin/traffic") {
		t.Errorf("an admin: %d", code)
	}
	if _, text := w.as("gert").get("/"); strings.Contains(text, "/admin") {
		t.Error("one who is none any more goes on as an admin")
	}
	// However the name is written, A to Z; letters that only look so are others.
	for name, code := range map[string]int{"JACO": 200, "Jaco": 200, "jacó": 404, "ｊaco": 404} {
		w.people[name] = signin.Who{Name: name, Owners: []string{"x"}}
		if got, _ := w.as(name).get("/admin"); got != code {
			t.Errorf("%s gets %d", name, got)
		}
	}
}

// An admin is one by the password that is written with him, where there is one: somebody of the same name whom another place
// lets in is none.
func TestAdminOfUsers(t *testing.T) {
	w := newWorld(t)
	w.change(func(c *conf.Config) { c.Web.Users = []conf.WebUser{{Name: "gert"}} })
	if code, _ := w.as("gert").get("/admin"); code != http.StatusNotFound {
		t.Errorf("a namesake from elsewhere gets %d", code)
	}
	w.people["GERT"] = signin.Who{Name: "GERT", Owners: []string{"x"}}
	if code, _ := w.as("GERT").get("/admin"); code != http.StatusNotFound {
		t.Errorf("a namesake in capitals gets %d", code)
	}
	w.people["gert"] = signin.Who{Name: "gert", Admin: true} // as the users say
	if code, _ := w.as("gert").get("/admin"); code != http.StatusOK {
		t.Errorf("the admin gets %d", code)
	}
}

// The first page of an admin says how all is: what is wrong comes first.
func TestOverview(t *testing.T) {
	w := newWorld(t)
	w.house.Sources = func() []source.State {
		return []source.State{{Name: "panel", Rows: 7, Wrong: "no route " + evil, Since: w.now(), Fewer: 2}}
	}
	w.server.House.Sources = w.house.Sources
	w.put("jaco", "1", "", "x", "jaco@kroon.co.za")
	w.observe("jaco", mail.Event{Op: mail.OpPoll, Attempt: 1,
		Err: &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: evil, Server: "isp:995"}})
	w.observe("", mail.Event{Op: mail.OpLane, Lane: "default", Outcome: mail.Deferred, Reply: "421 " + evil, Next: w.now().Add(time.Minute)})
	w.change(func(c *conf.Config) { c.Bad = []conf.BadMaildrop{{Name: "broken"}} })
	b := w.as("gert")
	code, text := b.get("/")
	if code != 200 || strings.Contains(text, "<script>alert") || strings.Contains(text, "<img") {
		t.Fatalf("%d %s", code, text)
	}
	for _, want := range []string{"1 of 2 maildrops", `data-maildrop="jaco"`, "broken", "1 message", "takes no mail", "in 1 minute", "7 rows",
		"The last good set goes on", "Take what it says now", "421 &lt;script&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if code, text := b.post("/admin/source", "source", "panel"); code != 200 || !strings.Contains(text, "more than half") {
		t.Errorf("not asked: %d %s", code, text)
	}
	if code, _ := b.post("/admin/source", "source", "panel", "sure", "1"); code != http.StatusServiceUnavailable {
		t.Errorf("nobody can take it: %d", code)
	}
	if code, _ := b.post("/admin/reload"); code != http.StatusServiceUnavailable {
		t.Errorf("nobody reloads: %d", code)
	}
	if code, text := b.post("/admin/flush", "lane", "default", "back", "/admin"); code != 200 || !strings.Contains(text, "tried now") {
		t.Errorf("flush: %d %s", code, text)
	}
	if code, _ := b.post("/admin/flush", "lane", "nowhere"); code != 404 {
		t.Errorf("flush of nothing: %d", code)
	}
}

// Maildrops are found by name, owner, server and what was said, and by their state; a page has a bounded number.
func TestSearch(t *testing.T) {
	w := newWorld(t)
	w.observe("anna", mail.Event{Op: mail.OpPoll})
	w.observe("jaco", mail.Event{Op: mail.OpPoll, Attempt: 1, Err: &mail.Trouble{Kind: mail.Auth, Reply: "-ERR bad password"}})
	b := w.as("gert")
	for query, want := range map[string][2]bool{
		"": {true, true}, "q=JACO": {true, false}, "q=anna%40": {false, true}, "q=isp.example": {true, true}, "q=bad+pass": {true, false},
		"q=nobody": {false, false}, "state=login": {true, false}, "state=ok": {false, true}, "state=unwell": {true, false},
		"q=anna&state=login": {false, false}, "q=%3Cscript%3E": {false, false}, "page=99": {true, true}, "page=-1": {true, true},
	} {
		code, text := b.get("/admin/maildrops?" + query)
		for i, name := range []string{"jaco", "anna"} {
			if code != 200 || strings.Contains(text, `data-maildrop="`+name+`"`) != want[i] {
				t.Errorf("%s: %d, %s", query, code, name)
			}
		}
	}
	var names []string
	w.change(func(c *conf.Config) {
		c.Maildrops = nil
		for i := range 250 {
			names = append(names, fmt.Sprintf("d%03d", i))
			c.Maildrops = append(c.Maildrops, &conf.Maildrop{Name: names[i], Owner: "jaco@kroon.co.za", Enabled: true})
		}
	})
	w.house.Status.Keep(names, nil)
	pages := map[string]int{"/admin/maildrops": 3, "/": 5}
	for path, n := range pages {
		b := w.as(map[string]string{"/": "jaco", "/admin/maildrops": "gert"}[path])
		seen := map[string]bool{}
		for i := 1; i <= n; i++ {
			_, text := b.get(fmt.Sprintf("%s?page=%d&q=d", path, i))
			for _, m := range regexp.MustCompile(`data-maildrop="(\w+)"`).FindAllStringSubmatch(text, -1) {
				seen[m[1]] = true
			}
			if strings.Contains(text, `rel="next"`) != (i < n) || strings.Contains(text, `rel="prev"`) != (i > 1) {
				t.Errorf("%s, page %d leads elsewhere", path, i)
			}
		}
		if len(seen) != 250 {
			t.Errorf("%s: %d of 250", path, len(seen))
		}
	}
}

// The queue is shown, found in with the conditions of the command line, and all of it is text.
func TestQueue(t *testing.T) {
	w := newWorld(t)
	a := w.put("jaco", "1", "a@example.org", evil, "jaco@kroon.co.za")
	c := w.put("anna", "2", "b@example.net", "x", "anna@kroon.co.za", "x@kroon.co.za")
	w.hold(c, evil)
	b := w.as("gert")
	for query, want := range map[string][2]bool{
		"": {true, true}, "maildrop=jaco": {true, false}, "from=@example.net": {false, true}, "to=x@*": {false, true}, "state=held": {false, true},
		"state=queued": {true, false}, "reason=script": {false, true}, "older=1h": {false, false}, "younger=1h": {true, true},
		"larger=1M": {false, false}, "smaller=1M&maildrop=anna": {false, true}, "page=2": {false, false}, "lane=nowhere": {false, false},
	} {
		code, text := b.get("/admin/queue?" + query)
		for i, id := range []string{a, c} {
			if code != 200 || strings.Contains(text, `data-message="`+id+`"`) != want[i] {
				t.Errorf("%s: %d, %d", query, code, i)
			}
		}
		if strings.Contains(text, "<script>alert") {
			t.Errorf("%s: %s", query, text)
		}
	}
	for _, query := range []string{"older=x", "older=0s", "larger=-1", "state=none"} {
		if code, _ := b.get("/admin/queue?" + query); code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, code)
		}
	}
	if code, text := b.get("/admin/message?id=" + c); code != 200 || !strings.Contains(text, "Subject: x") ||
		!strings.Contains(text, "x@kroon.co.za") || strings.Contains(text, "<img") {
		t.Errorf("%d %s", code, text)
	}
	if _, text := b.get("/admin/message?id=" + a); !strings.Contains(text, "&lt;script&gt;alert(1)") || strings.Contains(text, "<img") {
		t.Error(text)
	}
	if code, _ := b.get("/admin/message?id=nothing"); code != 404 && code != 400 {
		t.Error(code)
	}
	r := b.form("/admin/octets?id=" + a)
	r.Method = http.MethodGet
	if _, text, h := b.do(r); h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(text, "Subject: ") ||
		!strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || !strings.HasSuffix(text, "body\r\n") {
		t.Errorf("%v %q", h, text)
	}
	if code, text := b.get("/admin/why"); code != 200 || !strings.Contains(text, "held") || strings.Contains(text, "<script>alert") {
		t.Errorf("%d %s", code, text)
	}
}

// fieldsOf are the hidden fields of a form that asks.
func fieldsOf(text string) (all []string) {
	for _, m := range regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1], strings.NewReplacer("&amp;", "&", "&lt;", "<", "&#43;", "+").Replace(m[2]))
	}
	return all
}

// Many messages are changed after it was said how many they are, and what has come since then is not among them.
func TestChangeMany(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for i := range 3 {
		ids = append(ids, w.put("jaco", fmt.Sprint(i), "a@example.org", "x", "jaco@kroon.co.za"))
	}
	other := w.put("anna", "9", "", "x", "anna@kroon.co.za")
	b := w.as("gert")
	w.pass(time.Second)
	code, text := b.post("/admin/queue", "maildrop", "jaco", "all", "1", "verb", "hold", "back", "/admin/queue?maildrop=jaco")
	if code != 200 || !strings.Contains(text, "3 messages would be held") || w.state(ids[0]) != control.Queued {
		t.Fatalf("%d %s", code, text)
	}
	late := w.put("jaco", "late", "", "x", "jaco@kroon.co.za")
	code, text = b.post("/admin/queue", append(fieldsOf(text), "sure", "1", "why", "looking at them")...)
	if code != 200 || !strings.Contains(text, "It is being done") {
		t.Fatalf("%d %s", code, text)
	}
	w.server.jobs.stop()
	for _, id := range ids {
		m, err := w.server.client.Show(t.Context(), id)
		if err != nil || m.State != control.Held || m.Why != "looking at them" {
			t.Errorf("%+v %v", m, err)
		}
	}
	if w.state(other) != control.Queued || w.state(late) != control.Queued {
		t.Error("others were held, too")
	}
	if _, text = b.get("/admin/queue"); !strings.Contains(text, "Hold: 3 messages changed") {
		t.Error(text)
	}

	// Those that are marked, whatever the conditions are.
	_, text = b.post("/admin/queue", "maildrop", "anna", "id", ids[0], "id", ids[1], "verb", "remove", "back", "/admin/queue")
	if !strings.Contains(text, "2 messages would be removed") {
		t.Fatal(text)
	}
	b.post("/admin/queue", append(fieldsOf(text), "sure", "1")...)
	w.server.jobs.stop()
	if w.state(ids[0]) != "" || w.state(ids[1]) != "" || w.state(ids[2]) != control.Held || w.state(other) != control.Queued {
		t.Error("other messages were removed")
	}

	for name, fields := range map[string][]string{
		"none is named":   {"verb", "remove"},
		"no verb":         {"all", "1"},
		"another verb":    {"all", "1", "verb", "export"},
		"sure, uncounted": {"all", "1", "verb", "remove", "sure", "1"},
		"sure, no time":   {"all", "1", "verb", "remove", "sure", "1", "most", "5"},
		"the future":      {"all", "1", "verb", "remove", "sure", "1", "most", "5", "before", "2999-01-01T00:00:00Z"},
		"nonsense":        {"all", "1", "verb", "remove", "older", "x"},
	} {
		if code, _ := b.post("/admin/queue", fields...); code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code, _ := b.post("/admin/queue", "from", "nobody@x", "all", "1", "verb", "remove"); code != 404 {
		t.Errorf("nothing is like that: %d", code)
	}
	// More than was said: nothing is changed, and the page says so.
	b.post("/admin/queue", "all", "1", "verb", "remove", "sure", "1", "most", "1", "before", w.now().Format(time.RFC3339Nano))
	w.server.jobs.stop()
	if _, text = b.get("/admin/queue"); w.state(other) != control.Queued || !strings.Contains(text, "no longer 1; nothing was changed") {
		t.Error(text)
	}
}

// kept are the notes of a book, in memory.
type kept map[[2]string][]byte

func (k kept) Notes(_ context.Context, owner string) iter.Seq2[budget.Note, error] {
	return func(yield func(budget.Note, error) bool) {
		for key, v := range k {
			if (owner == "" || owner == key[0]) && !yield(budget.Note{Owner: key[0], Key: key[1], Value: v}, nil) {
				return
			}
		}
	}
}

func (k kept) Save(_ context.Context, all []budget.Note) error {
	for _, n := range all {
		k[[2]string{n.Owner, n.Key}] = n.Value
	}
	return nil
}

// The recipients of a message are changed one at a time; what would leave none, or is no address, is refused with a reason.
func TestEdit(t *testing.T) {
	w := newWorld(t)
	id := w.put("jaco", "1", "a@example.org", "x", "jaco@kroon.co.za")
	b := w.as("gert")
	to := func() (all []string) {
		m, err := w.server.client.Show(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range m.Recipients {
			all = append(all, r.Address)
		}
		return all
	}
	for _, x := range []struct {
		fields []string
		code   int
		want   string
	}{
		{[]string{"do", "add", "address", "anna@kroon.co.za"}, 200, "jaco@kroon.co.za anna@kroon.co.za"},
		{[]string{"do", "replace", "old", "jaco@kroon.co.za", "address", "gert@kroon.co.za"}, 200, "gert@kroon.co.za anna@kroon.co.za"},
		{[]string{"do", "remove", "old", "gert@kroon.co.za"}, 200, "gert@kroon.co.za anna@kroon.co.za"}, // it asks
		{[]string{"do", "remove", "old", "gert@kroon.co.za", "sure", "1"}, 200, "anna@kroon.co.za"},
		{[]string{"do", "remove", "old", "anna@kroon.co.za"}, 400, "anna@kroon.co.za"},
		{[]string{"do", "remove", "old", "anna@kroon.co.za", "sure", "1"}, 400, "anna@kroon.co.za"},
		{[]string{"do", "remove", "old", "nobody@kroon.co.za"}, 400, "anna@kroon.co.za"},
		{[]string{"do", "add", "address", "a b\r\nRCPT TO:<x>"}, 400, "anna@kroon.co.za"},
		{[]string{"do", "add"}, 400, "anna@kroon.co.za"},
		{[]string{"do", "sender"}, 400, "anna@kroon.co.za"},
		{[]string{"do", "sender", "address", "a b"}, 400, "anna@kroon.co.za"},
		{[]string{"do", "sender", "address", "<x@y.example>"}, 200, "anna@kroon.co.za"},
	} {
		code, text := b.post("/admin/edit", append(x.fields, "id", id, "back", "/admin/message?id="+id)...)
		if got := strings.Join(to(), " "); code != x.code || got != x.want {
			t.Errorf("%v: %d %q %s", x.fields, code, got, text)
		}
	}
	from := func() string {
		m, err := w.server.client.Show(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return m.Sender
	}
	if from() != "x@y.example" {
		t.Errorf("the sender is %q", from())
	}
	if code, text := b.post("/admin/edit", "id", id, "do", "sender", "address", "<>"); code != 200 || from() != "" {
		t.Errorf("nobody is told: %d %q %s", code, from(), text)
	}
	if code, _ := b.post("/admin/edit", "id", "nothing", "do", "add", "address", "x@y.example"); code != 404 {
		t.Error(code)
	}
}

// An admin has a maildrop collected although the cap is spent; its owner cannot.
func TestOverBudget(t *testing.T) {
	w := newWorld(t)
	w.observe("jaco", mail.Event{Op: mail.OpPoll, Attempt: 1, Err: &mail.Trouble{Kind: mail.Spent}})
	if _, text := w.as("jaco").get("/maildrop?name=jaco"); strings.Contains(text, `name="over"`) {
		t.Error("an owner has the button")
	}
	b := w.as("gert")
	if _, text := b.get("/maildrop?name=jaco"); !strings.Contains(text, `name="over"`) {
		t.Error(text)
	}
	var log strings.Builder
	w.server.Log = slog.New(slog.NewTextHandler(&log, nil))
	if code, _ := w.as("jaco").post("/maildrop/collect", "name", "jaco", "over", "1"); code != 200 ||
		!strings.Contains(log.String(), "over_budget=false") {
		t.Errorf("an owner: %d %s", code, log.String())
	}
	w.server.runs.stop()
	w.pass(time.Minute)
	if code, _ := b.post("/maildrop/collect", "name", "jaco", "over", "1"); code != 200 ||
		!strings.Contains(log.String(), "over_budget=true") {
		t.Errorf("an admin: %d %s", code, log.String())
	}
}

// What the line has cost is drawn by the server, with its figures in a table beside it, and the cap in words.
func TestTraffic(t *testing.T) {
	w := newWorld(t)
	if code, _ := w.as("gert").get("/admin/traffic"); code != 404 {
		t.Errorf("nobody counts: %d", code)
	}
	book := &budget.Book{Now: w.now, Store: kept{}}
	rules := budget.Rules{Calendar: budget.Calendar{Zone: time.UTC}, Line: budget.Limit{Month: 10 << 20, Day: 2 << 20}}
	if err := book.Set(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	line := map[string]int64{}
	for _, name := range []string{"jaco", "anna"} {
		book.Meter(name, func() (up, down int64) { return 0, line[name] })
	}
	line["jaco"] = 1 << 20
	book.Observe(mail.Event{Op: mail.OpPoll, Origin: mail.Origin{Maildrop: "jaco"}, Messages: 4, Octets: 90})
	w.server.House.Budget = book
	code, text := w.as("gert").get("/admin/traffic")
	for _, want := range []string{"1.0\u00a0MB of 10\u00a0MB are used this month", "1.0\u00a0MB are left", "<svg", `class="cap"`, "2026-01-05", "jaco"} {
		if code != 200 || !strings.Contains(text, want) {
			t.Errorf("%q is missing in %d %s", want, code, text)
		}
	}
	_, text = w.as("jaco").get("/maildrop?name=jaco")
	if !strings.Contains(text, "4 messages, 1.0\u00a0MB on the line") || strings.Count(text, "<rect") != chartDays {
		t.Error(text)
	}
	if _, text = w.as("anna").get("/maildrop?name=anna"); strings.Contains(text, "4 messages") {
		t.Error("anna sees the traffic of others")
	}
}

// A bar is as high as it should be: the highest fills the chart, what is little can be seen, a day without anything is empty.
func TestChart(t *testing.T) {
	v := &visit{}
	c := v.chart([]budget.Dated{
		{Day: "2026-01-01", Counts: budget.Counts{Down: 1}}, {Day: "2026-01-03", Counts: budget.Counts{Down: 1 << 30}},
	})
	if len(c.Days) != chartDays || c.Days[chartDays-1].Day != "2026-01-03" || c.Days[0].Day != "2025-12-05" {
		t.Fatalf("%+v", c)
	}
	for i, want := range map[int]int{chartDays - 1: chartHeight - 4, chartDays - 2: 0, chartDays - 3: 2} {
		if b := c.Days[i]; b.H != want || b.Y+b.H != chartHeight {
			t.Errorf("%s: %+v, want %d", b.Day, b, want)
		}
	}
	c.cap(2 << 30)
	if b := c.Days[chartDays-1]; b.H != (chartHeight-4)/2 || c.Limit != 4 {
		t.Errorf("%+v %d", b, c.Limit)
	}
	if c := v.chart(nil); len(c.Days) != 0 {
		t.Error(c)
	}
	if c := v.chart([]budget.Dated{{Day: "nonsense"}}); len(c.Days) != 0 {
		t.Error(c)
	}
}
