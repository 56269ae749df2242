package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

const letter = "From: a@origin.example\r\nSubject: x\r\n\r\nbody\r\n"

// message makes one for these recipients.
func message(text string, to ...mail.Path) *mail.Message {
	m := &mail.Message{Content: relaytest.Of([]byte(text)), Queued: time.Unix(1_000_000_000, 0)}
	m.ID = mail.NewID(m.Queued, strings.NewReader("ABCDEFGH"))
	m.Envelope.Reverse = "sender@origin.example"
	for _, p := range to {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: p})
	}
	return m
}

func TestNameIsTheConvention(t *testing.T) {
	dir := t.TempDir()
	o := options(t)
	o.Host = "mx/1:a,b"
	c := open(t)(NewMaildir(Maildir{Options: o, Path: dir + "/{local}", Create: true}))
	if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.Done(1) {
		t.Fatal(r)
	}
	list, err := os.ReadDir(filepath.Join(dir, "one", "new"))
	must(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "one", "new", list[0].Name()))
	must(t, err)
	id := message(letter).ID.String()
	want := fmt.Sprintf(`1000000000.Q%sRb326a4ed.mx\0571\072a\054b,S=%d,W=%d`, id, len(text), len(text)+bytes.Count(text, []byte("\n")))
	if list[0].Name() != want {
		t.Errorf("%s\nis not\n%s", list[0].Name(), want)
	}
}

