package main

import (
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
	"mailretr/conf"
	"mailretr/fetch/budget"
	"mailretr/store/mail"
)

// A toll stands between a maildrop and us and counts what passes, so that no figure has to be believed of the code that
// is tested.
type toll struct {
	net.Listener
	passed atomic.Int64
	conns  sync.WaitGroup
}

func newToll(t *testing.T, to int) *toll {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &toll{Listener: l}
	t.Cleanup(func() { l.Close(); x.conns.Wait() })
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
		x.passed.Add(int64(n))
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

// The cap holds whole: what is counted is what passed; large mail waits for the reset day, and goes on then; a restart
// forgets nothing.
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
	x.c.Limits.MaxMessage = 0
	x.poller.Set(t.Context(), x.drops())
	if v := x.poller.Poll(t.Context(), "jaco")[0]; v.Err != nil || v.Tally.Messages != 1 {
		t.Errorf("%+v", v)
	}
}
