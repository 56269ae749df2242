//go:build interop

package test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailretr/store"
	"mailretr/store/badger"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// What Dovecot says that it can, by what is missing. Everything is still there; who does not know cannot use
// it.
var dovecotCaps = map[string]string{
	"everything": "",
	"no MOVE": "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ ESEARCH UIDPLUS LIST-EXTENDED CHILDREN NAMESPACE " +
		"LIST-STATUS SPECIAL-USE",
	"neither UIDPLUS nor MOVE": "IMAP4rev1 LITERAL+ LIST-EXTENDED SPECIAL-USE",
	"an old server":            "IMAP4rev1",
}

const specialFolders = `
namespace inbox {
  inbox = yes
  mailbox Werbung {
    special_use = \Junk
    auto = create
  }
  mailbox Ablage {
    special_use = \Archive
    auto = create
  }
  mailbox Gesendet {
    special_use = \Sent
    auto = create
  }
}
`

// dovecotThatCan starts one with special folders; without: what is missing.
func dovecotThatCan(t *testing.T, without string) *real.Dovecot {
	extra := specialFolders
	if caps := dovecotCaps[without]; caps != "" {
		extra += "protocol imap {\n  imap_capability = " + caps + "\n}\n"
	}
	return real.StartDovecotAs(t, real.Setup{Extra: extra})
}

// folderConf is a configuration; settings are more lines of the maildrop.
func folderConf(d *real.Dovecot, e *real.Exim, settings ...string) string {
	return fmt.Sprintf(`
deliver: {smtp: "localhost:%d"}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
queue: {retry: [1s]}
maildrops:
  - name: jaco
    url: imaps://jaco@localhost:%d
    tls: {ca: %s}
    password: {file: @DIR@/pass}
    to: jaco@kroon.co.za
    %s
`, e.Port, d.IMAPS, d.CAFile, strings.Join(settings, "\n    "))
}

// collects makes one visit and returns what the status then remarks.
func (p *program) collects(yaml string) (remarks string) {
	p.t.Helper()
	p.configure(yaml)
	if out, talk, code := p.run("poll", "jaco"); code != 0 {
		p.t.Fatalf("poll ended with %d: %s%s", code, out, talk)
	}
	for _, line := range p.lines("status", "jaco") {
		all, _ := line["remarks"].([]any)
		for _, r := range all {
			remarks += fmt.Sprintln(r.(map[string]any)["text"])
		}
	}
	return remarks
}

// subjects returns the subjects of what was delivered to somebody, sorted.
func subjects(e *real.Exim, to string) (all []string) {
	for _, m := range e.Delivered(to) {
		_, s, _ := strings.Cut(m, "Subject: ")
		s, _, _ = strings.Cut(s, "\n")
		all = append(all, strings.TrimSpace(s))
	}
	slices.Sort(all)
	return all
}

// TestFoldersOfDovecot: patterns, special uses whatever their names are, a name that is not ASCII, and a
// folder with a recipient of its own; what was collected is moved to a folder that is made for it, what is
// not meant is not touched, and nothing comes twice. With and without what makes it easy.
func TestFoldersOfDovecot(t *testing.T) {
	for without := range dovecotCaps {
		t.Run(without, func(t *testing.T) {
			d, e := dovecotThatCan(t, without), real.StartExim(t, real.Rules{})
			put := func(folder, flags, subject string) {
				d.PutIn("jaco", folder, flags, []byte(text(uint64(len(subject)), subject, 3000)))
			}
			put("", "", "one")
			put("", "S", "two, read by somebody")
			put("Lists.a", "", "list")
			put("Lists.Entw&APw-rfe", "", "umlaut")
			put("Lists.old", "", "excluded")
			put("Werbung", "", "junk")
			put("Gesendet", "S", "sent")
			settings := []string{`folders: [INBOX, {name: "Lists.*", to: lists@kroon.co.za}, {exclude: Lists.old}]`, `after: {move: Fertig}`}
			if without != "an old server" { // which does not say what Werbung is
				settings[0] = strings.Replace(settings[0], "INBOX", `INBOX, {name: \Junk, to: spam@kroon.co.za}`, 1)
			}
			p := newProgram(t, folderConf(d, e))
			for range 2 {
				if r := p.collects(folderConf(d, e, settings...)); r != "" {
					t.Errorf("remarks: %s", r)
				}
			}
			want := map[string][]string{"jaco": {"one", "two, read by somebody"}, "lists": {"list", "umlaut"}, "spam": {"junk"}}
			moved := []string{"junk", "list", "one", "two, read by somebody", "umlaut"}
			if without == "an old server" {
				want["spam"], moved = nil, moved[1:]
			}
			for to, all := range want {
				if got := subjects(e, to); !slices.Equal(got, all) {
					t.Errorf("%s got %q, want %q", to, got, all)
				}
			}
			if got := slices.Sorted(maps.Keys(d.In("jaco", "Fertig"))); !slices.Equal(got, moved) {
				t.Errorf("moved %q, want %q", got, moved)
			}
			if d.In("jaco", "Fertig")["one"] != "" || d.In("jaco", "Fertig")["two, read by somebody"] != "S" {
				t.Errorf("flags: %q", d.In("jaco", "Fertig"))
			}
			if len(d.In("jaco", ""))+len(d.In("jaco", "Lists.a")) != 0 || len(d.In("jaco", "Lists.old")) != 1 ||
				len(d.In("jaco", "Gesendet")) != 1 {
				t.Errorf("left: %q %q %q", d.In("jaco", ""), d.In("jaco", "Lists.old"), d.In("jaco", "Gesendet"))
			}
		})
	}
}

