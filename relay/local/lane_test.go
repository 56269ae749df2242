package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// What an address chooses, or a user does, says nothing of the mail of others: the lane stays well. Nor does it bounce
// anything where it is the admin's mistake.
func TestS9_OneRecipientStopsNoLane(t *testing.T) {
	name, uid, gid := other(t)
	mine := house(t, uid, gid)
	must(t, os.Symlink("/", mine+"/box"))
	must(t, os.Lchown(mine+"/box", uid, gid))
	ours := t.TempDir()
	plain := options(t)
	plain.User = ""
	byName := plain
	byName.User = "{local}"
	file := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(file, []byte("#!/bin/sh\n"), 0o700)) // which only root can run
	for _, x := range []struct {
		what string
		c    *Client
		to   mail.Path
		want mail.Outcome
	}{
		{"root's, made", open(t)(NewMaildir(Maildir{Options: plain, Path: ours + "/{local}", Create: true})), "x@x.example", mail.Deferred},
		{"root's, not there", open(t)(NewMbox(Mbox{Options: plain, Path: ours + "/{local}"})), "x@x.example", mail.Failed},
		{"a link", open(t)(NewMaildir(Maildir{Options: plain, Path: mine + "/box/{local}", Create: true})), "x@x.example", mail.Deferred},
		{"no home", open(t)(NewMaildir(Maildir{Options: byName, Path: "~/Maildir", Create: true})), mail.Path(name + "@x.example"), mail.Deferred},
		{"no right", open(t)(NewCommand(Command{Options: byName, Argv: []string{file}})), mail.Path(name + "@x.example"), mail.Deferred},
	} {
		if r := x.c.Deliver(t.Context(), message(letter, x.to)); r[0].Outcome != x.want || r[0].Scope != mail.OfRecipient || r[0].Reply == "" {
			t.Errorf("%s: %+v", x.what, r[0])
		}
	}
	for what, c := range map[string]*Client{
		"home without a user": open(t)(NewMaildir(Maildir{Options: plain, Path: "~/Maildir", Create: true})),
		"{user} without one":  open(t)(NewMbox(Mbox{Options: plain, Path: "/var/mail/{user}", Create: true})),
	} {
		x := c.Deliver(t.Context(), message(letter, "x@x.example")).Of(0)
		if x.Outcome != mail.Deferred || x.Scope != mail.OfLane || !strings.Contains(x.Err.Error(), "no user is written") {
			t.Errorf("%s: %+v", what, x)
		}
	}
}

// An address that is called as the lock of somebody's mbox does not lock it, and is not removed as one.
func TestS5_NoMailboxIsALock(t *testing.T) {
	dir := t.TempDir()
	c := open(t)(NewMbox(Mbox{Options: options(t), Path: dir + "/{local}", Create: true, Lock: time.Second}))
	if r := c.Deliver(t.Context(), message(letter, "one.lock@x.example")); !r.All(mail.Failed) {
		t.Errorf("%+v", r)
	}
	if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.Done(1) {
		t.Errorf("%+v", r)
	}
}

// A program cannot reach our terminal.
func TestProgramHasASessionOfItsOwn(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	c := open(t)(NewCommand(Command{Options: options(t), Argv: []string{"/bin/sh", "-c", "echo $$ >" + out + "; cat /proc/$$/stat >>" + out}}))
	if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.Done(1) {
		t.Fatalf("%+v", r)
	}
	text, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(text), ") ") {
		t.Skipf("there is no /proc: %q", text)
	}
	pid, stat, _ := strings.Cut(string(text), "\n")
	_, stat, _ = strings.Cut(stat, ") ")
	words := strings.Fields(stat) // state, parent, group, session, terminal
	if words[3] != pid || words[4] != "0" {
		t.Errorf("process %s, %v", pid, words[:5])
	}
}

// TestH1_LinkMeanwhile: whoever puts a link in the place of a directory while its owner is looked up does not become
// the owner of what it leads to.
func TestH1_LinkMeanwhile(t *testing.T) {
	_, uid, gid := other(t)
	victim, mine := house(t, 1, 1), house(t, uid, gid)
	must(t, os.Mkdir(victim+"/box", 0o700))
	must(t, os.Chown(victim+"/box", 1, 1))
	must(t, os.Mkdir(mine+"/dir", 0o700))
	must(t, os.Chown(mine+"/dir", uid, gid))
	must(t, os.Symlink(victim, mine+"/link"))
	must(t, os.Lchown(mine+"/link", uid, gid))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for dir, link := mine+"/dir", mine+"/link"; ; {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Rename(dir, mine+"/aside")
			_ = os.Rename(link, dir)
			_ = os.Rename(dir, link)
			_ = os.Rename(mine+"/aside", dir)
		}
	}()
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		if got, err := owner(mine + "/dir/box"); err == nil && got != uid {
			t.Errorf("the owner is %d", got)
			break
		}
	}
	close(stop)
	<-stopped
}
