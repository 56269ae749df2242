package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/conf/source"
	"mailretr/fetch/budget"
	"mailretr/relay/smtpd"
	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/status"
)

var now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// world is a house whose state a test sets.
type world struct {
	House
	totals store.Totals
	err    error
	drops  []status.Status
	lanes  []status.Lane
	most   int

	writing time.Duration
}

func fixed() *world {
	w := &world{totals: store.Totals{Messages: 3, Held: 1, Octets: 700, Oldest: now.Add(-time.Hour), Free: 2000, Reserve: 1000}}
	w.House = House{
		Version: "1", Now: func() time.Time { return now },
		Totals:      func(context.Context) (store.Totals, error) { return w.totals, w.err },
		Maildrops:   func() []status.Status { return w.drops },
		Lanes:       func() []status.Lane { return w.lanes },
		Line:        func() *budget.Sheet { return &budget.Sheet{DayLimit: 100, Today: budget.Counts{Up: 10, Down: 20}} },
		PerMaildrop: func() int { return w.most },
		Listeners: func() []Listener { // two of one name would be a mistake, and cost no answer
			l := Listener{Name: "localhost:2525", Stats: smtpd.Stats{Now: 2, Total: 9, Messages: 3, Refused: 4}}
			return []Listener{l, l}
		},
		Sources: func() []source.State { return []source.State{{Name: "panel", Rows: 7, Wrong: "away"}} },
		Mirrors: func() []Mirror {
			return []Mirror{{Source: "panel", Kind: "status", Pending: 5, Written: 12, Errors: 2, Success: now},
				{Source: "panel", Kind: "write_back", Up: true}}
		},
		Webhook: func() *Webhook { return &Webhook{Pending: 2, Taken: 9, Refused: 3, Failed: 4, Dropped: 1} },
		Writing: func() time.Duration { return w.writing },
	}
	return w
}

func (w *world) get(t *testing.T, m *Meter, path string) (int, string) {
	t.Helper()
	s := &Server{Meter: m, House: w.House}
	return ask(t, s, path)
}

func ask(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	r := httptest.NewRecorder()
	s.Handler().ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.Code, string(b)
}

func has(t *testing.T, page string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(page, "\n"+l+"\n") {
			t.Errorf("no line %q", l)
		}
	}
}

