package local

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"mailretr/store/mail"
)

// TestS5_AddressesStayInTheirPlace: an address makes one file name of its own, or there is no mailbox for it.
func TestS5_AddressesStayInTheirPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	must(t, os.Mkdir(dir, 0o700))
	c := open(t)(NewMbox(Mbox{Options: options(t), Path: dir + "/{domain}/{local}", Create: true}))
	for _, bad := range []mail.Path{`"../x"@x.example`, `"a/b"@x.example`, `".."@x.example`, `"."@x.example`, `".x"@x.example`,
		`"-x"@x.example`, `"~root"@x.example`, `"a\/b"@x.example`, "|cmd@x.example", "/etc/passwd@x.example",
		"a\r\nRCPT TO:<b>@x.example", "a@x/../y.example", "@a:b@c.example", `""@x.example`, "postmaster", "",
		mail.Path(strings.Repeat("x", 300) + "@y.example"), "a\x00@x.example", "<a@x.example>"} {
		for _, r := range []mail.Report{c.Probe(t.Context(), message(letter, bad)), c.Deliver(t.Context(), message(letter, bad))} {
			if !r.All(mail.Failed) {
				t.Errorf("%.50q: %v", bad, r)
			}
		}
	}
	for _, good := range []mail.Path{"${run{id}}@x.example", `";id;"@x.example`, `"$(id)"@x.example`, "a@[127.0.0.1]", `"a b"@x.example`,
		"é@x.example", "*@x.example", "a..b@x.example"} {
		if r := c.Deliver(t.Context(), message(letter, good)); !r.Done(1) {
			t.Errorf("%q: %v", good, r)
		}
	}
	var all []string
	must(t, filepath.WalkDir(filepath.Dir(dir), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir))
		}
		return err
	}))
	want := "/[127.0.0.1]/a /x.example/$(id) /x.example/${run{id}} /x.example/* /x.example/;id; /x.example/a b /x.example/a..b /x.example/é"
	if got := strings.Join(all, " "); got != want {
		t.Errorf("%s", got)
	}
}

// TestS5_ArgumentsStayArguments: a program gets each word in its place, whatever is in it, and never as an option.
func TestS5_ArgumentsStayArguments(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	o := options(t)
	o.Folder = func(mail.Origin) string { return "-f\x00\n$(id)" }
	c := open(t)(NewCommand(Command{Options: o, Argv: []string{"/bin/sh", "-c",
		`printf '<%s>' "$@" >` + out + `; echo >>` + out + `; env >>` + out, "--", "{recipient}", "{sender|<>}", "x{folder}", "{folder}", "{maildrop}", "{{{local}}}"}}))
	m := message(letter, `"a b';$(id)"@x.example`)
	m.Envelope.Reverse = ""
	m.Origin.Maildrop = "-drop; rm\r\n" + strings.Repeat("x", 1000)
	if r := c.Deliver(t.Context(), m); !r.Done(1) {
		t.Fatal(r)
	}
	text, err := os.ReadFile(out)
	must(t, err)
	args, env, _ := strings.Cut(string(text), ">\n")
	want := `<"a b';$(id)"@x.example><<>><x-f__$(id)><_f__$(id)><_drop; rm__` + strings.Repeat("x", longestName-11) + `><{a b';$(id)}`
	if got := args; got != want {
		t.Errorf("%s", got)
	}
	for line := range strings.Lines(env) {
		name, _, ok := strings.Cut(line, "=")
		if known := " PATH SHELL LANG HOME USER LOGNAME TZ SENDER RECIPIENT LOCAL EXTENSION DOMAIN MAILDROP FOLDER QUEUE_ID PWD SHLVL _ "; ok &&
			!strings.HasPrefix(line, "/") && !strings.Contains(known, " "+name+" ") {
			t.Errorf("the environment has %s", line)
		}
	}
	for _, bad := range []mail.Path{`"-oX"@x.example`, `"--x"@x.example`} {
		c := open(t)(NewCommand(Command{Options: options(t), Argv: []string{"/bin/false", "{local}"}}))
		if r := c.Deliver(t.Context(), message(letter, bad)); !r.All(mail.Failed) || r[0].Enhanced != "5.1.3" {
			t.Errorf("%v: %v", bad, r)
		}
	}
}

