package main

import (
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/status"
)

// What is left upstream is named after a kill too: the status that named it may not have been saved.
func TestStatusNamesWhatIsLeftAfterAKill(t *testing.T) {
	h := newHome(t)
	h.to(`{smtp: "127.0.0.1:1"}`)
	d := h.open()
	defer d.close()
	a := store.Aside{Account: "acc", UID: "uid-1", Maildrop: "jaco", Kind: "cut", Why: "its body was cut", Size: 1 << 20,
		Next: d.house.now().Add(time.Hour)}
	for range 2 {
		if _, err := d.queue.Aside(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	named, _ := d.status.Of("jaco")
	d.status = &status.Folder{Now: d.house.now} // as a new process has it
	d.configured()
	for range 2 { // what was saved is named once
		d.nameAsides(t.Context())
	}
	s, _ := d.status.Of("jaco")
	if len(s.Asides) != 1 || len(named.Asides) != 1 {
		t.Fatalf("%+v, %+v before", s.Asides, named.Asides)
	}
	was, is := named.Asides[0], s.Asides[0]
	if is.UID != "uid-1" || is.Why != was.Why || is.Tries != 2 || !is.Next.Equal(was.Next) || is.Since.Sub(was.Since).Abs() > time.Minute {
		t.Errorf("%+v, %+v before", is, was)
	}
	if _, ok := d.status.Of("other"); ok {
		t.Error("a maildrop that nobody has configured is named")
	}
}