// Events are counted, and the state is said as it is.
func TestMetrics(t *testing.T) {
	w := fixed()
	m := New(w.House)
	m.Set(Known{Protocols: map[string]string{"jaco": "pop3"}, Destinations: map[string]string{"mta": "smtp"}}, now)
	jaco := mail.Origin{Maildrop: "jaco"}
	refused := &mail.Trouble{Kind: mail.Auth}
	for _, e := range []mail.Event{
		{Op: mail.OpPoll, Origin: jaco, Messages: 2, Octets: 500, Up: 10, Down: 600, Saved: 7, Wasted: 3, Took: 2 * time.Second},
		{Op: mail.OpPoll, Origin: jaco, Err: refused, Alarm: true},
		{Op: mail.OpPoll, Origin: jaco, Text: "stopped"},
		{Op: mail.OpQueue, Origin: jaco},
		{Op: mail.OpQueue},
		{Op: mail.OpDeliver, Lane: "mta", Outcome: mail.Delivered, Delay: time.Minute},
		{Op: mail.OpDeliver, Lane: "mta", Outcome: mail.Deferred},
		{Op: mail.OpPoll, Origin: jaco, Known: 3},
		{Op: mail.OpDSN, Messages: 1, Topic: mail.ReportFailure}, {Op: mail.OpDSN, Err: errors.New("no")},
		{Op: mail.OpDSN, Messages: 1, Topic: mail.ReportDelay}, {Op: mail.OpDiscard, Messages: 1, Lane: "mta"},
		{Op: mail.OpStore, Err: errors.New("no")}, {Op: mail.OpStore},
		{Op: mail.OpConfig, Err: refused, Origin: jaco}, // of one maildrop only
	} {
		m.Observe(e)
	}
	m.Delivering("smtp", mail.Report{{Outcome: mail.Failed}, {}, {Outcome: mail.Delivered}}, 2*time.Second)
	m.Delivering("smtp", nil, time.Second)
	m.Delivering("smtp", mail.Report{{Outcome: mail.Delivered}, {Outcome: mail.Failed}}, time.Second)
	m.Committing(nil, time.Millisecond)
	w.drops = []status.Status{{Maildrop: "jaco", State: status.Login, Next: now.Add(-time.Minute), Waiting: 4}}
	w.lanes = []status.Lane{{Lane: "mta", State: status.Sick}}
	code, page := w.get(t, m, "/metrics")
	if code != http.StatusOK {
		t.Fatal(code, page)
	}
	has(t, page, `mailretr_polls_total{protocol="pop3",result="ok"} 2`, `mailretr_polls_total{protocol="pop3",result="auth"} 1`,
		`mailretr_polls_total{protocol="pop3",result="stopped"} 1`,
		`mailretr_poll_duration_seconds_sum{protocol="pop3",result="ok"} 2`,
		`mailretr_messages_retrieved_total{protocol="pop3"} 2`, `mailretr_retrieved_bytes_total{protocol="pop3"} 500`,
		`mailretr_line_bytes_total{direction="down"} 600`, `mailretr_line_saved_bytes_total 7`, `mailretr_line_wasted_bytes_total 3`,
		`mailretr_messages_queued_total{source="client"} 1`,
		`mailretr_delivery_attempts_total{destination="mta",kind="smtp",result="deferred"} 1`,
		`mailretr_delivery_delay_seconds_sum{kind="smtp",result="delivered"} 60`,
		`mailretr_dsn_queued_total{reason="failure"} 1`, `mailretr_dsn_queued_total{reason="delay"} 1`,
		`mailretr_dsn_queued_total{reason="success"} 0`, `mailretr_messages_duplicate_skipped_total{protocol="pop3"} 3`,
		`mailretr_messages_discarded_total{destination="mta"} 1`,
		`mailretr_delivery_duration_seconds_sum{kind="smtp",result="deferred"} 3`,
		`mailretr_store_commit_duration_seconds_count{result="ok"} 1`,
		`mailretr_listener_connections{listener="localhost:2525"} 2`,
		`mailretr_listener_connections_total{listener="localhost:2525"} 9`, "# TYPE mailretr_listener_refused_total counter",
		`mailretr_listener_refused_total{listener="localhost:2525"} 4`, `mailretr_source_up{source="panel"} 0`,
		`mailretr_source_maildrops{source="panel"} 7`,
		`mailretr_mirror_up{kind="status",source="panel"} 0`, `mailretr_mirror_up{kind="write_back",source="panel"} 1`,
		`mailretr_mirror_pending_maildrops{kind="status",source="panel"} 5`, "# TYPE mailretr_mirror_errors_total counter",
		`mailretr_mirror_errors_total{kind="status",source="panel"} 2`, `mailretr_mirror_written_total{kind="status",source="panel"} 12`,
		`mailretr_webhook_up 0`, `mailretr_webhook_pending_messages 2`, `mailretr_webhook_posts_total{result="ok"} 9`,
		`mailretr_webhook_posts_total{result="refused"} 3`, `mailretr_webhook_posts_total{result="error"} 4`,
		`mailretr_webhook_dropped_total 1`,
		`mailretr_store_errors_total 1`, `mailretr_alarms_total{step="poll"} 1`,
		`mailretr_maildrops{state="login"} 1`, `mailretr_maildrops{state="ok"} 0`, `mailretr_poll_overdue_seconds 60`,
		`mailretr_waiting_messages 4`, `mailretr_destination_up{destination="mta"} 0`,
		`mailretr_queue_messages{state="waiting"} 2`, `mailretr_queue_messages{state="held"} 1`,
		`mailretr_queue_oldest_age_seconds 3600`, `mailretr_disk_free_bytes 2000`, `mailretr_store_up 1`,
		`mailretr_line_used_bytes{period="day"} 30`, `mailretr_line_limit_bytes{period="day"} 100`,
		`mailretr_config_last_reload_successful 1`)
	if strings.Contains(page, "jaco") {
		t.Error("a maildrop is named")
	}
	m.Observe(mail.Event{Op: mail.OpConfig, Err: errors.New("no")})
	w.err = errors.New("/secret/path is gone")
	_, page = w.get(t, m, "/metrics")
	has(t, page, `mailretr_config_last_reload_successful 0`, `mailretr_store_up 0`)
	if strings.Contains(page, "mailretr_queue_messages{") || strings.Contains(page, "secret") {
		t.Error("a number that nobody knows is there, or a path")
	}
}

// What others write is escaped, and makes no series; those of maildrops are there on request, and bounded.
func TestH12_LabelsAreBoundedAndEscaped(t *testing.T) {
	w := fixed()
	m := New(w.House)
	evil := "a\"} 1\nmailretr_forged 1\xff\x00"
	m.Set(Known{Destinations: map[string]string{evil: "smtp"}, Protocols: map[string]string{evil: evil}}, now)
	for i := range 5000 {
		from := mail.Origin{Maildrop: fmt.Sprint(evil, i), UID: mail.UID(fmt.Sprint(i))}
		m.Observe(mail.Event{Op: mail.OpPoll, Origin: from, Reply: evil, Messages: -1, Up: -5})
		m.Observe(mail.Event{Op: mail.OpDeliver, Lane: mail.Lane(fmt.Sprint(evil, i)), To: mail.Path(fmt.Sprint(i)), Delay: -1})
		m.Observe(mail.Event{Op: mail.Op(100 + i%100), Alarm: true, Messages: -1})
	}
	m.Observe(mail.Event{Op: mail.OpPoll, Origin: mail.Origin{Maildrop: evil}})
	m.Observe(mail.Event{Op: mail.OpDeliver, Lane: mail.Lane(evil)})
	w.most = 2
	w.drops = []status.Status{{Maildrop: evil, State: status.Login}, {Maildrop: "b", State: status.OK, LastSuccess: now}}
	w.lanes = []status.Lane{{Lane: evil, State: status.OK}}
	code, page := w.get(t, m, "/metrics")
	if code != http.StatusOK || strings.Contains(page, "\nmailretr_forged") || strings.Count(page, "\n") > 1000 {
		t.Errorf("%d, %d lines", code, strings.Count(page, "\n"))
	}
	has(t, page, `mailretr_polls_total{protocol="other",result="ok"} 5000`, `mailretr_maildrop_up{maildrop="b"} 1`,
		`mailretr_maildrop_state{maildrop="b",state="ok"} 1`)
	w.drops = append(w.drops, status.Status{Maildrop: "c"})
	if _, page = w.get(t, m, "/metrics"); strings.Contains(page, "maildrop=") {
		t.Error("more series than are allowed")
	}
}