// A message that was delivered before a crash, and not noted, is known while it is in new or cur: whatever a reader has
// made of its name.
func TestMaildirKnowsWhatItHas(t *testing.T) {
	for name, moved := range map[string]func(string) string{
		"new":      func(n string) string { return "new/" + n },
		"cur":      func(n string) string { return "cur/" + n + ":2,RS" },
		"no sizes": func(n string) string { return "cur/" + strings.Split(n, ",")[0] + ":2,S" },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := options(t)
			o.Since = time.Time{}
			c := open(t)(NewMaildir(Maildir{Options: o, Path: dir + "/{local}", Create: true}))
			deliver := func() {
				t.Helper()
				if r := c.Deliver(t.Context(), message(letter, "one@x.example", "two@x.example")); !r.Done(2) {
					t.Fatal(r)
				}
			}
			deliver()
			list, err := os.ReadDir(filepath.Join(dir, "one", "new"))
			must(t, err)
			must(t, os.Rename(filepath.Join(dir, "one", "new", list[0].Name()), filepath.Join(dir, "one", moved(list[0].Name()))))
			deliver()
			if n := len(maildirs(t, dir)); n != 2 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

func TestMaildirSweepsTmp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one")
	for _, sub := range []string{"tmp", "new", "cur"} {
		must(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	for name, age := range map[string]time.Duration{"old": 37 * time.Hour, "young": 35 * time.Hour} {
		path := filepath.Join(dir, "tmp", name)
		must(t, os.WriteFile(path, nil, 0o600))
		must(t, os.Chtimes(path, time.Now(), time.Now().Add(-age)))
	}
	c := open(t)(NewMaildir(Maildir{Options: options(t), Path: dir}))
	if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.Done(1) {
		t.Fatal(r)
	}
	list, err := os.ReadDir(filepath.Join(dir, "tmp"))
	must(t, err)
	if len(list) != 1 || list[0].Name() != "young" {
		t.Errorf("%v", list)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s, err := newSpool(dir, strings.NewReader(letter))
	must(t, err)
	must(t, os.WriteFile(dir+"/content.key", nil, 0o600))
	must(t, Sweep(dir))
	if list, _ := os.ReadDir(dir); len(list) != 1 || list[0].Name() != "content.key" {
		t.Errorf("%s and %v", s.path, list)
	}
}

func TestFolderNames(t *testing.T) {
	for folder, want := range map[string]string{
		"": "", "INBOX": "", "inbox/": "", "INBOX/Sent": ".Sent", "INBOX.Sent": ".Sent", "Lists/go": ".Lists.go", "Lists.go": ".Lists.go",
		"../../etc": ".etc", "..": "", "/etc/passwd": ".etc.passwd", "a\x00b\r\nc": ".a&AAA-b&AA0ACg-c", "Entwürfe": ".Entw&APw-rfe",
		"A&B": ".A&-B", "台北": ".&U,BTFw-", "~x": ".~x", strings.Repeat("x", 300): "", "\U0001f600": ".&2D3eAA-", "-rf": ".-rf",
	} {
		if got := folderName(folder); got != want {
			t.Errorf("%q: %q, not %q", folder, got, want)
		}
	}
}

func TestMaildirKeepsFolders(t *testing.T) {
	dir := t.TempDir()
	o := options(t)
	o.Folder = func(o mail.Origin) string { return string(o.UID) }
	c := open(t)(NewMaildir(Maildir{Options: o, Path: dir + "/one", Create: true, Keep: true}))
	for _, folder := range []mail.UID{"INBOX", "Lists/go", "../../../evil"} {
		m := message(letter, "one@x.example")
		m.Origin.UID = folder
		if r := c.Deliver(t.Context(), m); !r.Done(1) {
			t.Fatal(r)
		}
	}
	for _, sub := range []string{"new", ".Lists.go/new", ".Lists.go/maildirfolder", ".evil/new"} {
		if _, err := os.Stat(filepath.Join(dir, "one", sub)); err != nil {
			t.Error(err)
		}
	}
	if n := len(maildirs(t, dir)); n != 3 {
		t.Errorf("%d messages", n)
	}
}

func TestMissingMailbox(t *testing.T) {
	dir := t.TempDir()
	for kind, c := range map[string]*Client{
		"maildir": open(t)(NewMaildir(Maildir{Options: options(t), Path: dir + "/{local}"})),
		"mbox":    open(t)(NewMbox(Mbox{Options: options(t), Path: dir + "/{local}"})),
	} {
		for _, ask := range []mail.Report{c.Probe(t.Context(), message(letter, "one@x.example")),
			c.Deliver(t.Context(), message(letter, "one@x.example"))} {
			if x := ask.Of(0); x.Outcome != mail.Failed || x.Enhanced != "5.1.1" || x.After != mail.OpRcpt {
				t.Errorf("%s: %+v", kind, x)
			}
		}
	}
	if list, _ := os.ReadDir(dir); len(list) > 0 {
		t.Errorf("made: %v", list)
	}
}

// The admin's own directory is never made: a disk that is not mounted must not get a mailbox below it.
func TestUnmounted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mnt")
	c := open(t)(NewMaildir(Maildir{Options: options(t), Path: dir + "/{domain}/{local}", Create: true}))
	x := c.Deliver(t.Context(), message(letter, "one@x.example")).Of(0)
	if x.Outcome != mail.Deferred || x.Scope != mail.OfLane {
		t.Errorf("%+v", x)
	}
	if strings.Contains(x.Reply, dir) {
		t.Errorf("a bounce would name the path: %s", x.Reply)
	}
}

// Eight connections into one mailbox: locks keep them apart, names too.
func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "m"), 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "b"), 0o700))
	for _, c := range []*Client{
		open(t)(NewMaildir(Maildir{Options: options(t), Path: dir + "/m/{local}", Create: true})),
		open(t)(NewMbox(Mbox{Options: options(t), Path: dir + "/b/{local}", Create: true})),
	} {
		var work sync.WaitGroup
		for i := range 8 {
			work.Go(func() {
				m := message(fmt.Sprintf("Subject: %d\r\n\r\n%s", i, strings.Repeat("From me\r\n", 3000)), "one@x.example")
				m.ID = mail.NewID(m.Queued, nil)
				if r := c.Deliver(t.Context(), m); !r.Done(1) {
					t.Error(r)
				}
			})
		}
		work.Wait()
	}
	for kind, all := range map[string][]relaytest.Arrival{"maildir": maildirs(t, dir+"/m"), "mbox": mboxes(t, dir+"/b")} {
		seen := map[string]bool{}
		for _, a := range all {
			seen[string(restored(a.Data)[:12])] = true
			if n := bytes.Count(a.Data, []byte("\nFrom me")); n != 3000 {
				t.Errorf("%s: %d lines", kind, n)
			}
		}
		if len(all) != 8 || len(seen) != 8 {
			t.Errorf("%s: %d messages, %d different", kind, len(all), len(seen))
		}
	}
}

func TestMboxWaitsForLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "box")
	must(t, os.WriteFile(path, nil, 0o600))
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		o := options(t)
		o.Now = time.Now
		c := open(t)(NewMbox(Mbox{Options: o, Path: path, Lock: time.Minute}))
		try := func() mail.Result { return c.Deliver(t.Context(), message(letter, "one@x.example")).Of(0) }
		lock := func(age time.Duration) {
			must(t, os.WriteFile(path+".lock", []byte("1\n"), 0o600))
			must(t, os.Chtimes(path+".lock", time.Now(), time.Now().Add(-age)))
		}
		lock(0)
		if x := try(); x.Outcome != mail.Deferred || x.Enhanced != "4.2.1" || time.Since(now) < time.Minute {
			t.Errorf("locked by a file: %+v after %v", x, time.Since(now))
		}
		lock(6 * time.Minute)
		if x := try(); x.Outcome != mail.Delivered {
			t.Errorf("a stale lock: %+v", x)
		}
		if _, err := os.Stat(path + ".lock"); err == nil {
			t.Error("the lock is still there")
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(t, err)
		defer f.Close()
		must(t, lockFile(f))
		now = time.Now()
		if x := try(); x.Outcome != mail.Deferred || time.Since(now) < time.Minute {
			t.Errorf("locked by fcntl: %+v after %v", x, time.Since(now))
		}
	})
	if n := len(mboxes(t, filepath.Dir(path))); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// What an earlier writer has left without its end does not swallow the next message.
