//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"mailretr/cmd/mailretr/journal"
	"mailretr/store"
	"mailretr/store/badger"
	"mailretr/store/mail"
)

// The child of the crash tests is this test's own program, started again with these in its environment.
const (
	envCrash  = "MAILRETR_CRASH"       // its configuration
	envKill   = "MAILRETR_CRASH_KILL"  // "point:n": it kills itself the n-th time there; "": never
	envStop   = "MAILRETR_CRASH_STOP"  // "point:n": it asks itself to end in good order; "": never
	crashPace = 100 * time.Millisecond // between two polls, and two attempts; a file says 1 s at least

)

// init runs the child before TestMain, which would copy the whole program for the scripts first.
func init() {
	path := os.Getenv(envCrash)
	if path == "" {
		return
	}
	if err := crashChild(path); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// crashChild is `serve` with a killer between the queue and its engine.
func crashChild(path string) error {
	a := wired(newApp(os.Stdin, os.Stdout, os.Stderr))
	a.config = path
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l := a.load(ctx)
	if l.err != nil {
		return l.err
	}
	l.config.Queue.Retry = []time.Duration{crashPace}
	for i := range l.config.Maildrops {
		l.config.Maildrops[i].Poll = crashPace
	}
	k := &killer{kill: parseSpot(os.Getenv(envKill)), stop: parseSpot(os.Getenv(envStop)), end: stop}
	log := slog.New(killerLog{slog.NewTextHandler(os.Stderr, nil), k})
	h, err := assemble(ctx, &l.config, needs{
		log: log, observe: mail.Observers{journal.Journal{Log: log}, k}, engine: k.between,
		fatal: func(err error) { panic(err) },
	})
	if err != nil {
		return err
	}
	d := &serving{app: a, paths: l.paths, log: log, house: h}
	return errors.Join(d.run(ctx), h.close())
}

// A spot is the n-th time that a point is reached.
type spot struct {
	point string
	n     int
}

func parseSpot(s string) spot {
	point, n, ok := strings.Cut(s, ":")
	if !ok {
		return spot{}
	}
	times, err := strconv.Atoi(n)
	if err != nil {
		panic(err)
	}
	return spot{point, times}
}

func (s spot) String() string {
	if s.point == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", s.point, s.n)
}

// A killer ends its own process with SIGKILL at a spot: no deferred function runs, nothing is flushed.
type killer struct {
	kill, stop spot
	end        func() // asks for an orderly end

	mu   sync.Mutex
	been map[string]int
}

// at says that a point was reached. Whoever comes to the spot waits there for a moment, and the rest of the
// process goes on: what was promised too early is acted upon.
func (k *killer) at(point string) {
	if !k.deadly(point) {
		return
	}
	<-time.After(crashPace)
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	<-time.After(time.Minute) // the signal is on its way
	panic("it goes on after SIGKILL")
}

// deadly counts, and says whether this is the spot.
func (k *killer) deadly(point string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.been == nil {
		k.been = map[string]int{}
	}
	k.been[point]++
	here := spot{point, k.been[point]}
	if here == k.stop {
		k.end()
	}
	return here == k.kill
}

// Observe knows what the engine does while it is being opened.
func (k *killer) Observe(e mail.Event) {
	if e.Op == mail.OpAdopt && !e.ID.Zero() {
		k.at("start.adopt")
	}
}

// A killerLog passes the log on. The database's own lines, which are for debugging, say that it is being
// opened.
type killerLog struct {
	slog.Handler
	k *killer
}

// Enabled lets them come until it is open.
func (l killerLog) Enabled(ctx context.Context, v slog.Level) bool {
	l.k.mu.Lock()
	defer l.k.mu.Unlock()
	return l.k.been["start.opened"] == 0 || l.Handler.Enabled(ctx, v)
}

func (l killerLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "badger" {
		l.k.at("start.database")
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// between is a needs.engine.
func (k *killer) between(e store.Engine) store.Engine {
	k.at("start.opened")
	return &deadly{e.(*badger.Engine), k}
}

// A deadly engine is one under which the process may die before and after each step. The rest is the
// engine's own.
type deadly struct {
	*badger.Engine
	k *killer
}

func (d *deadly) Stage(ctx context.Context, r *store.Record) (store.Body, error) {
	b, err := d.Engine.Stage(ctx, r)
	if err == nil && r.Parent.Zero() {
		d.k.at("stage")
		b = deadlyBody{b, d.k}
	}
	return b, err
}

type deadlyBody struct {
	store.Body
	k *killer
}

func (b deadlyBody) Write(p []byte) (int, error) {
	n, err := b.Body.Write(p)
	b.k.at("write")
	if b.Size() > 256<<10 {
		b.k.at("write.large")
	}
	return n, err
}

func (b deadlyBody) Seal(ctx context.Context) (store.BodyRef, [32]byte, error) {
	ref, sum, err := b.Body.Seal(ctx)
	if err == nil {
		b.k.at("seal")
	}
	return ref, sum, err
}

func (d *deadly) Commit(ctx context.Context, b *store.Batch) error {
	all := commitPoints(b)
	for _, p := range all {
		d.k.at(p + ".before")
	}
	err := d.Engine.Commit(ctx, b)
	for _, p := range all {
		if err == nil {
			d.k.at(p + ".after")
		}
	}
	return err
}

// commitPoints says what a commit means in the table of store/doc.go.
func commitPoints(b *store.Batch) (all []string) {
	report, part := false, false
	for i := range b.Put {
		r := &b.Put[i]
		report = report || !r.Parent.Zero() && r.Attempts == 0 && len(b.Fence) != 0
		part = part || len(b.Fence) != 0 && r.Attempts > 0
	}
	taken := len(b.Seen) > 0 && (b.Seen[0].Mark == store.Taken || b.Seen[0].Mark == store.Kept)
	switch {
	case taken && len(b.Put) > 0 && b.Put[0].Parent.Zero():
		return []string{"take"} // S0 to S2
	case taken && len(b.Put) > 0:
		return []string{"refuse"} // S0 to S5
	case len(b.Seen) > 0 && b.Seen[0].Mark == store.LetGo:
		return []string{"gone"}
	}
	if report {
		all = append(all, "report") // S3 to S4, or to S5
	}
	if part {
		all = append(all, "part") // S3 to S3, or to S4
	}
	if len(b.Fence) > 0 && len(b.Remove) > 0 {
		all = append(all, "end") // S3 to S5
	}
	return all
}

func (d *deadly) LeaseMessages(ctx context.Context, f store.Filter, n int, ttl time.Duration) (
	[]store.Leased, time.Time, error) {
	l, next, err := d.Engine.LeaseMessages(ctx, f, n, ttl)
	if len(l) > 0 {
		d.k.at("lease")
	}
	if len(l) > 1 {
		d.k.at("leases")
	}
	return l, next, err
}

func (d *deadly) OpenBody(ctx context.Context, ref store.BodyRef) (io.ReadSeekCloser, error) {
	r, err := d.Engine.OpenBody(ctx, ref)
	if err == nil {
		r = deadlyReader{r, d.k}
	}
	return r, err
}

type deadlyReader struct {
	io.ReadSeekCloser
	k *killer
}

func (r deadlyReader) Read(p []byte) (int, error) {
	n, err := r.ReadSeekCloser.Read(p)
	r.k.at("read")
	return n, err
}

func (d *deadly) Release(l ...store.Lease) {
	d.k.at("release.before")
	d.Engine.Release(l...)
	d.k.at("release.after")
}

func (d *deadly) Close() error {
	d.k.at("close.before")
	err := d.Engine.Close()
	d.k.at("close.after")
	return err
}
