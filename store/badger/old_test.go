package badger

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"mailretr/store"
)

// A record as the first version has written it is read as it was, and what it does not know has its zero value.
func TestOldRecord(t *testing.T) {
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/record-1.hex")
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := c.parseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	if len(r.Recipients) != 2 || !r.Queued.Equal(at) || r.Reverse != "ann@example.org" || r.Attempts != 3 {
		t.Fatalf("%+v", r)
	}
	x, y := r.Recipients[0], r.Recipients[1]
	if x.Forward != "jaco@kroon.co.za" || x.State != store.Waiting || x.Last.Reply != "451 4.3.0 later" || x.Warned || x.Copy {
		t.Errorf("%+v", x)
	}
	if y.State != store.Owed || y.Notify != "FAILURE" || r.Hold != store.NotHeld {
		t.Errorf("%+v", y)
	}
	again, err := c.record(&r)
	if err != nil || string(again) != string(b) {
		t.Errorf("what it does not use is written all the same: %v\n%x", err, again)
	}
	if _, _, err := c.parseRecord(append([]byte{recordVersion + 1}, b[1:]...)); err == nil {
		t.Error("a record of a newer version is read")
	}
}
