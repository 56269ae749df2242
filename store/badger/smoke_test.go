package badger

import (
	"context"
	"io"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	e, err := Open(ctx, Options{Dir: dir + "/s"})
	if err != nil {
		t.Fatal(err)
	}
	r := store.Record{Lane: "x", Queued: time.Now(), Due: time.Now()}
	b, err := e.Stage(ctx, &r)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(b, "a: b\r\n\r\nbody\r\n")
	if r.Body, r.SHA256, err = b.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	r.Size = b.Size()
	if err := e.Commit(ctx, &store.Batch{Put: []store.Record{r}, Seen: []store.Seen{{Account: "a", UID: "u", Mark: store.Taken, New: true}}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e, err = Open(ctx, Options{Dir: dir + "/s"})
	if err != nil {
		t.Fatal(err)
	}
	l, _, err := e.LeaseMessages(ctx, store.Filter{}, 10, time.Minute)
	if err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	if err := e.Commit(ctx, &store.Batch{Remove: []mail.ID{r.ID}, Fence: []store.Lease{l[0].Lease}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}
