package store_test

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/relaytest"
	"mailretr/store"
	"mailretr/store/badger"
	"mailretr/store/mail"
	"mailretr/store/storetest"
)

// engines are what the queue is tried over.
var engines = map[string]func(testing.TB) store.Engine{
	"mem": func(testing.TB) store.Engine { return store.NewMem(time.Now) },
	"badger": func(t testing.TB) store.Engine {
		e, err := badger.Open(t.Context(), badger.Options{Dir: filepath.Join(t.TempDir(), "state"), Reserve: 1,
			Ballast: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	},
}

// The queue is a retriever like any other.
func TestRetriever(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			fetchtest.Run(t, func(t *testing.T) fetchtest.Harness { return retriever(t, engine(t)) })
		})
	}
}

func retriever(t *testing.T, e store.Engine) fetchtest.Harness {
	q := &store.Queue{Engine: e}
	return fetchtest.Harness{
		Can: fetchtest.Can{Deletes: true},
		Put: func(all ...[]byte) {
			for _, b := range all {
				m := &mail.Message{Content: mail.Text(b), Envelope: mail.Envelope{
					Reverse:    "a@example.org",
					Recipients: []mail.Recipient{{Forward: "a@example.net"}, {Forward: "b@example.net"}},
				}}
				if r := q.Deliver(t.Context(), m); !r.Done(2) {
					t.Fatalf("not queued: %+v", r)
				}
			}
		},
		Retriever: func(*fetchtest.Line) mail.Retriever { return q.Lane("default") },
		Left: func() (all [][]byte) {
			for x, err := range q.Export(t.Context(), store.Filter{}) {
				if err != nil {
					t.Fatal(err)
				}
				r, err := x.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				r.Close()
				all = append(all, b)
			}
			return all
		},
	}
}

// And a deliverer, whose destination is itself.
func TestDeliverer(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			relaytest.Run(t, func(t *testing.T) relaytest.Harness {
				q := &store.Queue{Engine: engine(t)}
				return relaytest.Harness{
					Can:       relaytest.Can{Many: true, Envelope: true, Null: true},
					Deliverer: func(testing.TB) mail.Deliverer { return q },
					Arrived:   func(t testing.TB) []relaytest.Arrival { return arrived(t, q) },
				}
			})
		})
	}
}

func arrived(t testing.TB, q *store.Queue) (all []relaytest.Arrival) {
	t.Helper()
	for x, err := range q.Export(t.Context(), store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := x.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		a := relaytest.Arrival{From: x.Record.Reverse, Data: b}
		for _, to := range x.Record.Recipients {
			a.To = append(a.To, to.Forward)
		}
		all = append(all, a)
	}
	return all
}

// The engine that the queue is tried over keeps the contract itself.
func TestMem(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Opener { return store.Reopening() })
}
