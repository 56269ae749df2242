package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/demo"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/fetch/budget"
	"mailretr/store"
	"mailretr/store/mail"
)

// A toll stands between a maildrop and us and counts what passes, so that no figure has to be believed of
// the code that is tested.
type toll struct {
	net.Listener
	passed atomic.Int64
	conns  sync.WaitGroup

	most  atomic.Int64 // octets after which nothing passes any more; 0: no limit
	dead  chan struct{}
	cut   sync.Once
	ended chan struct{}
}

func newToll(t *testing.T, to int) *toll {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &toll{Listener: l, dead: make(chan struct{}), ended: make(chan struct{})}
	t.Cleanup(func() { close(x.ended); l.Close(); x.conns.Wait() })
	x.conns.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to})
			if err != nil {
				near.Close()
				return
			}
			x.conns.Go(func() { x.pass(far, near); far.Close() })
			x.conns.Go(func() { x.pass(near, far); near.Close() })
		}
	})
	return x
}

func (x *toll) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if most := x.most.Load(); x.passed.Add(int64(n)) > most && most > 0 {
			x.cut.Do(func() { close(x.dead) })
			<-x.ended
			return
		}
		if _, e := to.Write(buf[:n]); err != nil || e != nil {
			return
		}
	}
}

// capped is a house behind a cap, with the demo's provider at the other end of the line, and a clock.
type capped struct {
	*house
	stage *demo.Stage
	tolls []*toll
	clock atomic.Int64 // seconds since 1970
	c     *conf.Config
}

func newCapped(t *testing.T, change func(*conf.Config)) *capped {
	t.Helper()
	stage, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	x := &capped{stage: stage, c: demoConfig(stage, filepath.Join(t.TempDir(), "state"), time.Second)}
	for i := range x.c.Maildrops {
		toll := newToll(t, x.c.Maildrops[i].Port)
		x.tolls = append(x.tolls, toll)
		x.c.Maildrops[i].Port = toll.Addr().(*net.TCPAddr).Port
		x.c.Maildrops[i].Check = false
	}
	x.c.Limits.HeadersFirst = 0
	x.c.Line.Timezone = "Africa/Johannesburg"
	change(x.c)
	x.at(time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC))
	x.open(t)
	t.Cleanup(func() {
		if err := errors.Join(x.close(), stage.Close()); err != nil {
			t.Error(err)
		}
	})
	return x
}