// TestS5_ShellFunctionsInTheEnvironment: a value that an old shell would take for a function is none.
func TestS5_ShellFunctionsInTheEnvironment(t *testing.T) {
	j := job{words: wordsOf(message(letter), `"() { :;}; id"@x.example`), who: &who{}}
	for _, e := range j.environ() {
		if strings.Contains(e, "=()") {
			t.Error(e)
		}
	}
}

// TestS10_RepliesStayReplies: what a program says becomes one printable line of a bounded length.
func TestS10_RepliesStayReplies(t *testing.T) {
	script := `printf '5.7.1 no\r\nBcc: x\033[2J\000\377' >&2; head -c 1000000 /dev/zero | tr '\0' a >&2; exit 77`
	c := open(t)(NewCommand(Command{Options: options(t), Argv: []string{"/bin/sh", "-c", script}}))
	x := c.Deliver(t.Context(), message(letter, "one@x.example")).Of(0)
	if x.Outcome != mail.Failed || x.Enhanced != "5.7.1" || len(x.Reply) > 600 || strings.ContainsAny(x.Reply, "\r\n\x1b\x00") || !utf8.ValidString(x.Reply) ||
		!strings.HasPrefix(x.Reply, `554 5.7.1 no Bcc: x\x1b[2J\x00`) {
		t.Errorf("%+v", x)
	}
}

// TestS15_FromLines: no sender and no body makes a second message of an mbox.
func TestS15_FromLines(t *testing.T) {
	dir := t.TempDir()
	c := open(t)(NewMbox(Mbox{Options: options(t), Path: dir + "/box", Create: true}))
	for _, from := range []mail.Path{"a@b.example\nFrom x@y Thu Jan  1 00:00:00 1970", `"a b c"@b.example`, "", "x\xff@y.example"} {
		m := message("Subject: x\r\n\r\n\r\nFrom x@y Thu Jan  1 00:00:00 1970\r\n\r\n>From y\r\n", "one@x.example")
		m.Envelope.Reverse = from
		if r := c.Deliver(t.Context(), m); !r.Done(1) {
			t.Fatal(r)
		}
	}
	text, err := os.ReadFile(dir + "/box")
	must(t, err)
	var senders []string
	for _, m := range unboxed(t, text) {
		senders = append(senders, m.sender)
	}
	if got := strings.Join(senders, " "); got != `MAILER-DAEMON "a-b-c"@b.example MAILER-DAEMON MAILER-DAEMON` {
		t.Error(got)
	}
}

