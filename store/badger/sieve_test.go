package badger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// What a listing leaves out before it has decoded it is what the filter would have left out: whatever a maildrop is called,
// and where its name stands elsewhere in a record.
func TestListBySieve(t *testing.T) {
	r := openRig(t, newDir(t))
	names := []string{"", "a", "jaco", "jac", "aco", "jaco2", strings.Repeat("x", 23), strings.Repeat("x", 24), strings.Repeat("x", 255),
		strings.Repeat("x", 256), strings.Repeat("x", 4000), "grün", "a\xffb", "a\x00b", "\x64jaco", "queue", "Maildrop"}
	batch := &store.Batch{}
	for i, name := range names {
		for j, lane := range []mail.Lane{"mta", "jaco"} {
			x := store.Record{ID: mail.NewID(start, nil), Lane: lane, Queued: start, Due: start.Add(time.Duration(i) * time.Hour),
				Reverse: mail.Path(names[(i+1)%len(names)]), Origin: mail.Origin{Maildrop: name, UID: mail.UID(names[(i+2)%len(names)])},
				Recipients: []store.Recipient{{Recipient: mail.Recipient{Forward: "jaco"}}}}
			if (i+j)%3 == 0 {
				x.Hold = store.HoldAdmin
			}
			batch.Put = append(batch.Put, x)
		}
	}
	if err := r.Commit(ctx, batch); err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	for _, name := range append(names, "nobody", "xx") {
		for _, lane := range []mail.Lane{"", "mta", "jaco", "other"} {
			for _, held := range []*bool{nil, &yes, &no} {
				for _, due := range []time.Time{{}, start, start.Add(5 * time.Hour)} {
					f := store.Filter{Maildrop: name, Lane: lane, Held: held, Due: due}
					var want, got []string
					for i := range batch.Put {
						if matches(&f, &batch.Put[i], true) {
							want = append(want, batch.Put[i].ID.String())
						}
					}
					for x, err := range r.List(ctx, f) {
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, x.Record.ID.String())
					}
					slices.Sort(want)
					if fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%.20q %q %v %v: %d records, want %d", name, lane, held != nil && *held, due, len(got), len(want))
					}
				}
			}
		}
	}
}