// TestForeignMailIsSpared: mail that somebody else has marked as deleted, and that is not ours, is never
// expunged. Where the server could only expunge it together with ours, ours waits, and the status says so.
func TestForeignMailIsSpared(t *testing.T) {
	for without := range dovecotCaps {
		for name, after := range map[string]string{"delete": "delete", "move": "{move: Fertig}"} {
			t.Run(without+" "+name, func(t *testing.T) {
				d, e := dovecotThatCan(t, without), real.StartExim(t, real.Rules{})
				d.PutIn("jaco", "", "T", []byte(text(1, "foreign", 3000)))
				conf := folderConf(d, e, "first: new", "after: "+after)
				p := newProgram(t, conf)
				p.collects(conf) // the foreign one was there before
				d.PutIn("jaco", "", "", []byte(text(2, "ours", 3000)))
				stuck := strings.HasPrefix(without, "neither") || without == "an old server"
				for range 2 {
					remarks := p.collects(conf)
					if in := d.In("jaco", ""); in["foreign"] != "T" || (in["ours"] == "T") != stuck || len(in) > 1 != stuck ||
						strings.Contains(remarks, "somebody else has marked") != stuck {
						t.Errorf("in INBOX %q; %s", in, remarks)
					}
				}
				d.Flag("jaco", "", "foreign", "S") // somebody has thought better of it
				if remarks := p.collects(conf); remarks != "" {
					t.Errorf("remarks: %s", remarks)
				}
				in := d.In("jaco", "")
				if _, there := in["foreign"]; !there || len(in) != 1 || len(subjects(e, "jaco")) != 1 {
					t.Errorf("in INBOX %q, delivered %q", in, subjects(e, "jaco"))
				}
				if n := len(d.In("jaco", "Fertig")); n != map[bool]int{true: 1}[after != "delete"] {
					t.Errorf("%d are moved", n)
				}
			})
		}
	}
}

