//go:build interop

package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mailretr/fetch/imap"
	"mailretr/relay/wire"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// imapAt is a retriever for a user of a Dovecot, over a line that counts, by TLS as the daemon configures it.
func imapAt(t *testing.T, d *real.Dovecot, user string, change func(*imap.Options)) (*imap.Retriever, *real.Line) {
	l := real.StartLine(t, d.IMAPS, 0)
	o := imap.Options{
		User: user, Memory: &imap.Memory{},
		Password: func(context.Context) (string, error) { return "secret", nil },
		Dial: wire.Options{
			Address: fmt.Sprintf("localhost:%d", l.Port),
			TLS: wire.TLS{Mode: wire.Implicit, CAFile: d.CAFile, Classic: true,
				Sessions: &wire.Sessions{}},
		},
	}
	if change != nil {
		change(&o)
	}
	return &imap.Retriever{Options: o}, l
}

// visit is a session that looks whether something is new, and lists it if there is.
func visit(t *testing.T, r *imap.Retriever, last string) (now string, uids []mail.UID) {
	t.Helper()
	d, err := r.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := d.(mail.Glancer)
	if now, err = g.Glance(t.Context()); err != nil || now == "" {
		t.Fatalf("glance %q, %v", now, err)
	}
	ok := now == last
	if !ok && last != "" {
		if uids, ok, err = g.Since(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	if !ok {
		if uids, _, err = d.List(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return now, uids
}

// TestEmptyIMAPPoll: what a poll costs by TLS that finds nothing, of an empty maildrop and of one in which
// 10,000 messages are kept, with gaps in their numbers.
func TestEmptyIMAPPoll(t *testing.T) {
	d := real.StartDovecot(t)
	d.User("empty")
	for i := range 10_000 {
		d.Put("kept", []byte(fmt.Sprintf("Subject: %d\n\nkept\n", i)))
	}
	for _, user := range []string{"empty", "kept"} {
		r, l := imapAt(t, d, user, nil)
		glance, uids := visit(t, r, "")
		t.Logf("%s: the first session, with a listing of %d, costs %d octets", user, len(uids), l.Octets())
		visit(t, r, glance)
		before := l.Octets()
		now, uids := visit(t, r, glance)
		cost := l.Octets() - before
		t.Logf("%s: an empty poll by TLS costs %d octets", user, cost)
		if now != glance || len(uids) > 0 || cost > 2200 {
			t.Errorf("%s: glance %q, then %q; %d new, %d octets", user, glance, now, len(uids), cost)
		}
		d.Put(user, []byte("Subject: new\n\nnew\n"))
		before = l.Octets()
		if _, uids = visit(t, r, glance); len(uids) != 1 {
			t.Errorf("%s: %d are new", user, len(uids))
		}
		t.Logf("%s: a poll that finds and lists one costs %d octets", user, l.Octets()-before)
	}
}

// TestResumedIMAP: a line that is cut every 3 MB carries a message of 10 MB with next to no waste.
func TestResumedIMAP(t *testing.T) {
	d := real.StartDovecotAs(t, real.Setup{Extra: compressing})
	want := []byte(text(1, "large", 10<<20))
	d.Put("jaco", want)
	for _, x := range []struct {
		name string
		off  bool
		most float64
	}{{"plain", true, 1.01}, {"compressed", false, 0.7}} {
		t.Run(x.name, func(t *testing.T) {
			r, l := imapAt(t, d, "jaco", func(o *imap.Options) { o.NoCompress = x.off })
			l.CutAfter(3 << 20)
			resumed(t, r, l, want, x.most)
		})
	}
}

func resumed(t *testing.T, r *imap.Retriever, l *real.Line, want []byte, most float64) {
	var got []byte
	sessions := 0
	for whole := false; !whole; sessions++ {
		if sessions == 10 {
			t.Fatalf("%d octets after %d sessions", len(got), sessions)
		}
		got, whole = goOn(t, r, got)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d octets arrived, and they are others", len(got))
	}
	rate := float64(l.Octets()) / float64(len(got))
	t.Logf("%d octets by TLS in %d sessions cost %d on the line: %.4f", len(got), sessions, l.Octets(), rate)
	if rate > most {
		t.Errorf("%.4f of the size on the line", rate)
	}
}

// compressing is what Dovecot needs to offer COMPRESS=DEFLATE.
const compressing = "protocol imap {\n  mail_plugins = zlib imap_zlib\n}\n"

// goOn reads the rest of the only message as far as the line carries it, to the end of a line, as the queue
// keeps it.
func goOn(t *testing.T, r *imap.Retriever, got []byte) ([]byte, bool) {
	drop, err := r.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer drop.Close()
	for m, err := range drop.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if err := drop.(mail.Aheader).Ahead(t.Context(), mail.Whole, []*mail.Message{m}); err != nil {
			t.Fatal(err)
		}
		rest, err := m.Content.(mail.Resumer).OpenAt(t.Context(), int64(len(got)))
		if err != nil {
			t.Fatal(err)
		}
		defer rest.Close()
		b, err := io.ReadAll(rest)
		if got = append(got, b...); err == nil {
			return got, true
		}
	}
	return got[:bytes.LastIndexByte(got, '\n')+1], false
}

// prose is a message of English text, which every Debian has, cut out of it somewhere.
func prose(t *testing.T, i, size int) []byte {
	t.Helper()
	list, err := filepath.Glob("/usr/share/common-licenses/*")
	if err != nil || len(list) == 0 {
		t.Fatal("no licences", err)
	}
	var lines []string
	for _, path := range list {
		if b, err := os.ReadFile(path); err == nil {
			lines = append(lines, strings.Split(string(b), "\n")...)
		}
	}
	m := fmt.Sprintf("From: a@example.org\r\nSubject: text %d\r\nMessage-ID: <%d@example.org>\r\n\r\n", i, i)
	for at := i * 7919; len(m) < size; at++ {
		m += lines[at%len(lines)] + "\r\n"
	}
	return []byte(m)
}

// TestCompressedIMAP: 300 texts of 8 KB from a Dovecot that compresses, by TLS and by STARTTLS, and the same
// without: all are what they were.
func TestCompressedIMAP(t *testing.T) {
	d := real.StartDovecotAs(t, real.Setup{Extra: compressing})
	size := 0
	want := map[string]bool{}
	for i := range 300 {
		b := prose(t, i, 8000)
		d.Put("jaco", b)
		want[string(b)] = true
		size += len(b)
	}
	for _, x := range []struct {
		name string
		mode wire.Mode
		off  bool
		most float64
	}{{"TLS", wire.Implicit, false, 0.34}, {"STARTTLS", wire.StartTLS, false, 0.34}, {"TLS, off", wire.Implicit, true, 1.06}} {
		m := &wire.Meter{}
		r, l := imapAt(t, d, "jaco", func(o *imap.Options) { o.NoCompress, o.Dial.Meter = x.off, m })
		if r.Dial.TLS.Mode = x.mode; x.mode == wire.StartTLS {
			l = real.StartLine(t, d.IMAP, 0)
			r.Dial.Address = fmt.Sprintf("localhost:%d", l.Port)
		}
		if got := collected(t, r); len(got) != 300 || !maps.Equal(got, want) {
			t.Errorf("%s: %d messages, or others than were there", x.name, len(got))
		}
		rate := float64(l.Octets()) / float64(size)
		t.Logf("%s: 300 texts of 8 KB cost %.3f of their size on the line, %d octets spared", x.name, rate, m.Spared.Load())
		if rate > x.most {
			t.Errorf("%s: %.3f of the size", x.name, rate)
		}
	}
}

// collected reads everything that waits, as the daemon does, and returns it.
func collected(t *testing.T, r *imap.Retriever) map[string]bool {
	t.Helper()
	got := map[string]bool{}
	drop, err := r.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ms []*mail.Message
	for m, err := range drop.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	if err := drop.(mail.Aheader).Ahead(t.Context(), mail.Whole, ms); err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		in, err := m.Content.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		got[string(b)] = true
	}
	if err := drop.Close(); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestCompressedByConfiguration: the program lets a server compress unless it is told not to, and counts what
// that saved.
func TestCompressedByConfiguration(t *testing.T) {
	d := real.StartDovecotAs(t, real.Setup{Extra: compressing})
	for _, word := range []string{"auto", "off"} {
		d.Empty("jaco")
		size := int64(0)
		for i := range 50 {
			b := prose(t, i, 8000)
			d.Put("jaco", b)
			size += int64(len(b))
		}
		sink := real.StartSink(t, false, nil)
		line := real.StartLine(t, d.IMAP, 0)
		p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: "imap://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za,
     after: delete, compress: %s}
`, sink.Port, line.Port, word))
		out, errs, code := p.run("poll")
		if code != 0 || d.Count("jaco") != 0 {
			t.Fatalf("%s: exit code %d, %d left: %s%s", word, code, d.Count("jaco"), out, errs)
		}
		status, _, _ := p.run("status", "--json")
		saved := regexp.MustCompile(`"saved":\s*([1-9]\d{4,})`).MatchString(status)
		if down := line.Down.Load(); (down < size/2) != (word == "auto") || saved != (word == "auto") {
			t.Errorf("compress: %s: %d octets came down for %d: %s", word, down, size, status)
		}
	}
}

// renumber gives the folder another UIDVALIDITY, and its messages their numbers in another order.
func renumber(t *testing.T, d *real.Dovecot, user string) {
	t.Helper()
	dir := filepath.Join(d.Dir, "mail", user)
	list, err := filepath.Glob(filepath.Join(dir, "dovecot.index*"))
	if err != nil || len(list) == 0 {
		t.Fatal("Dovecot has no index", err)
	}
	for _, path := range list {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "dovecot-uidlist")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(b), "\n"), "\n")
	head := regexp.MustCompile(` V(\d+) `).ReplaceAllString(lines[0], " V1714 ")
	for i, j := 1, len(lines)-1; i < j; i, j = i+1, j-1 { // the number is the first word of each
		a, x, _ := strings.Cut(strings.TrimSpace(lines[i]), " ")
		b, y, _ := strings.Cut(strings.TrimSpace(lines[j]), " ")
		lines[i], lines[j] = a+" "+y+"\n", b+" "+x+"\n"
	}
	if err := os.WriteFile(path, []byte(head+strings.Join(lines[1:], "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestR13_Renumbered: a folder whose messages all get new numbers costs their headers, and no body a second
// time; what is new among them arrives.
func TestR13_Renumbered(t *testing.T) {
	d := real.StartDovecot(t)
	for i := range 100 {
		d.Put("jaco", prose(t, i, 20_000))
	}
	sink := real.StartSink(t, false, nil)
	line := real.StartLine(t, d.IMAP, 0)
	p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: "imap://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za,
     after: keep}
`, sink.Port, line.Port))
	poll := func(total int64) int64 {
		before := line.Octets()
		if out, errs, code := p.run("poll"); code != 0 {
			t.Fatalf("exit code %d: %s%s", code, out, errs)
		}
		if n := sink.Sum.Messages.Load(); n != total {
			t.Errorf("%d messages arrived, of %d", n, total)
		}
		return line.Octets() - before
	}
	first := poll(100)
	renumber(t, d, "jaco")
	d.Put("jaco", prose(t, 100, 20_000))
	again := poll(101)
	t.Logf("100 messages of 20 KB cost %d octets, and %d when they were numbered anew, with another one", first, again)
	if again > 80_000 {
		t.Errorf("%d octets when they were numbered anew", again)
	}
}

// TestR13_LeftAndRenumbered: what was left at first contact is left as well when it gets new numbers, by both protocols, and
// what has come since is collected.
func TestR13_LeftAndRenumbered(t *testing.T) {
	old := []byte("Received: from a by mx.isp.example; Thu, 1 Jan 2026 00:00:00 +0000\r\n")
	for _, protocol := range []string{"imap", "pop3"} {
		for _, after := range []string{"keep", "delete"} {
			d := real.StartDovecot(t)
			for i := range 30 {
				d.Put("jaco", append(bytes.Clone(old), prose(t, i, 20_000)...))
			}
			sink := real.StartSink(t, false, nil)
			port := map[string]int{"imap": d.IMAP, "pop3": d.POP3}[protocol]
			p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: "%s://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za,
     first: new, after: %s}
`, sink.Port, protocol, port, after))
			poll := func(total int64) {
				if out, errs, code := p.run("poll", "jaco"); code != 0 {
					t.Fatalf("exit code %d: %s%s", code, out, errs)
				}
				if n := sink.Sum.Messages.Load(); n != total {
					t.Errorf("%s, %s: %d messages arrived, of %d", protocol, after, n, total)
				}
			}
			poll(0)
			renumber(t, d, "jaco")
			now := fmt.Appendf(nil, "Received: from a by mx.isp.example; %s\r\n", time.Now().Add(time.Minute).Format(time.RFC1123Z))
			d.Put("jaco", append(now, prose(t, 30, 20_000)...))
			poll(1)
			poll(1)
			if n := d.Count("jaco"); n != 30 && after == "delete" {
				t.Errorf("%s: %d are left", protocol, n)
			}
		}
	}
}
