//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mailretr/cmd/mailretr/demo"
)

// A process that is killed in the middle of a large body makes no more of the cap: what it had asked for
// counts as spent in the next life, under its own name, and is not counted again in the one after that.
func TestKillBetweenReservationAndCorrection(t *testing.T) {
	stage, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	drop := stage.Drops[1]
	toll := newToll(t, drop.Port)
	toll.most.Store(1 << 20) // and then the line is dead
	dir := t.TempDir()
	config := filepath.Join(dir, "mailretr.yaml")
	write(t, filepath.Join(dir, "pass"), drop.Password+"\n")
	write(t, config, fmt.Sprintf(`hostname: mail.kroon.co.za
state: state
socket: run/s
deliver: {smtp: "%s"}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
line: {month: 6M}
limits: {headers_first: 0}
maildrops:
  - {name: jaco, url: "imap://%s@127.0.0.1:%d", password: {file: pass}, to: jaco@kroon.co.za, tls: none, check: off}
`, stage.MTA(), drop.User, toll.Addr().(*net.TCPAddr).Port))

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), envCrash+"="+config)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-toll.dead:
	case <-time.After(20 * time.Second):
		t.Error("the large body never came")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed

	passed, before := toll.passed.Load(), int64(0)
	for life := range 3 {
		h := &home{t, config}
		d := h.open()
		s := d.book.Sheets()[0].Month
		if err := d.close(); err != nil {
			t.Fatal(err)
		}
		if s.Line() < passed || s.Line() > 6<<20 || s.Assumed < 4<<20 || life > 0 && s.Line() != before {
			t.Errorf("life %d: %d passed, counted %+v; before it %d", life, passed, s, before)
		}
		before = s.Line()
	}
}