// Health is asked of the store; readiness of disk and destinations too. No answer has names or paths.
func TestHealth(t *testing.T) {
	sick := func(since, next time.Duration) status.Lane {
		return status.Lane{Lane: "secret", State: status.Sick, Since: now.Add(-since), Next: now.Add(next)}
	}
	for name, x := range map[string]struct {
		change func(*world)
		alive  int
		ready  string // in the answer
	}{
		"well":      {func(*world) {}, 200, "ok"},
		"store":     {func(w *world) { w.err = errors.New("secret") }, 503, "store"},
		"slow":      {func(w *world) { w.writing = 30 * time.Second }, 200, "ok"},
		"stuck":     {func(w *world) { w.writing = time.Minute }, 503, "store"},
		"disk":      {func(w *world) { w.totals.Free = 999 }, 200, "disk"},
		"just sick": {func(w *world) { w.lanes = []status.Lane{sick(time.Minute, time.Minute)} }, 200, "ok"},
		"sick":      {func(w *world) { w.lanes = []status.Lane{sick(time.Hour, time.Minute)} }, 200, "destination"},
		"all but one": {func(w *world) {
			w.lanes = []status.Lane{sick(time.Hour, time.Minute), {Lane: "b", State: status.Never}}
		}, 200, "ok"},
		"not tried":     {func(w *world) { w.lanes = []status.Lane{sick(time.Hour, -time.Hour)} }, 200, "ok"},
		"maildrop sick": {func(w *world) { w.drops = []status.Status{{State: status.Login}} }, 200, "ok"},
	} {
		w := fixed()
		x.change(w)
		m := New(w.House)
		if code, _ := w.get(t, m, "/healthz"); code != x.alive {
			t.Errorf("%s: alive %d", name, code)
		}
		code, page := w.get(t, m, "/readyz")
		if (code == 200) != (x.ready == "ok") || !strings.Contains(page, x.ready) || strings.Contains(page, "secret") ||
			strings.Count(page, "\n") != 1 {
			t.Errorf("%s: ready %d %q", name, code, page)
		}
	}
	w := fixed()
	s := &Server{Meter: New(w.House), House: w.House}
	s.End()
	if code, _ := ask(t, s, "/readyz"); code != 503 {
		t.Error("ready although it ends")
	}
	if code, _ := ask(t, s, "/healthz"); code != 200 {
		t.Error("dead although it only ends")
	}
	if code, _ := ask(t, s, "/other"); code != 404 {
		t.Error("something else is there")
	}
}

// A store that hangs while it is asked is found out in seconds, however many ask.
func TestHealthOfAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fixed()
		release := make(chan struct{})
		var asked atomic.Int32
		w.Totals = func(context.Context) (store.Totals, error) {
			asked.Add(1)
			<-release // whatever the context says
			return store.Totals{}, nil
		}
		s := &Server{Meter: New(w.House), House: w.House}
		for _, path := range []string{"/healthz", "/readyz", "/healthz"} {
			began := time.Now()
			if code, page := ask(t, s, path); code != 503 || !strings.Contains(page, "store") || time.Since(began) > scrapeTime {
				t.Error(path, code, page, time.Since(began))
			}
		}
		if _, page := ask(t, s, "/metrics"); !strings.Contains(page, "\nmailretr_store_up 0\n") {
			t.Error("the store is up, they say")
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("it was asked %d times, by the server and by the meter", n)
		}
		close(release)
		synctest.Wait()
		if code, _ := ask(t, s, "/healthz"); code != 200 {
			t.Error("it has come back, and nobody says so")
		}
	})
}

// Events come from many sides while somebody scrapes and the configuration changes.
func TestConcurrent(t *testing.T) {
	w := fixed()
	m := New(w.House)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 200 {
				m.Observe(mail.Event{Op: mail.OpPoll, Messages: 1})
				if i%50 == 0 {
					m.Set(Known{}, now)
					w.get(t, m, "/metrics")
				}
			}
		})
	}
	all.Wait()
	_, page := w.get(t, m, "/metrics")
	has(t, page, `mailretr_messages_retrieved_total{protocol="other"} 800`)
}