func TestMboxAfterATornMessage(t *testing.T) {
	for _, tail := range []string{"", "\n", "\n\n", "x", "x\n", "x\n\n"} {
		path := filepath.Join(t.TempDir(), "box")
		before := "From a@b Thu Jan  1 00:00:00 1970\nSubject: torn\n\n" + tail
		must(t, os.WriteFile(path, []byte(before), 0o600))
		c := open(t)(NewMbox(Mbox{Options: options(t), Path: path}))
		if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.Done(1) {
			t.Fatal(r)
		}
		text, err := os.ReadFile(path)
		must(t, err)
		if !bytes.HasPrefix(text, []byte(before)) || !bytes.Contains(text, []byte("\n\nFrom sender@origin.example ")) {
			t.Errorf("after %q: %q", tail, text)
		}
	}
}

// A mailbox that could not be written to its end is as long as before.
func TestMboxIsCutBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "box")
	before := []byte("From a@b Thu Jan  1 00:00:00 1970\nSubject: old\n\nbody\n\n")
	must(t, os.WriteFile(path, before, 0o600))
	c := open(t)(NewMbox(Mbox{Options: options(t), Path: path}))
	m := message(letter+strings.Repeat("more\r\n", 50_000), "one@x.example")
	m.Content.(*relaytest.Content).Cut = 200_000
	if x := c.Deliver(t.Context(), m).Of(0); x.Outcome != mail.Deferred || !errors.Is(x.Err, relaytest.ErrCut) {
		t.Errorf("%+v", x)
	}
	after, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Errorf("%d octets became %d", len(before), len(after))
	}
}

// The table of what an error of the system means.
func TestS9_Errors(t *testing.T) {
	for errno, want := range map[syscall.Errno]mail.Result{
		syscall.ENOSPC: {Enhanced: "4.3.1"}, syscall.EDQUOT: {Enhanced: "4.2.2"}, syscall.EIO: {Enhanced: "4.3.0"},
		syscall.EROFS: {Enhanced: "4.2.1"}, syscall.EACCES: {Enhanced: "4.2.1"}, syscall.EPERM: {Enhanced: "4.2.1"},
		syscall.EFBIG: {Enhanced: "4.2.2"}, syscall.ELOOP: {Enhanced: "4.2.1"}, syscall.ENOTDIR: {Enhanced: "4.2.1"},
		syscall.EMFILE: {Enhanced: "4.3.2", Scope: mail.OfLane}, syscall.ENOMEM: {Enhanced: "4.3.2", Scope: mail.OfLane},
		syscall.ENAMETOOLONG: {Enhanced: "5.1.1", Outcome: mail.Failed}, syscall.EXDEV: {Enhanced: "4.3.0"},
	} {
		x := resultOf(&os.PathError{Op: "open", Path: "/secret/path", Err: errno})
		if x.Outcome != want.Outcome || x.Scope != want.Scope || x.Enhanced != want.Enhanced {
			t.Errorf("%v: %+v", errno, x)
		}
		if code := x.Reply[4:9]; code != x.Enhanced || strings.Contains(x.Reply, "/") || x.Err == nil {
			t.Errorf("%v: reply %q, error %v", errno, x.Reply, x.Err)
		}
	}
}

func FuzzMboxrd(f *testing.F) {
	for _, raw := range relaytest.Malformed(60) {
		if len(raw) < 10_000 {
			f.Add(raw, 3)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, step int) {
		want := relaytest.Normal(raw)
		var b bytes.Buffer
		q := &mboxrd{to: &b, start: true}
		u := &lf{to: q}
		for rest := want; len(rest) > 0; {
			n := min(max(step, 1), len(rest))
			if _, err := u.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		must(t, errors.Join(u.end(), q.end()))
		all := unboxed(t, append([]byte(fromLine("a@b.example", time.Unix(0, 0))), append(b.Bytes(), '\n')...))
		if len(all) != 1 || !bytes.Equal(bytes.ReplaceAll(all[0].text, []byte("\n"), []byte("\r\n")), want) {
			t.Errorf("%q became %q", want, b.Bytes())
		}
	})
}

func FuzzCRLF(f *testing.F) {
	for _, raw := range relaytest.Malformed(60) {
		if len(raw) < 10_000 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) == 0 {
			return
		}
		var b bytes.Buffer
		_, err := b.ReadFrom(newCRLF(bytes.NewReader(raw)))
		must(t, err)
		if want := relaytest.Normal(raw); !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%q became %q, not %q", raw, b.Bytes(), want)
		}
	})
}
