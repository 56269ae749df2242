package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"testing"
	"time"

	"mailretr/store/mail"
)

// null is an engine that does nothing, so that what remains is the queue's own cost.
type null struct {
	Engine
	records []Record
}

func (*null) Commit(context.Context, *Batch) error         { return nil }
func (*null) Stage(context.Context, *Record) (Body, error) { return &nullBody{}, nil }
func (*null) Release(...Lease)                             {}
func (n *null) OpenBody(context.Context, BodyRef) (io.ReadSeekCloser, error) {
	return memReader{bytes.NewReader(sampled)}, nil
}

func (n *null) LeaseMessages(_ context.Context, _ Filter, max int, _ time.Duration) (l []Leased,
	next time.Time, err error) {
	for ; len(n.records) > 0 && len(l) < max; n.records = n.records[1:] {
		l = append(l, Leased{Record: n.records[0]})
	}
	return l, next, nil
}

func (*null) Notes(context.Context, string, string) iter.Seq2[Note, error] { return each[Note](nil) }
func (*null) Totals(context.Context) (Totals, error)                       { return Totals{}, nil }

type nullBody struct{ n int64 }

func (b *nullBody) Write(p []byte) (int, error) {
	b.n += int64(len(p))
	return len(p),
		nil
}
func (b *nullBody) Size() int64                                     { return b.n }
func (b *nullBody) Seal(context.Context) (BodyRef, [32]byte, error) { return "x", [32]byte{}, nil }
func (b *nullBody) Sync(context.Context) error                      { return nil }
func (b *nullBody) Leave() error                                    { return nil }
func (b *nullBody) Discard() error                                  { return nil }

var sampled = sample(5 << 10)

// BenchmarkAdd is the cost of taking one message of 5 KB in a batch of 128, without the engine.
func BenchmarkAdd(b *testing.B) {
	q := &Queue{Engine: &null{}}
	ms := make([]*mail.Message, 128)
	for i := range ms {
		ms[i] = message(fmt.Sprint(i), "a@example.org", "jaco@example.net")
		ms[i].Content = &text{b: sampled}
	}
	b.ReportAllocs()
	batch := q.Batch()
	for i := 0; b.Loop(); i++ {
		if err := batch.Add(b.Context(), ms[i%128]); err != nil {
			b.Fatal(err)
		}
		if i%128 == 127 {
			batch.Commit(b.Context())
		}
	}
}

// BenchmarkDeliver is the cost of handing out, reading and settling one message of 5 KB, without the engine.
func BenchmarkDeliver(b *testing.B) {
	e := &null{}
	q := &Queue{Engine: e}
	now := time.Now()
	b.ReportAllocs()
	buf := make([]byte, 64<<10)
	for b.Loop() {
		b.StopTimer()
		e.records = e.records[:0]
		for i := range 128 {
			e.records = append(e.records, Record{
				ID: mail.ID{byte(i)}, Lane: "main", Queued: now, Due: now, Size: int64(len(sampled)),
				Recipients: []Recipient{{Recipient: mail.Recipient{Forward: "jaco@example.net"}}},
			})
		}
		b.StartTimer()
		d, _ := q.Lane("main").Open(b.Context())
		for m := range d.Messages(b.Context(), nil) {
			r, err := m.Content.Open(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for err == nil {
				_, err = r.Read(buf)
			}
			r.Close()
			if err := d.Settle(b.Context(), m, mail.Report{{Outcome: mail.Delivered}}); err != nil {
				b.Fatal(err)
			}
		}
		d.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/128, "ns/message")
}