// TestH1_LinksInTheWay: what stands in the place of a mailbox, of its parts or of its lock, and leads elsewhere, gets no
// mail, and what it leads to is as before.
func TestH1_LinksInTheWay(t *testing.T) {
	secret := []byte("root:x:0:0\n")
	for name, plant := range map[string]func(t *testing.T, dir, victim string){
		"mbox is a symbolic link": func(t *testing.T, dir, victim string) { must(t, os.Symlink(victim+"/file", dir+"/box")) },
		"mbox is a hard link":     func(t *testing.T, dir, victim string) { must(t, os.Link(victim+"/file", dir+"/box")) },
		"mbox is a FIFO":          func(t *testing.T, dir, _ string) { must(t, syscall.Mkfifo(dir+"/box", 0o600)) },
		"mbox is a directory":     func(t *testing.T, dir, _ string) { must(t, os.Mkdir(dir+"/box", 0o700)) },
		"link to nothing":         func(t *testing.T, dir, victim string) { must(t, os.Symlink(victim+"/new", dir+"/box")) },
		"new leads elsewhere": func(t *testing.T, dir, victim string) {
			must(t, os.MkdirAll(dir+"/box/cur", 0o700))
			must(t, os.Mkdir(dir+"/box/tmp", 0o700))
			must(t, os.Symlink(victim, dir+"/box/new"))
		},
		"tmp leads elsewhere": func(t *testing.T, dir, victim string) {
			must(t, os.MkdirAll(dir+"/box/cur", 0o700))
			must(t, os.Mkdir(dir+"/box/new", 0o700))
			must(t, os.Symlink(victim, dir+"/box/tmp"))
		},
		"folder leads elsewhere": func(t *testing.T, dir, victim string) {
			must(t, os.Mkdir(dir+"/box", 0o700))
			must(t, os.Symlink(victim, dir+"/box/.Sub"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, victim := t.TempDir(), t.TempDir()
			must(t, os.WriteFile(victim+"/file", secret, 0o600))
			plant(t, dir, victim)
			o := options(t)
			o.Folder = func(mail.Origin) string { return "Sub" }
			sub := strings.HasPrefix(name, "folder")
			for _, c := range []*Client{
				open(t)(NewMbox(Mbox{Options: o, Path: dir + "/box", Create: true})),
				open(t)(NewMaildir(Maildir{Options: o, Path: dir + "/box", Create: true, Keep: sub})),
			} {
				if _, isMbox := c.box.(*mbox); isMbox != strings.HasPrefix(name, "mbox") && !strings.HasPrefix(name, "link") {
					continue
				}
				if r := c.Deliver(t.Context(), message(letter, "one@x.example")); !r.All(mail.Deferred) || r[0].Scope != mail.OfRecipient {
					t.Errorf("%+v", r)
				}
			}
			text, err := os.ReadFile(victim + "/file")
			must(t, err)
			if list, _ := os.ReadDir(victim); !bytes.Equal(text, secret) || len(list) != 1 {
				t.Errorf("the victim has %v, %q", list, text)
			}
		})
	}
}

// TestH1_LinkAtTheLastMoment: what was a mailbox when it was looked at may be a link when it is opened.
func TestH1_LinkAtTheLastMoment(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(victim, nil, 0o600))
	must(t, os.Symlink(victim, dir+"/box"))
	c := open(t)(NewMbox(Mbox{Options: options(t), Path: dir + "/box", Create: true}))
	x, err := c.target(message(letter), mail.Recipient{Forward: "one@x.example"})
	must(t, err)
	if err := c.box.put(t.Context(), x, strings.NewReader(letter)); err == nil {
		t.Error("written")
	}
	// What is looked at again once it is locked is the second to notice.
	if f, _, err := c.box.(*mbox).open(x); err == nil {
		t.Errorf("%s is open", f.Name())
		f.Close()
	}
	if fi, err := os.Stat(victim); err != nil || fi.Size() > 0 {
		t.Errorf("%v, %v", fi, err)
	}
}

// TestH1_LockIsALink: a lock file that somebody has laid out as a link is a lock, and nothing is written through it.
func TestH1_LockIsALink(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "file")
	must(t, os.Symlink(victim, dir+"/box.lock"))
	if err := dotLock(dir+"/box.lock", message(letter).Queued); err == nil {
		t.Error("taken")
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("written through")
	}
}

// TestH2_Modes: with a umask of 0, everything that is made is its owner's alone.
func TestH2_Modes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := t.TempDir()
	o := options(t)
	o.Folder = func(mail.Origin) string { return "Sub" }
	for _, c := range []*Client{
		open(t)(NewMbox(Mbox{Options: o, Path: dir + "/{domain}/{local}.mbox", Create: true})),
		open(t)(NewMaildir(Maildir{Options: o, Path: dir + "/{domain}/{local}", Create: true, Keep: true})),
	} {
		if r := c.Deliver(t.Context(), message(letter, "one@x.example", "two@y.example")); !r.Done(2) {
			t.Fatal(r)
		}
	}
	n := 0
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		n++
		if fi, err := e.Info(); err != nil || fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, %v", path, fi.Mode(), err)
		}
		return nil
	}))
	if n < 10 {
		t.Errorf("%d files", n)
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a@b.example", `"../x"@b.example`, `"a/b"@b`, "a+b@c.example", `"\"/"@x`, "é@ü.example", "postmaster"} {
		f.Add(s)
	}
	p, err := newPlace("/srv/mail/{domain}/{local}/{extension|none}")
	must(f, err)
	f.Fuzz(func(t *testing.T, s string) {
		if mail.Path(s).Check() != nil {
			return
		}
		path, base, err := p.of(&target{words: wordsOf(&mail.Message{}, mail.Path(s))})
		if err != nil {
			return
		}
		rest, ok := strings.CutPrefix(path, "/srv/mail/")
		parts := strings.Split(rest, "/")
		if !ok || len(parts) != 3 || base != "/srv/mail" || filepath.Clean(path) != path || strings.ContainsAny(path, "\x00\r\n") {
			t.Errorf("%q makes %q below %q", s, path, base)
		}
		for _, name := range parts {
			if name == "" || name[0] == '.' || len(name) > 255 {
				t.Errorf("%q makes the name %q", s, name)
			}
		}
	})
}
