package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/status"
)

const canary = "canary-8f2e!K"

// place makes a directory with a configuration, whose passwords are the canary: written plainly, in a file,
// in the environment, and by a command.
func place(t testing.TB) (dir, config string) {
	t.Helper()
	dir = t.TempDir()
	config = filepath.Join(dir, "mailretr.yaml")
	t.Setenv("MAILRETR_CONFIG", config)
	t.Setenv("CANARY", canary)
	write(t, filepath.Join(dir, "pass"), canary+"\n")
	write(t, config, `hostname: mail.kroon.co.za
state: state
socket: run/s
deliver: {smtp: "127.0.0.1:1", user: us, password: "`+canary+`", tls: none}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: plain, url: "pop3://a@127.0.0.1:1", password: "`+canary+`", to: jaco@kroon.co.za, tls: none}
  - {name: file, url: "pop3s://b@127.0.0.1:1", password: {file: pass}, to: jaco@kroon.co.za}
  - {name: env, url: "imap://c@127.0.0.1:1", password: {env: CANARY}, to: jaco@kroon.co.za, tls: none}
  - {name: command, url: "imaps://d@127.0.0.1:1", password: {command: [cat, `+dir+`/pass]}, to: jaco@kroon.co.za}
  - {name: wrong, url: "imaps://e@127.0.0.1:1", password: "`+canary+`", to: 1, tls: `+canary[:6]+`}
`)
	return dir, config
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// call runs a verb in this process.
func call(t *testing.T, args ...string) (code int, out, talk string) {
	t.Helper()
	var o, e bytes.Buffer
	code = wired(newApp(strings.NewReader(""), &o, &e)).run(t.Context(), args)
	return code, o.String(), e.String()
}

// Whatever is asked, in whatever form, no answer, no talk and no file of ours has a password in it.
func TestH3_NoVerbTellsAPassword(t *testing.T) {
	dir, _ := place(t)
	queueOne(t, "451 no")
	calls := [][]string{
		{"check"}, {"config", "show"}, {"config", "show", "--origin"}, {"status"}, {"status", "-v"}, {"status", "--days"}, {"queue"}, {"queue", "-v"},
		{"queue", "top"}, {"queue", "flush"}, {"queue", "show", "TKMYPQN8"}, {"queue", "cat", "TKMYPQN8"}, {"queue", "export", filepath.Join(dir, "copy"), "--all"},
		{"seen", "list", "plain"}, {"maildrop", "pause", "plain"}, {"maildrop", "resume", "plain"}, {"reload"}, {"version"},
		{"queue", "hold", "--all", "--yes"}, {"queue", "bounce", "--all", "--yes"}, {"config", "describe"}, {"seen", "forget", "file", "--all"},
		{"init"}, {"__complete", "maildrop", "pause", ""},
	}
	for _, args := range calls {
		for _, more := range [][]string{nil, {"--json"}} {
			_, out, talk := call(t, append(args, more...)...)
			if secret(out + talk) {
				t.Errorf("%v tells the password:\n%s%s", args, out, talk)
			}
			if out+talk == "" && args[0] != "queue" && args[0] != "seen" && args[0] != "status" {
				t.Errorf("%v says nothing", args)
			}
		}
	}
	err := filepath.WalkDir(filepath.Join(dir, "state"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if secret(string(b)) {
			t.Errorf("%s has the password", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// secret says whether a text has the canary, as it is or in one of the forms in which it goes to a server.
func secret(text string) bool {
	for _, s := range []string{
		canary, base64.StdEncoding.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte("\x00a\x00" + canary)),
		fmt.Sprintf("%x", canary),
	} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// queueOne queues a message that was deferred once.
func queueOne(t *testing.T, reply string) { t.Helper(); queueAs(t, reply, 1000) }

// queueAs queues one with the ids of this seed.
func queueAs(t *testing.T, reply string, seed uint64) {
	t.Helper()
	ctx := t.Context()
	l := newApp(nil, nil, nil).load(ctx)
	h, err := assemble(ctx, &l.config, needs{log: slog.New(slog.DiscardHandler), fatal: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	h.queue.Random = &ids{n: seed}
	m := &mail.Message{Content: file("Subject: \x1b[2Jx\n\nbody\n")}
	m.Envelope = mail.Envelope{Reverse: "a@example.org", Recipients: []mail.Recipient{{Forward: "jaco@kroon.co.za"}}}
	m.Origin = mail.Origin{Maildrop: "plain", Account: "x", UID: mail.UID(fmt.Sprintf("u\x1b]0;%d", seed))}
	if r := h.queue.Deliver(ctx, m); !r.Done(1) {
		t.Fatal(r)
	}
	err = errors.Join(deferred(ctx, h, 1, mail.Result{Reply: reply, RemoteMTA: "localhost:25"}), h.close())
	if err != nil {
		t.Fatal(err)
	}
}

// queueMany queues n messages of different sizes, from a0@example.org on.
func queueMany(t *testing.T, n int) {
	t.Helper()
	ctx := t.Context()
	l := newApp(nil, nil, nil).load(ctx)
	h, err := assemble(ctx, &l.config, needs{log: slog.New(slog.DiscardHandler), fatal: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	b := h.queue.Batch()
	for i := range n {
		m := &mail.Message{Content: file(fmt.Sprintf("Subject: %d\n\n%s\n", i, strings.Repeat("x", i*3000)))}
		m.Envelope = mail.Envelope{Reverse: mail.Path(fmt.Sprintf("a%d@example.org", i)), Recipients: []mail.Recipient{{Forward: "jaco@kroon.co.za"}}}
		if err := b.Add(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range b.Commit(ctx) {
		if !r.Done(1) {
			t.Fatal(r)
		}
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
}

// What a server said reaches no terminal as it is, and never makes a second line.
func TestR17_RepliesAreShownEscaped(t *testing.T) {
	place(t)
	queueOne(t, "451 \x1b[2J\r\nmailretr: all is well\x00\u202e\xff "+strings.Repeat("x", 10_000))
	for _, args := range [][]string{
		{"queue", "-v"}, {"queue", "show", "TKMYPQN8"}, {"queue", "-v", "--color", "always"}, {"queue", "--json"},
		{"queue", "top"}, {"queue", "top", "--json"},
	} {
		code, out, talk := call(t, args...)
		plain := out
		if args[len(args)-1] == "always" {
			plain = strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "", "\x1b[33m", "").Replace(out)
		}
		if code != 0 || strings.ContainsAny(plain, "\x1b\x00\r\u202e") || strings.Contains(plain, "\xff") || strings.Contains(plain, "\nmailretr") || len(plain) > 20_000 {
			t.Errorf("%v: %d %.1000q %q", args, code, out, talk)
		}
		if args[len(args)-1] != "--json" && args[1] != "top" && (!strings.Contains(out, `451 \x1b[2J`) || len(out) > 4000) {
			t.Errorf("%v: %.1000q", args, out)
		}
	}
}

// screen is a pseudo-terminal, and what was written to it.
func screen(t *testing.T) (tty *os.File, shown func() string) {
	t.Helper()
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	fd := int(ptm.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan string)
	go func() {
		var b bytes.Buffer
		buf := make([]byte, 4096)
		for {
			n, err := ptm.Read(buf)
			b.Write(buf[:n])
			if err != nil { // EIO, when the last one has closed the other end
				all <- strings.ReplaceAll(b.String(), "\r\n", "\n")
				return
			}
		}
	}()
	t.Cleanup(func() { ptm.Close() })
	return tty, func() string { tty.Close(); return <-all }
}

// typed is a pseudo-terminal at which somebody has written this.
func typed(t *testing.T, text string) *os.File {
	t.Helper()
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	fd := int(ptm.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ptm.WriteString(text); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ptm.Close(); tty.Close() })
	return tty
}

// Who sits at a terminal is asked before several messages are changed, and what comes while he thinks is not meant.
func TestChangeAsks(t *testing.T) {
	place(t)
	queueOne(t, "451 no")
	queueAs(t, "451 no", 2000)
	for _, x := range []struct {
		answer string
		code   int
		said   string
	}{
		{"n\n", exUsage, "2 messages would be removed. Do that? [y/N] mailretr: nothing was changed\n"},
		{"\n", exUsage, "2 messages would be removed. Do that? [y/N] mailretr: nothing was changed\n"},
		{"y\n", exOK, "2 messages would be removed. Do that? [y/N] 2 messages removed\n"},
	} {
		var out, talk bytes.Buffer
		code := wired(newApp(typed(t, x.answer), &out, &talk)).run(t.Context(), []string{"queue", "remove", "--all"})
		if code != x.code || talk.String() != x.said {
			t.Errorf("%q: %d %q", x.answer, code, talk.String())
		}
	}
}

func TestQueueOnATerminal(t *testing.T) {
	place(t)
	queueOne(t, "451 4.3.0 Zip module failure")
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	for _, x := range []struct{ noColour, want string }{
		{"1", "ID        SIZE  AGE  TRIES  NEXT    FROM → TO\n" +
			"TKMYPQN8    24   0s      1  in 12m  a@example.org → jaco@kroon.co.za\n" +
			"1 message, 24, oldest 0s\n"},
		{"", "\x1b[1mID        SIZE  AGE  TRIES  NEXT    FROM → TO\x1b[0m\n" +
			"TKMYPQN8    24   0s      1  in 12m  a@example.org → jaco@kroon.co.za\n" +
			"1 message, 24, oldest 0s\n"},
	} {
		tty, shown := screen(t)
		t.Setenv("NO_COLOR", x.noColour)
		a := wired(newApp(nil, tty, tty))
		a.now = func() time.Time { return time.Now().Truncate(time.Second) }
		if code := a.run(t.Context(), []string{"queue"}); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if got := shown(); got != x.want {
			t.Errorf("got:\n%s\nwant:\n%s", got, x.want)
		}
	}
}

// A status as the owner of one broken maildrop among many sees it.
func TestStatusOnATerminal(t *testing.T) {
	now := time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)
	f := &status.Folder{Now: func() time.Time { return now }}
	var names []string
	for i := range 15 {
		names = append(names, fmt.Sprintf("drop%02d", i))
	}
	f.Keep(names, []string{"default"})
	for _, n := range names[1:] {
		f.Observe(mail.Event{Op: mail.OpPoll, At: now.Add(-2 * time.Minute), Origin: mail.Origin{Maildrop: n}, Next: now.Add(3 * time.Minute)})
	}
	f.Observe(mail.Event{Op: mail.OpPoll, At: now.Add(-4 * time.Minute), Origin: mail.Origin{Maildrop: "drop00"}, Attempt: 3,
		Next: now.Add(26 * time.Minute), Err: &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: "-ERR \x1b[2J no"}})
	c := conf.Default()
	h := control.House{
		Engine: totals{}, Status: f, Config: func() *conf.Config { return &c }, Version: "0.1", Started: now.Add(-50 * time.Hour),
		Refused: func() *control.Refusal { return &control.Refusal{At: now.Add(-time.Minute), Why: "f:2:1  error    no"} },
	}
	tty, shown := screen(t)
	a := newApp(nil, tty, tty)
	a.now = func() time.Time { return now }
	a.out, a.talk = &term.Out{Writer: tty, TTY: true}, &term.Out{Writer: tty, TTY: true}
	v := &statusView{app: a}
	if err := v.show(t.Context(), control.Local(h)); err != nil {
		t.Error(err)
	}
	got := shown()
	for _, want := range []string{
		"mailretr 0.1  up 2d  config \n", "queue 14 messages, 4.0M, oldest 2h, 2 held  disk 41G free\n",
		"✗ the configuration was refused at 14:59, and the old one goes on: f:2:1  error    no; see: mailretr check\n",
		"   NAME       STATE  LAST MAIL  CHECKED  NEXT    TODAY  SAVED  NOTE\n",
		"✗  drop00     login  never      4m ago   in 26m  0      0      -ERR \\x1b[2J no (since 14:56)\n",
		"✓  drop01     ok     never      2m ago   in 3m   0      0\n",
		"✓ 4 more are well (--all)\n", "1 of 15 maildrops to be looked at: mailretr status -v drop00\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Index(got, "drop00") > strings.Index(got, "drop01") {
		t.Error("the worst is not first")
	}
}

func TestQueueNamesTheNextHops(t *testing.T) {
	now := time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)
	f := &status.Folder{Now: func() time.Time { return now }}
	f.Keep(nil, []string{"a", "b", "c"})
	f.Observe(mail.Event{Op: mail.OpDeliver, At: now, Lane: "a", Relay: "localhost:25", Outcome: mail.Delivered})
	f.Observe(mail.Event{Op: mail.OpLane, At: now.Add(-time.Hour), Lane: "b", Outcome: mail.Deferred, Next: now.Add(10 * time.Minute)})
	c := conf.Default()
	a := newApp(nil, nil, nil)
	a.now = func() time.Time { return now }
	list, err := lanes(t.Context(), control.Local(control.House{
		Engine: totals{}, Status: f, Config: func() *conf.Config { return &c },
	}))
	want := "; b has been away since 14:00, tried again in 10m; localhost:25 answers"
	if got := a.answering(list); got != want || err != nil {
		t.Errorf("%q %v", got, err)
	}
	for _, x := range []struct {
		m    control.Message
		want string
	}{
		{control.Message{Lane: "b", Due: now.Add(-time.Minute)}, "in 10m"},
		{control.Message{Lane: "b", Due: now.Add(time.Hour)}, "in 1h"},
		{control.Message{Lane: "b", Due: now.Add(-time.Minute), State: control.Held}, "held"},
		{control.Message{Lane: "a", Due: now.Add(-time.Minute)}, "now"},
	} {
		if got := a.next(&x.m, list); got != x.want {
			t.Errorf("%s, due %v: next %q, want %q", x.m.Lane, x.m.Due, got, x.want)
		}
	}
}

// totals is an engine of which only the totals are asked.
type totals struct{ store.Engine }

func (totals) Totals(context.Context) (store.Totals, error) {
	return store.Totals{Messages: 14, Held: 2, Octets: 4 << 20, Oldest: time.Date(2026, 3, 4, 12, 30, 0, 0, time.UTC), Free: 41 << 30}, nil
}

func TestCheckConnect(t *testing.T) {
	place(t)
	found := []connection{
		{Kind: "maildrop", Name: "file", Server: "pop.gmx.net:995", Text: "TLS 1.3, UIDL yes, 12 messages", Took: 210 * time.Millisecond},
		{Kind: "maildrop", Name: "plain", Server: "pop.isp.example:995", Took: time.Second, Err: &mail.Trouble{Op: mail.OpLogin,
			Kind: mail.Auth, Server: "pop.isp.example:995", Reply: "-ERR \x1b no", Hint: "Enter the password anew."}},
	}
	run := func(some []connection, args ...string) (int, string) {
		var out bytes.Buffer
		a := newApp(nil, &out, &bytes.Buffer{})
		a.connect = func(context.Context, *conf.Config) iter.Seq[connection] {
			return func(yield func(connection) bool) {
				for _, x := range some {
					if !yield(x) {
						return
					}
				}
			}
		}
		_, config := place(t)
		b, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		good, _, _ := strings.Cut(string(b), "  - {name: wrong")
		write(t, config, good)
		return a.run(t.Context(), append([]string{"check", "--connect"}, args...)), out.String()
	}
	code, out := run(found)
	if code != exNoPerm || !strings.Contains(out, "✓ file pop.gmx.net:995: TLS 1.3, UIDL yes, 12 messages, 210ms\n") ||
		!strings.Contains(out, `✗ plain pop.isp.example:995: logging in at pop.isp.example:995: server said: -ERR \x1b no, 1s`+"\n  Enter the password anew.\n") ||
		!strings.Contains(out, "is good: 4 maildrops, 1 destination; 2 warnings; 1 of 2 connections failed\n") {
		t.Errorf("%d %s", code, out)
	}
	if code, out = run(found[:1]); code != exOK || !strings.HasSuffix(out, "; all answer\n") {
		t.Errorf("%d %s", code, out)
	}
	far := connection{Kind: "maildrop", Name: "far", Server: "pop.far.example:110",
		Err: &mail.Trouble{Op: mail.OpDial, Err: errors.New("refused")}}
	if code, out = run([]connection{far}); code != exTempFail || !strings.Contains(out, "\n  Check the host and port") {
		t.Errorf("%d %s", code, out)
	}
	if code, out = run(found[:1], "--json"); code != exOK || !strings.Contains(out, `"name":"file","server":"pop.gmx.net:995","ok":true`) {
		t.Errorf("%d %s", code, out)
	}
}

func TestExitCodes(t *testing.T) {
	for _, x := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {usage("", ""), 64}, {&control.Error{Code: control.NotFound}, 65}, {&control.Error{Code: control.Unavailable}, 69},
		{errors.New("x"), 70}, {&control.Error{Code: control.Full}, 73}, {store.ErrFull, 73}, {&fs.PathError{Err: errors.New("x")}, 74},
		{&control.Error{Code: control.Busy}, 75}, {&mail.Trouble{}, 75}, {context.Canceled, 75}, {&mail.Trouble{Kind: mail.Auth}, 77},
		{&fs.PathError{Err: fs.ErrPermission}, 77}, {&control.Error{Code: control.Denied}, 77}, {&control.Error{Code: control.Config}, 78},
		{told(12), 12}, {fmt.Errorf("closing: %w", &exit{74, errors.New("x")}), 74},
	} {
		if got := code(x.err); got != x.want {
			t.Errorf("%v: %d, want %d", x.err, got, x.want)
		}
	}
	for _, c := range []control.Code{control.Usage, control.NotFound, control.Busy, control.Denied, control.Unavailable,
		control.Tempfail, control.Config, control.Full, control.Internal} {
		if codes[c] == 0 {
			t.Errorf("%s has no exit code", c)
		}
	}
}

// A verb waits for a state that another process has, and goes to the daemon when that is what the other one
// is.
func TestVerbWaitsForTheState(t *testing.T) {
	place(t)
	var out, talk bytes.Buffer
	a := newApp(nil, &out, &talk)
	tries := 0
	a.open = func(ctx context.Context, c *conf.Config) (control.House, func() error, error) {
		if tries++; tries < 3 {
			return control.House{}, nil, &control.Error{Code: control.Busy, Text: "in use"}
		}
		return a.inProcess(ctx, c)
	}
	if code := a.run(t.Context(), []string{"queue"}); code != 0 || tries != 3 || strings.Count(talk.String(), "waiting for another") != 1 {
		t.Errorf("%d, %d tries, %q", code, tries, talk.String())
	}
}

// An MTA that was never reached has said nothing.
func TestWhoSaid(t *testing.T) {
	const cause = "connecting to localhost:25: connection refused"
	for reason, want := range map[string]string{
		"451 4.3.0 Zip": "x@y  deferred  localhost:25 said: 451 4.3.0 Zip", cause: "x@y  deferred  " + cause,
		"": "x@y  deferred",
	} {
		r := &control.Recipient{Address: "x@y", State: "deferred", Relay: "localhost:25", Reason: reason}
		if got := newApp(nil, nil, nil).said(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for s, want := range map[string]string{"421 later": " It said: 421 later", cause: " Cause: " + cause, "": ""} {
		if got := said(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
