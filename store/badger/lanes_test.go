package badger

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

// A message for two lanes has two files with the same octets for the same recipient. When the database is lost both
// come back, each in its lane, and what one of them need not tell the sender it still need not.
func TestRebuildKeepsBothLanes(t *testing.T) {
	d := openRig(t, newDir(t))
	var all []store.Record
	for i, l := range []mail.Lane{"mta", "archive"} {
		x := d.record("INBOX/1/1")
		x.Lane = l
		x.Recipients[0].Sharing = store.Sharing{Beside: []mail.Lane{[]mail.Lane{"archive", "mta"}[i]}, Copy: i == 1}
		d.stage(&x, octets(1))
		all = append(all, x)
	}
	d.commit(&store.Batch{Put: all, Seen: []store.Seen{{
		Account: "acc", UID: "INBOX/1/1", Mark: store.Taken, Size: all[0].Size, New: true,
	}}})
	dir := d.crash()
	must(t, os.RemoveAll(filepath.Join(dir, "db")))
	d = openRig(t, dir, func(o *Options) { o.Route = func(r *store.Record) mail.Lane { return r.Lane } })
	d.wantAll(all)
	for _, want := range all {
		x, err := d.Get(ctx, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		a, b := x.Recipients[0].Sharing, want.Recipients[0].Sharing
		if x.Lane != want.Lane || a.Copy != b.Copy || !slices.Equal(a.Beside, b.Beside) {
			t.Errorf("got %s %+v, want %s %+v", x.Lane, a, want.Lane, b)
		}
	}
}
