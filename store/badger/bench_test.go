package badger

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// BenchmarkPut makes messages of 5 KB durable, each with a commit of its own, by 1, 8 and 32 writers.
func BenchmarkPut(b *testing.B) {
	for _, n := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("writers=%d", n), func(b *testing.B) { benchPut(b, n, 1, false) })
	}
}

// BenchmarkBatch does the same with a commit for each 128 messages, sealed side by side, as a session does
// it.
func BenchmarkBatch(b *testing.B) {
	for _, n := range []int{1, 4} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) { benchPut(b, n, 128, false) })
	}
}

// BenchmarkThrough puts messages, leases them, reads them and removes them.
func BenchmarkThrough(b *testing.B) {
	for _, n := range []int{1, 128} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) { benchPut(b, 4, n, true) })
	}
}

// BenchmarkEnd ends messages one after the other, each with a commit of its own, as one connection does it.
func BenchmarkEnd(b *testing.B) {
	dir := b.TempDir()
	if d := os.Getenv("BENCH_DIR"); d != "" { // a file system to be measured
		var err error
		if dir, err = os.MkdirTemp(d, ""); err != nil {
			b.Fatal(err)
		}
		defer os.RemoveAll(dir)
	}
	e, err := Open(b.Context(), Options{Dir: dir + "/state"})
	if err != nil {
		b.Fatal(err)
	}
	for left := b.N; left > 0; left -= 128 {
		all := make([]store.Record, min(left, 128))
		for i := range all {
			all[i] = store.Record{ID: mail.NewID(time.Now(), nil), Lane: "mta", Queued: time.Now(), Due: time.Now(),
				Recipients: []store.Recipient{{Recipient: mail.Recipient{Forward: "jaco@kroon.co.za"}}}}
		}
		if err := e.Commit(b.Context(), &store.Batch{Put: all}); err != nil {
			b.Fatal(err)
		}
	}
	before := cpu()
	b.ResetTimer()
	for left := b.N; left > 0; {
		l, _, err := e.LeaseMessages(b.Context(), store.Filter{Lane: "mta"}, 4, time.Minute)
		if err != nil || len(l) == 0 {
			b.Fatal(len(l), err)
		}
		left -= len(l)
		for _, x := range l {
			end := &store.Batch{Remove: []mail.ID{x.Record.ID}, Fence: []store.Lease{x.Lease}}
			if err := e.Commit(b.Context(), end); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-us/msg")
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchPut(b *testing.B, writers, batch int, through bool) {
	ctx := context.Background()
	dir := b.TempDir()
	if d := os.Getenv("BENCH_DIR"); d != "" { // a file system to be measured
		var err error
		if dir, err = os.MkdirTemp(d, ""); err != nil {
			b.Fatal(err)
		}
		defer os.RemoveAll(dir)
	}
	e, err := Open(ctx, Options{Dir: dir + "/state"})
	if err != nil {
		b.Fatal(err)
	}
	octets := []byte("Subject: bench\r\n\r\n" + strings.Repeat("0123456789012345678901234567890\r\n", 150))
	var next atomic.Int64
	before := cpu()
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for {
				last := next.Add(int64(batch))
				n := batch - int(max(0, last-int64(b.N)))
				if n <= 0 {
					return
				}
				benchBatch(ctx, b, e, w, n, last, octets, through)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	used := cpu() - before
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-us/msg")
	b.ReportMetric(float64(peakRSS())/(1<<20), "peak-MB")
	b.ReportMetric(float64(systemCPU.Microseconds())/float64(b.N), "sys-us/msg")
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchBatch(
	ctx context.Context, b *testing.B, e *Engine, w, n int, last int64, octets []byte, through bool,
) {
	put := make([]store.Record, n)
	seen := make([]store.Seen, n)
	var wg sync.WaitGroup
	for i := range put {
		r := &put[i]
		uid := mail.UID("INBOX/1714/" + strconv.FormatInt(last+int64(i)+1, 10))
		*r = store.Record{
			Lane: "mta", Queued: time.Now(), Due: time.Now(), Reverse: "somebody@example.org",
			Origin:     mail.Origin{Maildrop: "jaco", Account: mail.Account("acc" + strconv.Itoa(w)), UID: uid},
			Recipients: []store.Recipient{{Recipient: mail.Recipient{Forward: "jaco@kroon.co.za"}}},
		}
		seen[i] = store.Seen{Account: r.Origin.Account, UID: uid, Mark: store.Taken, Day: 20000, Size: 5000,
			Key: [16]byte{byte(i), 1, byte(last), byte(last >> 8), byte(last >> 16)}, New: true}
		body, err := e.Stage(ctx, r)
		if err != nil {
			b.Error(err)
			return
		}
		body.Write(octets)
		seal := func() {
			var err error
			if r.Body, r.SHA256, err = body.Seal(ctx); err != nil {
				b.Error(err)
			}
			r.Size = body.Size()
		}
		if n == 1 {
			seal()
		} else {
			wg.Go(seal)
		}
	}
	wg.Wait()
	if err := e.Commit(ctx, &store.Batch{Put: put, Seen: seen}); err != nil {
		b.Error(err)
	}
	if through {
		benchDrain(ctx, b, e, n)
	}
}

func benchDrain(ctx context.Context, b *testing.B, e *Engine, n int) {
	l, _, err := e.LeaseMessages(ctx, store.Filter{Lane: "mta"}, n, time.Minute)
	if err != nil {
		b.Error(err)
	}
	buf := make([]byte, 16<<10)
	var wg sync.WaitGroup
	for i := range l {
		f, err := e.OpenBody(ctx, l[i].Record.Body)
		if err != nil {
			b.Error(err)
			return
		}
		f.Read(buf)
		f.Close()
	}
	for i := range l { // a commit for each, as deliveries end; they share syncs
		wg.Go(func() {
			x := &store.Batch{Remove: []mail.ID{l[i].Record.ID}, Fence: []store.Lease{l[i].Lease}}
			if err := e.Commit(ctx, x); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}

var systemCPU time.Duration

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	systemCPU = time.Duration(u.Stime.Nano())
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func peakRSS() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// wall is the machine's clock; a rig's stands still.
func (r *rig) wall() time.Time { return time.Now() }

// diskOf sums the space that the files of a directory have on the disk.
func diskOf(b *testing.B, dir string) (n int64) {
	for _, name := range glob(b, dir+"/*") {
		var st syscall.Stat_t
		if err := syscall.Stat(name, &st); err != nil {
			b.Fatal(err)
		}
		n += st.Blocks * 512
	}
	return n
}

// BenchmarkListOf100000 is what a look at one maildrop's messages costs beside those of all others: its page asks for
// them. So many are in each of a thousand maildrops.
func BenchmarkListOf100000(b *testing.B) {
	const all, drops = 100_000, 1000
	e, err := Open(b.Context(), Options{Dir: b.TempDir() + "/state"})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for at := 0; at < all; {
		batch := &store.Batch{}
		for ; len(batch.Put) < 1000; at++ {
			r := store.Record{ID: mail.NewID(time.Now(), nil), Lane: "mta", Queued: time.Now(), Due: time.Now().Add(time.Hour), Size: 5000,
				Reverse: mail.Path(fmt.Sprintf("sender%d@example.org", at)), Attempts: 3, Tries: 3,
				Origin: mail.Origin{Maildrop: fmt.Sprintf("drop%03d", at%drops), Account: "0123456789abcdef0123456789abcdef",
					UID: mail.UID(fmt.Sprintf("INBOX/1714/%d", at))}}
			x := store.Recipient{Recipient: mail.Recipient{Forward: mail.Path(fmt.Sprintf("jaco%d@kroon.co.za", at%50))}, Times: 3}
			x.Last = store.Said{At: time.Now(), Enhanced: "4.3.0", Reply: fmt.Sprintf("451 4.3.0 Zip module failure, id %d", at)}
			r.Recipients = []store.Recipient{x}
			batch.Put = append(batch.Put, r)
		}
		if err := e.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	held := true
	for _, x := range []struct {
		name string
		f    store.Filter
		n    int
	}{
		{"maildrop", store.Filter{Maildrop: "drop500"}, all / drops},
		{"nobody's", store.Filter{Maildrop: "nobody"}, 0},
		{"lane", store.Filter{Lane: "other"}, 0},
		{"held", store.Filter{Held: &held}, 0},
		{"all", store.Filter{}, all},
	} {
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range e.List(b.Context(), x.f) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != x.n {
					b.Fatalf("%d records", n)
				}
			}
		})
	}
}
