package badger

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// Options say where the state is and what the engine needs from its surroundings. Only Dir has no default.
type Options struct {
	// Dir is the state directory. It is made if it is missing; one that belongs to somebody else, or that
	// others may read or write, is refused.
	Dir string
	// Reserve is the free space, in octets, that staging leaves alone; 0 means 64 MiB. Delivering goes on
	// below it.
	Reserve int64
	// Ballast is the size, in octets, of the file that is given back when the disk is full; 0 means 32 MiB,
	// negative none.
	Ballast int64
	// LongestRetry is the longest wait of the schedule. At start a due time later than now plus this becomes
	// now (the clock has jumped). 0: due times are left as they are.
	LongestRetry time.Duration

	// Route says which lane an adopted record has, whose Lane is the one that its file was made for ("" where an
	// earlier version made it). nil: the empty lane.
	Route func(*store.Record) mail.Lane
	// Fatal is called once, on a goroutine of its own, when the database failed under a commit: the process
	// has to end, and to be started again, because the commit may be half visible. nil: nothing is called.
	Fatal func(error)

	Observe mail.Observer                  // told of adoptions, alarms, rebuilds; nil: nobody
	Log     *slog.Logger                   // Badger's own lines; nil: nowhere
	Now     func() time.Time               // nil: time.Now
	Random  io.Reader                      // for IDs and keys; nil: crypto/rand
	BootID  string                         // of the running system; "": the kernel's, where it has one
	Free    func() (free int64, err error) // octets free for us; nil: asks the file system of Dir
}

const (
	defaultReserve = 64 << 20
	defaultBallast = 32 << 20
)

func (o Options) withDefaults() Options {
	if o.Reserve == 0 {
		o.Reserve = defaultReserve
	}
	if o.Ballast == 0 {
		o.Ballast = defaultBallast
	}
	if o.Route == nil {
		o.Route = func(*store.Record) mail.Lane { return "" }
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.Observe == nil {
		o.Observe = mail.ObserverFunc(func(mail.Event) {})
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	o.Random = &lockedReader{r: o.Random}
	if o.BootID == "" {
		o.BootID = bootID()
	}
	if o.Free == nil {
		dir := o.Dir
		o.Free = func() (int64, error) { return freeSpace(dir) }
	}
	return o
}

// bootID names this run of the kernel, or is empty: then no two ends of the process are in the same boot.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// A lockedReader makes an injected source of randomness safe for concurrent use.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

// logger passes Badger's lines on. What it calls an error is an alarm: some defects of it show nowhere else.
type logger struct{ e *Engine }

func (l logger) Errorf(f string, a ...any) {
	text := l.line(slog.LevelError, f, a)
	l.e.alarm(mail.OpStore, "the database reports an error: "+text, nil)
}
func (l logger) Warningf(f string, a ...any) { l.line(slog.LevelWarn, f, a) }
func (l logger) Infof(f string, a ...any)    { l.line(slog.LevelDebug, f, a) }
func (l logger) Debugf(f string, a ...any)   {}

func (l logger) line(v slog.Level, f string, a []any) string {
	if !l.e.opt.Log.Enabled(context.Background(), v) && v < slog.LevelError {
		return ""
	}
	text := mail.Printable(strings.TrimSpace(sprintf(f, a)), 512)
	l.e.opt.Log.Log(context.Background(), v, "badger", "text", text)
	return text
}
