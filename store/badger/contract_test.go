package badger

import (
	"path/filepath"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Opener {
		dir := filepath.Join(t.TempDir(), "state")
		return func(t testing.TB, now func() time.Time) store.Engine {
			e, err := Open(t.Context(), Options{
				Dir: dir, Now: now, Ballast: -1,
				Route: func(*store.Record) mail.Lane { return "adopted" },
			})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
	})
}
