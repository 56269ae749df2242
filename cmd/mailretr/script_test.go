package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mailretr/conf"
	"mailretr/conf/yaml"
	"mailretr/store"
	"mailretr/store/mail"
)

// Look at what has changed before it is committed: a golden answer is a promise to scripts.
var update = flag.Bool("update", false, "write the golden answers anew")

// The test binary is the program, when a script calls it so.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mailretr": func() { os.Exit(run(called(os.Args))) },
		"sendmail": func() { os.Exit(run(called(os.Args))) }})
}

// TestScripts runs testdata/*.txtar, one per verb. Each has a directory of its own, the configuration in
// mailretr.yaml and the state in state; see the commands below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("MAILRETR_CONFIG", filepath.Join(e.WorkDir, "mailretr.yaml"))
			e.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"put": putMessage, "await": await, "code": exitCode, "mode": mode, "cost": cost, "fetch": fetchPage, "browse": browse,
			"sql": statement,
		},
	})
}

// code N VERB…: runs the program and expects an exit code.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: code N [ARG…]")
	}
	err := ts.Exec("mailretr", args[1:]...)
	got := "0"
	var x interface{ ExitCode() int }
	if errors.As(err, &x) {
		got = fmt.Sprint(x.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// await FILE: waits until a file is there, as a daemon makes it.
func await(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := os.Lstat(ts.MkAbs(args[0]))
		if (err == nil) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %v", args[0], err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// mode OCTAL FILE: expects the permissions of a file.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	fi, err := os.Lstat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", fi.Mode().Perm()); (got == args[0]) == neg {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

// sql FILE STATEMENT: changes a database of SQLite, which is made where there is none.
func statement(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENT")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.Exec(args[1])
	ts.Check(errors.Join(err, db.Close()))
}

// cost MAILDROP UP DOWN [DAYS]: a session of so many octets on the line, in which two messages of 3,000 octets came; so
// many days ago.
func cost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: cost MAILDROP UP DOWN [DAYS]")
	}
	var n [3]int64
	for i, s := range args[1:] {
		x, err := strconv.ParseInt(s, 10, 64)
		ts.Check(err)
		n[i] = x
	}
	ctx := context.Background()
	c := configOf(ts, ctx)
	now := time.Now().AddDate(0, 0, -int(n[2]))
	h := open(ts, ctx, &c, func() time.Time { return now })
	h.poller.Set(ctx, h.drops())
	m := h.meter(args[0])
	m.Up.Add(n[0])
	m.Down.Add(n[1])
	h.around.observe.Observe(mail.Event{Op: mail.OpPoll, At: now, Origin: mail.Origin{Maildrop: args[0]}, Messages: 2,
		Octets: 6000, Saved: 700, Wasted: 80})
	ts.Check(h.close())
}

// ids is a source of randomness by which the n-th message always has the same ending.
type ids struct{ n uint64 }

func (r *ids) Read(p []byte) (int, error) {
	var b [8]byte
	for i := range p {
		if i%32 == 0 {
			r.n++
			binary.BigEndian.PutUint64(b[:], r.n)
		}
		sum := sha256.Sum256(b[:])
		p[i] = sum[i%32]
	}
	return len(p), nil
}

// put [-age D] [-uid U] [-reply TEXT] [-tries N] FILE FROM TO…: queues a message, as if it had been queued
// then and deferred so often. The n-th one of a script always has the same short id.
func putMessage(ts *testscript.TestScript, neg bool, args []string) {
	f := flag.NewFlagSet("put", flag.ContinueOnError)
	age := f.Duration("age", 0, "")
	n := f.Uint64("n", 0, "")
	uid := f.String("uid", "", "")
	reply := f.String("reply", "", "")
	tries := f.Int("tries", 0, "")
	ts.Check(f.Parse(args))
	if args = f.Args(); neg || len(args) < 3 {
		ts.Fatalf("usage: put [FLAG…] FILE FROM TO…")
	}
	ctx := context.Background()
	c := configOf(ts, ctx)
	h := open(ts, ctx, &c, nil)
	now := time.Now()
	h.queue.Now = func() time.Time { return now.Add(-*age) }
	h.queue.Random = &ids{n: 1000 * *n}
	m := &mail.Message{Content: file(ts.ReadFile(args[0])), Line: 5000}
	m.Envelope.Reverse = mail.Path(strings.Trim(args[1], "<>"))
	for _, to := range args[2:] {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: mail.Path(to)})
	}
	if *uid != "" {
		d := c.Maildrops[0]
		m.Origin = mail.Origin{Maildrop: d.Name, Account: mail.AccountOf(d.Protocol, d.Host, d.User), UID: mail.UID(*uid)}
	}
	if r := h.queue.Deliver(ctx, m); !r.Done(len(args) - 2) {
		ts.Fatalf("not queued: %v", r)
	}
	if *tries > 0 {
		ts.Check(deferred(ctx, h, *tries, mail.Result{Reply: *reply, RemoteMTA: "localhost:25"}))
	}
	ts.Check(h.close())
}

// deferred makes all that is due look as if it had been deferred so often; it is due again in twelve
// minutes.
func deferred(ctx context.Context, h *house, tries int, r mail.Result) error {
	leased, _, err := h.engine.LeaseMessages(ctx, store.Filter{Due: time.Now()}, 100, time.Minute)
	if err != nil {
		return err
	}
	b := &store.Batch{}
	for _, l := range leased {
		x := l.Record
		x.Attempts, x.Tries, x.Last = tries, tries, time.Now()
		x.Due = time.Now().Add(12*time.Minute + 30*time.Second)
		for i := range x.Recipients {
			x.Recipients[i].Times, x.Recipients[i].Since = tries, time.Date(2026, 1, 2, 14, 5, 0, 0, time.UTC)
			x.Recipients[i].Last = store.Said{At: time.Now(), Reply: r.Reply, RemoteMTA: r.RemoteMTA}
		}
		b.Put, b.Fence = append(b.Put, x), append(b.Fence, l.Lease)
	}
	return h.engine.Commit(ctx, b)
}

// open assembles the state of a script. A program that another script is starting at this moment has the lock for as
// long as it takes to start it: a child has all files of its parent until then.
func open(ts *testscript.TestScript, ctx context.Context, c *conf.Config, now func() time.Time) *house {
	for deadline := time.Now().Add(10 * time.Second); ; {
		h, err := assemble(ctx, c, needs{
			log: slog.New(slog.DiscardHandler), fatal: func(err error) { panic(err) }, now: now,
		})
		if busy(err) && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		ts.Check(err)
		return h
	}
}

func configOf(ts *testscript.TestScript, ctx context.Context) conf.Config {
	p, err := conf.Find(ts.Getenv("MAILRETR_CONFIG"), conf.ThisEnv())
	ts.Check(err)
	c, _, err := yaml.Load(ctx, p)
	ts.Check(err)
	return c
}

// file is the content of a message; line ends are made those of mail.
func file(text string) mail.Text { return mail.Text(strings.ReplaceAll(text, "\n", "\r\n")) }
