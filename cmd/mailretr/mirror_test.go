package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// A slate is a board that a test looks at.
type slate struct {
	rows   map[string]status.Status
	puts   int   // rows that were written
	asks   int   // times that it was tried
	err    error // where it is away
	denied error // where nobody may write
	not    string
}

func (s *slate) Wants(maildrop string) bool  { return maildrop != s.not }
func (s *slate) Check(context.Context) error { return s.err }
func (s *slate) Close() error                { return nil }

func (s *slate) Put(_ context.Context, list []status.Status) error {
	if err := errors.Join(s.err, s.denied); err != nil {
		return err
	}
	for _, x := range list {
		s.rows[x.Maildrop] = x
		s.puts++
	}
	return nil
}

func (s *slate) Remove(_ context.Context, names []string) error {
	for _, n := range names {
		delete(s.rows, n)
	}
	return s.err
}

func (s *slate) Names(context.Context) (names []string, err error) {
	s.asks++
	for n := range s.rows {
		names = append(names, n)
	}
	return names, s.err
}

// mirroringOf is a mirror of a house of so many maildrops on a slate, with a clock and what it told.
type mirroringOf struct {
	*mirroring
	*testing.T
	slate *slate
	at    time.Time
	told  []string
}

func newMirroring(t *testing.T, drops int) *mirroringOf {
	m := &mirroringOf{T: t, slate: &slate{rows: map[string]status.Status{}}, at: time.Now()}
	h := &house{now: func() time.Time { return m.at }}
	h.status = &status.Folder{Now: h.now}
	h.around.observe = mail.Observers{h.status, mail.ObserverFunc(func(e mail.Event) {
		if e.Op == mail.OpAlarm {
			m.told = append(m.told, fmt.Sprint(e.Alarm, " ", e.Text))
		}
	})}
	h.status.Keep(dropNames(drops), nil)
	m.mirroring = &mirroring{h: h, source: conf.Source{Name: "panel"}, into: "mailretr_status", kind: "status", board: m.slate, follow: h.status.Follow()}
	return m
}

func dropNames(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("d%04d", i))
	}
	return all
}

func (m *mirroringOf) poll(name string, err error) {
	m.h.around.observe.Observe(mail.Event{At: m.at, Op: mail.OpPoll, Origin: mail.Origin{Maildrop: name}, Err: err, Attempt: 1,
		Next: m.at.Add(24 * time.Hour)})
}

func (m *mirroringOf) later(d time.Duration) {
	for range d / mirrorEvery {
		m.at = m.at.Add(mirrorEvery)
		m.look(m.Context(), m.at)
	}
}

// What has changed is written once, and all of it every hour; what is gone is removed, also what an earlier life has left.
func TestMirrorWritesWhatHasChanged(t *testing.T) {
	m := newMirroring(t, 1234)
	m.slate.rows["left"] = status.Status{}
	m.slate.not, m.slate.rows["d0007"] = "d0007", status.Status{}
	m.later(mirrorEvery)
	if len(m.slate.rows) != 1233 || m.slate.puts != 1233 {
		t.Fatalf("%d rows, %d written", len(m.slate.rows), m.slate.puts)
	}
	for range 100 {
		m.poll("d0003", loginRefused)
	}
	m.later(mirrorEvery)
	if s := m.slate.rows["d0003"]; s.State != status.Login || s.Failures != 100 || s.Words == "" || m.slate.puts != 1234 {
		t.Errorf("%+v, %d written", s, m.slate.puts)
	}
	m.later(50 * time.Minute)
	if m.slate.puts != 1234 {
		t.Errorf("%d written", m.slate.puts)
	}
	m.h.status.Keep(dropNames(1000), nil)
	m.later(mirrorEvery)
	if len(m.slate.rows) != 999 {
		t.Errorf("%d rows", len(m.slate.rows))
	}
	m.slate.rows = map[string]status.Status{} // somebody has emptied the table
	m.later(20 * time.Minute)
	if len(m.slate.rows) != 999 || len(m.told) != 0 {
		t.Errorf("%d rows, told %q", len(m.slate.rows), m.told)
	}
}

