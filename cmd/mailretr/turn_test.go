package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// Somebody who keeps his mbox locked holds up his own mail, and that of nobody else; none of his is lost, and none of it
// has lost an attempt to waiting for its turn.
func TestALockedMailboxHoldsUpNobodyElse(t *testing.T) {
	h := newHome(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lock := filepath.Join(dir, "slow.lock")
	write(t, lock, "1\n")
	h.to(fmt.Sprintf(`{mbox: {path: "%s/{local}", user: "%s", lock: 1h}}`, dir, me.Username))
	d := h.open()
	put := func(uid string, to mail.Path) {
		m := &mail.Message{Content: file("Subject: " + uid + "\r\n\r\nbody\r\n"), Envelope: envelopeTo(to)}
		if r := d.queue.Deliver(t.Context(), m); !r.Done(1) {
			t.Fatal(r)
		}
	}
	for i := range 4 { // as many as there are connections
		put(fmt.Sprint("slow ", i), "slow@kroon.co.za")
	}
	for i := range 8 {
		put(fmt.Sprint("other ", i), mail.Path(fmt.Sprintf("other%d@kroon.co.za", i%4)))
	}
	defer h.deliver(d)()
	have := func(name string) int {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		return strings.Count(string(b), "\nSubject: ")
	}
	wait := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !done(); {
			if time.Now().After(end) {
				t.Fatal("for too long: ", what)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	wait("the others wait", func() bool {
		return have("other0")+have("other1")+have("other2")+have("other3") == 8
	})
	if n := have("slow"); n != 0 {
		t.Errorf("%d came into the locked one", n)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	wait("the slow one waits", func() bool { return have("slow") == 4 })
}

// A poll without a daemon makes one pass: all mail of a slow program goes in it, none is put off.
func TestPollWaitsForASlowProgram(t *testing.T) {
	h := newHome(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(t.TempDir(), "taken")
	h.to(fmt.Sprintf(`{command: {argv: [/bin/sh, -c, "sleep 1.1; echo x >>%s"], user: "%s"}}`, taken, me.Username))
	d := h.open()
	for i := range 6 {
		h.put(d, fmt.Sprint(i))
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	code, out, talk := call(t, "poll", "--config", h.path)
	if b, _ := os.ReadFile(taken); len(b) != 12 {
		t.Errorf("%d: %d of 6 were delivered\n%s%s", code, len(b)/2, out, talk)
	}
}