// age makes the marks of a maildrop older, as time would.
func (p *program) age(d *real.Dovecot, days int32) {
	p.t.Helper()
	ctx := context.Background()
	e, err := badger.Open(ctx, badger.Options{Dir: filepath.Join(p.dir, "state"), Ballast: -1})
	if err != nil {
		p.t.Fatal(err)
	}
	b := &store.Batch{}
	for s, err := range e.AllMarks(ctx, mail.AccountOf("imap", "localhost", "jaco")) {
		if err != nil || s.UID == "" {
			p.t.Fatal(s, err)
		}
		s.Account = mail.AccountOf("imap", "localhost", "jaco")
		s.Day -= days
		b.Seen = append(b.Seen, s)
	}
	if err := e.Commit(ctx, b); err != nil {
		p.t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// TestLaterAtDovecot: what is to go after some days, or above a size, goes then and not before; what was
// collected while it was kept waits for somebody's word.
func TestLaterAtDovecot(t *testing.T) {
	d, e := dovecotThatCan(t, "everything"), real.StartExim(t, real.Rules{})
	d.PutIn("jaco", "", "", []byte(text(1, "small", 3000)))
	d.PutIn("jaco", "", "", []byte(text(2, "large", 90000)))
	conf := func(after string) string { return folderConf(d, e, after) }
	p := newProgram(t, conf("after: seen"))
	check := func(what, want string, remarks string, word bool) {
		t.Helper()
		got := []string{}
		for s, flags := range d.In("jaco", "") {
			got = append(got, s+flags)
		}
		if slices.Sort(got); strings.Join(got, " ") != want || strings.Contains(remarks, "seen accept --kept jaco") != word {
			t.Errorf("%s: %q, want %q; remarks %q", what, got, want, remarks)
		}
	}
	check("seen", "largeS smallS", p.collects(conf("after: seen")), false)
	check("delete after seen", "largeS smallS", p.collects(conf("after: delete")), true)
	if out, talk, code := p.run("seen", "accept", "--kept", "jaco"); code != 0 {
		t.Fatal(out, talk)
	}
	const above = "after: delete above 50K after 14d"
	check("above, too early", "largeS smallS", p.collects(conf(above)), false)
	p.age(d, 14)
	check("above, on the fourteenth day", "largeS smallS", p.collects(conf(above)), false)
	p.age(d, 1)
	check("above, after 14 whole days", "smallS", p.collects(conf(above)), false)
	check("delete", "", p.collects(conf("after: delete")), false)
	if got := subjects(e, "jaco"); len(got) != 2 {
		t.Errorf("delivered %q", got)
	}
}

// TestSearchAtDovecot: a filter, with letters beyond ASCII, lets through what the server finds.
func TestSearchAtDovecot(t *testing.T) {
	for _, without := range []string{"everything", "an old server"} {
		d, e := dovecotThatCan(t, without), real.StartExim(t, real.Rules{})
		for i, s := range []string{"news", "Rückmeldung", "read"} {
			d.PutIn("jaco", "", map[bool]string{true: "S"}[s == "read"], []byte(text(uint64(i), s, 3000)))
		}
		conf := folderConf(d, e, `search: 'UNSEEN OR SUBJECT "Rückmeldung" LARGER 100000 SINCE 1-Jan-2020'`, "after: delete")
		p := newProgram(t, conf)
		for range 2 {
			if r := p.collects(conf); r != "" {
				t.Error(r)
			}
		}
		if got, left := subjects(e, "jaco"), d.In("jaco", ""); len(got) != 1 || got[0] != "Rückmeldung" || len(left) != 2 {
			t.Errorf("%s: delivered %q, left %q", without, got, left)
		}
	}
}

// TestLabelsAtDovecot: a server that says it is like Gmail shows one message under two labels. It is
// delivered once, for the first of them, its body crosses the line once, and it goes from both.
func TestLabelsAtDovecot(t *testing.T) {
	const size = 200_000
	gmail := "\nprotocol imap {\n  imap_capability = " + dovecotCaps["no MOVE"] + " MOVE X-GM-EXT-1\n}\n"
	d := real.StartDovecotAs(t, real.Setup{Extra: specialFolders + gmail})
	e, l := real.StartExim(t, real.Rules{}), real.StartLine(t, d.IMAPS, 0)
	both := []byte(text(1, "both", size))
	d.PutIn("jaco", "", "", both)
	d.PutIn("jaco", "Lists.a", "", both)
	d.PutIn("jaco", "Lists.a", "", []byte(text(2, "list", 3000)))
	d.IMAPS = l.Port
	conf := folderConf(d, e, "folders: [INBOX, {name: Lists.*, to: lists@kroon.co.za}]", "after: delete")
	p := newProgram(t, conf)
	for range 3 {
		if r := p.collects(conf); r != "" {
			t.Error(r)
		}
	}
	if a, b := subjects(e, "jaco"), subjects(e, "lists"); !slices.Equal(a, []string{"both"}) || !slices.Equal(b, []string{"list"}) {
		t.Errorf("jaco got %q, the list %q", a, b)
	}
	if n := len(d.In("jaco", "")) + len(d.In("jaco", "Lists.a")); n != 0 {
		t.Errorf("%d are left", n)
	}
	if n := l.Octets(); n > size*12/10 {
		t.Errorf("%d octets on the line for %d", n, size)
	}
}