// H9: one that is away is asked more and more seldom, told once, holds nobody up, and is caught up when it is back.
func TestH9_MirrorCatchesUp(t *testing.T) {
	m := newMirroring(t, 1000)
	m.later(mirrorEvery)
	m.slate.err, m.slate.asks = errors.New("connection refused"), 0
	for i := range 720 { // 24 minutes
		m.poll(fmt.Sprintf("d%04d", i), loginRefused)
		m.poll("d0001", nil)
		m.later(mirrorEvery)
	}
	states := m.state
	if m.slate.asks > 12 || len(m.told) != 1 || !strings.HasPrefix(m.told[0], "true the status of maildrops is not written") ||
		states.Wrong != "connection refused" || states.Since.IsZero() {
		t.Errorf("asked %d times, told %q, %+v", m.slate.asks, m.told, states)
	}
	all := &mirrors{list: []*mirroring{m.mirroring}}
	if s := all.states()[0]; s.Waiting < 720 || s.Waiting > 1000 || s.Name != "panel" || s.Into != "mailretr_status" {
		t.Errorf("%+v", s)
	}
	if s := all.measured()[0]; s.Up || s.Source != "panel" || s.Kind != "status" || s.Pending < 720 || s.Errors != m.slate.asks+1 ||
		s.Written != 1000 {
		t.Errorf("%+v, asked %d times", s, m.slate.asks)
	}
	m.slate.rows, m.slate.err = map[string]status.Status{}, nil // brought back from a backup, perhaps
	m.later(mostMirrorRetry)
	if len(m.slate.rows) != 1000 || m.slate.rows["d0700"].State != status.Login || m.slate.rows["d0001"].State != status.OK ||
		len(m.told) != 2 || m.told[1] != "false the status of maildrops is written into mailretr_status of panel again: 1000 maildrops" {
		t.Errorf("%d rows, told %q", len(m.slate.rows), m.told)
	}
	if s := all.states()[0]; s.Waiting != 0 || s.Wrong != "" || s.Written.IsZero() {
		t.Errorf("%+v", s)
	}
	if s := all.measured()[0]; !s.Up || s.Pending != 0 || s.Written != 2000 || s.Success.IsZero() {
		t.Errorf("%+v", s)
	}
}

// What could not be written is not forgotten, although the database answers.
func TestMirrorForgetsNothing(t *testing.T) {
	m := newMirroring(t, 700)
	m.slate.denied = errors.New("INSERT command denied")
	m.later(mirrorEvery)
	if n := m.follow.Len(); n != 700 || len(m.told) != 1 {
		t.Errorf("%d wait, told %q", n, m.told)
	}
	m.slate.denied = nil
	m.later(mirrorRetry + mirrorEvery)
	if len(m.slate.rows) != 700 || m.follow.Len() != 0 {
		t.Errorf("%d rows, %d wait", len(m.slate.rows), m.follow.Len())
	}
}

// What people read where there is nothing else.
func TestReportOf(t *testing.T) {
	for _, x := range []struct {
		s    status.Status
		want string
	}{
		{status.Status{State: status.OK, Words: "Mail is collected.", Today: status.Counts{Messages: 2}, Total: status.Counts{Messages: 9}},
			"Mail is collected. 2 today, 9 in all."},
		{status.Status{State: status.OK, Words: "Mail is collected.", Remarks: []status.Remark{{Topic: "else", Text: "x"},
			{Topic: topicRow, Text: "Options of its row that are not followed: mda: runs a program."}}},
			"Mail is collected. 0 today, 0 in all. Options of its row that are not followed: mda: runs a program."},
		{status.Status{State: status.Login, Words: "The server refuses.", Said: "-ERR no", Advice: "Enter it anew."},
			"The server refuses. The server said: -ERR no. Enter it anew."},
		{status.Status{State: status.Local, Words: "A mistake.", Cause: "panel row 3, column host"}, "A mistake. panel row 3, column host."},
	} {
		if got := reportOf(&x.s); got != x.want {
			t.Errorf("%q, want %q", got, x.want)
		}
	}
}

// Each maildrop of a source is known by the row in which it stands, also one with a mistake; others by none.
func TestEntries(t *testing.T) {
	p := newPanel(t)
	p.add(1, "a", "127.0.0.1")
	p.add(77, "bad host", "127.0.0.1")
	d := p.serve()
	defer p.end(d)
	d.askSources(t.Context())
	e := &entries{h: d.house}
	bad := d.house.config.Load().Bad
	if len(bad) != 1 {
		t.Fatalf("%+v", bad)
	}
	for name, want := range map[string]entry{"a": {"panel", "1"}, bad[0].Name: {"panel", "77"}, "jaco": {}} {
		if got := e.of(name); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	p.add(2, "b", "127.0.0.1")
	d.askSources(t.Context())
	if got := e.of("b"); got != (entry{"panel", "2"}) {
		t.Errorf("b, which came later: %+v", got)
	}
}

// A reload keeps the mirrors that stay as they are, and ends and makes the others.
func TestReloadWithMirrors(t *testing.T) {
	h := newHome(t)
	source := func(status string) {
		h.to(`{smtp: "127.0.0.1:1"}` + "\nsources:\n" +
			`  - mysql: {dsn: {env: NONE}, preset: postfixadmin, write_back: true, status: ` + status + "}\n")
	}
	source("own")
	d := h.open()
	ctx, end := context.WithCancel(context.Background())
	d.life = ctx
	defer func() {
		end()
		d.sources.work.Wait()
		d.mirrors.work.Wait()
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	d.startMirrors(ctx)
	into := func() (all []string) {
		for _, m := range d.mirrors.all() {
			all = append(all, m.into)
		}
		return all
	}
	if got := into(); !slices.Equal(got, []string{"mailretr_status", "the columns of postfixadmin"}) {
		t.Fatalf("%q", got)
	}
	before := d.mirrors.all()
	if err := d.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.mirrors.all(), before) {
		t.Error("the mirrors are others although nothing has changed")
	}
	source("none")
	if err := d.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := into(); !slices.Equal(got, []string{"the columns of postfixadmin"}) || d.mirrors.all()[0] == before[1] {
		t.Errorf("%q", got)
	}
}