func (x *capped) open(t *testing.T) {
	t.Helper()
	h, err := assemble(t.Context(), x.c, needs{
		log: slog.New(slog.DiscardHandler), fatal: func(err error) { t.Error(err) },
		now: func() time.Time { return time.Unix(x.clock.Load(), 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	x.house = h
	h.poller.Set(t.Context(), h.drops())
}

func (x *capped) at(now time.Time) { x.clock.Store(now.Unix()) }

func (x *capped) passed() (n int64) {
	for _, t := range x.tolls {
		n += t.passed.Load()
	}
	return n
}

func (x *capped) traffic(t *testing.T) (line *control.LineTraffic, drops map[string]budget.Sheet) {
	t.Helper()
	drops = map[string]budget.Sheet{}
	for item, err := range control.Local(x.controlled()).Traffic(t.Context(), false, "") {
		switch {
		case err != nil:
			t.Fatal(err)
		case item.Line != nil:
			line = item.Line
		default:
			drops[item.Maildrop.Maildrop] = *item.Maildrop
		}
	}
	return line, drops
}

// The cap holds whole: what is counted is what passed; large mail waits for the reset day, and goes on
// then; a restart forgets nothing.
func TestCap(t *testing.T) {
	const cap = 200 << 10
	x := newCapped(t, func(c *conf.Config) { c.Line.Month, c.Line.Reset = cap, 31 })
	for _, v := range x.poller.Poll(t.Context()) {
		if v.Err != nil || v.Tally.Messages == 0 || v.Tally.Left != 1 {
			t.Errorf("%+v", v)
		}
	}
	line, drops := x.traffic(t)
	if n := x.passed(); line.Month.Line() != n || n > cap || len(drops) != 2 ||
		drops["jaco"].Month.Line()+drops["family"].Month.Line() != n {
		t.Errorf("%d passed; counted: %+v, %+v", n, line, drops)
	}
	reset := time.Date(2026, 1, 30, 22, 0, 0, 0, time.UTC) // midnight there
	if line.Left != cap-line.Month.Line() || !line.LeftUntil.Equal(reset) {
		t.Errorf("%+v", line)
	}
	s, _ := x.status.Of("jaco")
	if s.State != "budget" || len(s.Asides) != 1 || !s.Asides[0].Next.Equal(reset) || s.Wrong == "" || s.Advice == "" {
		t.Errorf("%+v", s)
	}

	before := x.passed()
	if err := x.close(); err != nil {
		t.Fatal(err)
	}
	x.open(t)
	if again, _ := x.traffic(t); again.Month != line.Month {
		t.Errorf("after a restart %+v, before it %+v", again.Month, line.Month)
	}
	x.at(reset.Add(-2 * time.Hour))
	for x.passed()-before < cap { // polls cost too, until there is nothing left
		if v := x.poller.Poll(t.Context(), "jaco")[0]; v.Err != nil {
			tr := mail.TroubleOf(mail.OpPoll, "", v.Err)
			if tr.Kind != mail.Spent || !strings.Contains(tr.Hint, "Sat 31 Jan 00:00") {
				t.Errorf("%v; %s", tr, tr.Hint)
			}
			break
		}
	}
	if n := x.passed(); n > cap {
		t.Errorf("%d octets passed", n)
	}

	x.c.Line.Month = 1 << 30 // the next month is a good one
	if err := x.budgets(t.Context(), x.c); err != nil {
		t.Fatal(err)
	}
	x.at(reset.Add(time.Minute))
	for _, v := range x.poller.Poll(t.Context()) {
		if v.Err != nil || v.Tally.Messages != 1 {
			t.Errorf("on the reset day: %+v", v)
		}
	}
	if s, _ = x.status.Of("jaco"); s.State != "ok" || len(s.Asides) != 0 {
		t.Errorf("%+v", s)
	}
}

// Somebody who asks does not pass the budget; somebody who says so does.
func TestPollOverBudget(t *testing.T) {
	x := newCapped(t, func(c *conf.Config) { c.Line.Day = 64 << 10 })
	d := control.Local(x.controlled())
	poll := func(over bool) (last control.Polled) {
		for p, err := range d.Poll(t.Context(), control.PollRequest{Maildrops: []string{"jaco"}, OverBudget: over}) {
			if err != nil {
				t.Fatal(err)
			}
			last = p
		}
		return last
	}
	if p := poll(false); p.Error != "" || p.Left != 1 {
		t.Errorf("%+v", p)
	}
	if p := poll(true); p.Error != "" || p.Messages != 1 || p.Octets < 1<<20 {
		t.Errorf("%+v", p)
	}
	if p := poll(false); p.Kind != "budget" || !strings.Contains(p.Hint, "--over-budget jaco") {
		t.Errorf("%+v", p)
	}
	if line, _ := x.traffic(t); !line.Spent || line.Month.Line() != x.passed() {
		t.Errorf("%+v, %d passed", line, x.passed())
	}
}

// Large mail waits for the off-peak hours, by the clock of the line.
func TestOffPeakHours(t *testing.T) {
	x := newCapped(t, func(c *conf.Config) { c.Line.OffPeak = []conf.Window{{From: 22 * 60, To: 6 * 60}} })
	if v := x.poller.Poll(t.Context(), "jaco")[0]; v.Err != nil || v.Tally.Left != 1 {
		t.Errorf("%+v", v)
	}
	if s, _ := x.status.Of("jaco"); s.State != "ok" || len(s.Asides) != 1 || !strings.Contains(s.Asides[0].Why, "Tue 20 Jan 22:00") {
		t.Errorf("%+v", s)
	}
	x.at(time.Date(2026, 1, 20, 20, 0, 0, 0, time.UTC)) // 22:00 there
	if v := x.poller.Poll(t.Context(), "jaco")[0]; v.Err != nil || v.Tally.Messages != 1 {
		t.Errorf("%+v", v)
	}
}

// A message that is too large stays; a limit that is raised has it collected at once.
func TestOversizeIsLeft(t *testing.T) {
	x := newCapped(t, func(c *conf.Config) { c.Limits.MaxMessage = 1 << 20 })
	if v := x.poller.Poll(t.Context(), "jaco")[0]; v.Err != nil || v.Tally.Left != 1 {
		t.Errorf("%+v", v)
	}
	if s, _ := x.status.Of("jaco"); len(s.Asides) != 1 || !strings.Contains(s.Asides[0].Why, "too large") {
		t.Errorf("%+v", s)
	}
	x.config.Load().Limits.MaxMessage = 0
	x.poller.Set(t.Context(), x.drops())
	if v := x.poller.Poll(t.Context(), "jaco")[0]; v.Err != nil || v.Tally.Messages != 1 {
		t.Errorf("%+v", v)
	}
}

// queued are the messages of ours in the queue, whole.
func (x *capped) queued(t *testing.T) (all []string) {
	t.Helper()
	for l, err := range x.engine.List(t.Context(), store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if l.Record.Reverse != "" {
			continue
		}
		body, err := x.engine.OpenBody(t.Context(), l.Record.Body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(body)
		if err = errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}

// A message that is too large is told of once, whatever comes between, and its body does not cross the
// line; somebody who forgets it gets it.
func TestOversizeNotice(t *testing.T) {
	x := newCapped(t, func(c *conf.Config) {
		for i := range c.Maildrops {
			c.Maildrops[i].Oversize = &conf.Oversize{Above: 1 << 20, Then: conf.ThenNotice}
		}
	})
	for round := range 3 {
		for _, v := range x.poller.Poll(t.Context(), "jaco", "family") { // who is named is listed whole
			if v.Err != nil {
				t.Errorf("%+v", v)
			}
		}
		if got := x.queued(t); len(got) != 2 || !strings.Contains(got[0]+got[1], "mailretr seen forget jaco INBOX/1/13") {
			t.Fatalf("round %d: %d notices: %q", round, len(got), got)
		}
		if n := x.passed(); n > 256<<10 {
			t.Fatalf("%d octets passed", n)
		}
		if round == 1 {
			if err := x.close(); err != nil {
				t.Fatal(err)
			}
			x.open(t)
		}
	}
	d := control.Local(x.controlled())
	if n, err := d.Seen(t.Context(), control.Forget, control.SeenRequest{Maildrop: "jaco", UIDs: []string{"INBOX/1/13"}}); err != nil || n < 1 {
		t.Fatalf("%d, %v", n, err)
	}
	if v := x.poller.Poll(t.Context(), "jaco")[0]; v.Err != nil || v.Tally.Messages != 1 || v.Tally.Octets < 1<<20 {
		t.Errorf("%+v", v)
	}
	if got := x.queued(t); len(got) != 2 {
		t.Errorf("%d notices", len(got))
	}
}

// A message that is too large goes back to its sender, once, and is gone upstream; its body never crossed
// the line.
func TestOversizeBounce(t *testing.T) {
	x := newCapped(t, func(c *conf.Config) {
		c.Maildrops[1].Oversize = &conf.Oversize{Above: 1 << 20, Then: conf.ThenBounce}
	})
	for range 2 {
		v := x.poller.Poll(t.Context(), "jaco")[0]
		if v.Err != nil {
			t.Errorf("%+v", v)
		}
		got := x.queued(t)
		if len(got) != 1 || !strings.Contains(got[0], "Status: 5.2.3") || !strings.Contains(got[0], "larger than this") {
			t.Fatalf("%d reports: %q", len(got), got)
		}
	}
	line, drops := x.traffic(t)
	if n := x.passed(); n > 128<<10 || line.Month.Line() != n || drops["jaco"].Month.Saved < 1<<20 {
		t.Errorf("%d passed; %+v", n, drops["jaco"])
	}
}

// A UID is the server's; what a person is told to copy is one word to a shell.
func TestQuoted(t *testing.T) {
	for word, want := range map[string]string{
		"INBOX/1/13": "INBOX/1/13", "$(reboot)": "'$(reboot)'", "a'b": `'a'\''b'`, "": "''", "-n": "'-n'", "a b": "'a b'",
	} {
		if got := quoted(word); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What a person at a terminal reads of the cap.
func TestTrafficInSentences(t *testing.T) {
	x := newCapped(t, func(c *conf.Config) {
		c.Line.Month, c.Line.Day, c.Line.Reset = 10<<20, 64<<10, 15
		c.Line.OffPeak = []conf.Window{{From: 22 * 60, To: 6 * 60}}
	})
	show := func() string {
		var out bytes.Buffer
		a := newApp(nil, &out, &out)
		a.now = x.now
		a.out, a.talk = &term.Out{Writer: &out, TTY: true}, &term.Out{Writer: &out, TTY: true}
		if err := (&trafficView{app: a}).show(t.Context(), control.Local(x.controlled())); err != nil {
			t.Error(err)
		}
		if err := (&statusView{app: a}).show(t.Context(), control.Local(x.controlled())); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	x.poller.Poll(t.Context())
	got := show()
	for _, want := range []string{
		"NAME        MAIL  COLLECTED  TODAY", "(the line)  24 ", "Since Thu 15 Jan 00:00: 24 messages, 20K, for ",
		" of 10M used since Thu 15 Jan 00:00, ", " of 64K used today; ", "left until Wed 21 Jan 00:00, the last ",
		" for small mail only", "Large mail waits for the off-peak hours: Tue 20 Jan 22:00.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	x.poller.PollOver(t.Context())
	if got = show(); strings.Count(got, "✗ the cap is spent") != 2 || !strings.Contains(got, "nothing is collected until Sun 15 Feb 00:00") &&
		!strings.Contains(got, "nothing is collected until Wed 21 Jan 00:00") {
		t.Error(got)
	}
}
