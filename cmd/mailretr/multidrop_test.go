package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// A parcel is one mail as a provider stores it for one recipient.
type parcel struct {
	to     string // the envelope field has it
	id     string // of the provider's Received
	no     string // Message-ID
	body   string
	top    string // above the provider's Received, with line ends
	below  string // fields below it, with line ends
	nohops bool   // no Received at all
}

func (p parcel) octets() []byte {
	received := "Received: from out.example.org (out.example.org [192.0.2.7])\r\n\tby mx.isp.example (Postfix) with ESMTPS id " +
		p.id + ";\r\n\tWed,  4 Nov 2026 10:11:12 +0200 (SAST)\r\n"
	if p.nohops {
		received = ""
	}
	return []byte("Return-Path: <sender@example.org>\r\nX-Original-To: " + p.to + "\r\nDelivered-To: <" + p.to + ">\r\n" + p.top + received + p.below +
		"From: a@example.org\r\nTo: list@example.org\r\nSubject: " + p.no + "\r\nMessage-ID: <" + p.no + ">\r\n\r\n" + p.body)
}

// filler is a body of at least n octets that is no other one's.
func filler(word string, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%s, line %d of this body\r\n..and one that begins with a dot\r\n", word, i)
	}
	return b.String()
}

// A catchall is a multi-drop maildrop, and what came of it.
type catchall struct {
	*testing.T
	pop    *fetchtest.POP3
	mta    *relaytest.MTA
	config string
}

func newCatchall(t *testing.T, multidrop string) *catchall {
	dir := t.TempDir()
	c := &catchall{T: t, pop: fetchtest.NewPOP3(t), mta: relaytest.New(t, relaytest.Script{
		Answer: func(s relaytest.Step) relaytest.Answer {
			if s.Verb == "RCPT" && strings.Contains(s.Line, "nobody@") {
				return relaytest.Answer{Reply: "550 5.1.1 no such user"}
			}
			return relaytest.Answer{}
		},
	}), config: filepath.Join(dir, "mailretr.yaml")}
	write(t, c.config, `hostname: mail.kroon.co.za
state: state
socket: run/s
deliver: {smtp: "`+c.mta.Address()+`"}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
maildrops:
  - name: catchall
    url: "pop3://jaco@`+c.pop.Listen(t)+`"
    tls: none
    password: secret
    after: delete
    multidrop: {`+multidrop+`}
`)
	return c
}

func (c *catchall) poll() {
	c.Helper()
	if code, out, talk := call(c.T, "poll", "--config", c.config); code != exOK && code != exTempFail {
		c.Fatalf("poll ended with %d: %s%s", code, out, talk)
	}
}

// got are the recipients of each delivery of a mail, in order; what was delivered has to be one of the parcels, octet
// for octet behind our Received.
func (c *catchall) got(no string, from []parcel) (to []string) {
	c.Helper()
	for _, m := range c.mta.Mails() {
		data := string(m.Data)
		if !strings.Contains(data, "Message-ID: <"+no+">") || m.From == "" {
			continue // a DSN has it too
		}
		i := strings.Index(data, "X-Original-To:")
		if !slices.ContainsFunc(from, func(p parcel) bool {
			return i >= 0 && "Return-Path: <sender@example.org>\r\n"+data[i:] == string(p.octets())
		}) {
			c.Errorf("%s: what was delivered is nothing that was upstream:\n%.900s", no, data)
		}
		var all []string
		for _, r := range m.To {
			all = append(all, string(r.Path))
		}
		// Each gets the header of his own copy: that of another one tells who else got the mail.
		if p, _, _ := strings.Cut(data[max(i, 0):], "\r\n"); len(all) == 1 && !strings.Contains(p, all[0]) {
			c.Errorf("%s: %v gets the copy of %s", no, all, p)
		}
		to = append(to, strings.Join(all, "+"))
	}
	slices.Sort(to)
	return to
}

const (
	original = "envelope: X-Original-To, domains: [kroon.co.za]"
	large    = 1 << 20
)

// One mail for several recipients, which the provider has stored once for each: the body crosses the line once, and
// each gets the mail once, with his own header. So it is in a session with other mail, and in one of its own.
func TestCopiesCrossTheLineOnce(t *testing.T) {
	for name, size := range map[string]int{"medium": 100 << 10, "large": large + 5000} {
		t.Run(name, func(t *testing.T) {
			c := newCatchall(t, original)
			var all []parcel
			for _, to := range []string{"jaco@kroon.co.za", "anna.long.name@kroon.co.za", "i@kroon.co.za"} {
				all = append(all, parcel{to: to, id: "4Xy1", no: "one", body: filler("one", size)})
			}
			other := []parcel{{to: "jaco@kroon.co.za", id: "4Xy2", no: "two", body: filler("two", size)},
				{to: "anna@kroon.co.za", id: "4Xy3", no: "three", body: filler("thr", size)}}
			foreign := parcel{to: "x@elsewhere.example", id: "4Xy1", no: "one", body: filler("one", size)}
			c.pop.Put(other[0].octets(), all[0].octets(), all[1].octets(), other[1].octets(), foreign.octets(), all[2].octets())
			c.poll()
			if got := c.got("one", all); !slices.Equal(got, []string{"anna.long.name@kroon.co.za", "i@kroon.co.za", "jaco@kroon.co.za"}) {
				t.Errorf("the mail went to %q", got)
			}
			if a, b := c.got("two", other), c.got("three", other); len(a) != 1 || len(b) != 1 {
				t.Errorf("other mail went to %q and %q", a, b)
			}
			if n := c.pop.Count("RETR"); n != 3 {
				t.Errorf("%d bodies on the line: %q", n, c.pop.Log())
			}
			if n := crowded(c.pop.Log()); (n > 1) != (name == "medium") {
				t.Errorf("%d bodies in one session: %q", n, c.pop.Log())
			}
			if left := c.pop.Left(); len(left) != 1 || string(left[0]) != string(foreign.octets()) {
				t.Errorf("%d are left", len(left))
			}
			_, out, _ := call(t, "status", "--json", "catchall", "--config", c.config)
			if !strings.Contains(out, `"envelope"`) || !strings.Contains(out, "names no recipient of ours") {
				t.Errorf("the status does not say what stays, and why: %s", out)
			}
		})
	}
}

// crowded is the largest number of bodies that one session has fetched.
func crowded(log []string) (most int) {
	n := 0
	for _, l := range log {
		switch {
		case strings.HasPrefix(l, "RETR"):
			n++
		case l == "QUIT":
			n = 0
		}
		most = max(most, n)
	}
	return most
}

// Where each copy names all recipients, each of them gets the mail once all the same: large or small.
func TestCopiesThatNameEverybody(t *testing.T) {
	for name, size := range map[string]int{"small": 500, "medium": 100 << 10, "large": large + 5000} {
		t.Run(name, func(t *testing.T) {
			c := newCatchall(t, original)
			const both = "jaco@kroon.co.za, anna@kroon.co.za"
			p := []parcel{
				{to: both, id: "4Xy1", no: "one", body: filler("one", size)},
				{to: both, id: "4Xy1", no: "one", body: filler("one", size)},
				{to: both + ", third@kroon.co.za", id: "4Xy1", no: "one", body: filler("one", size)},
			}
			c.pop.Put(p[0].octets(), p[1].octets(), p[2].octets())
			c.poll()
			if got := strings.Join(c.got("one", p), " "); got != "jaco@kroon.co.za+anna@kroon.co.za third@kroon.co.za" {
				t.Errorf("the mail went to %q", got)
			}
			if len(c.pop.Left()) != 0 {
				t.Errorf("%d are left", len(c.pop.Left()))
			}
			c.poll()
			if n := len(c.mta.Mails()); n != 2 {
				t.Errorf("%d deliveries", n)
			}
		})
	}
}

// TestS5_NotBelievedToBeCopies: what only looks like a copy is collected by itself, and reaches whom it is for.
func TestS5_NotBelievedToBeCopies(t *testing.T) {
	one := parcel{to: "jaco@kroon.co.za", id: "4Xy1", no: "one", body: filler("the true body", 100<<10)}
	forged := parcel{to: "anna@kroon.co.za", id: "4Xy1", no: "one", body: filler("a false bo dy", 100<<10)}
	with := func(p parcel, f func(*parcel)) parcel { f(&p); return p }
	mallory := "Received: from out.example.org (out.example.org [192.0.2.7])\r\n\tby mx.isp.example (Postfix) with ESMTPS id 4Xy1;\r\n" +
		"\tWed,  4 Nov 2026 10:11:12 +0200 (SAST)\r\n"
	for name, x := range map[string]struct {
		multidrop string
		p         []parcel
	}{
		"switched off":                     {original + ", copies: each", []parcel{one, with(one, func(p *parcel) { p.to = forged.to })}},
		"another id of the provider":       {original, []parcel{one, with(forged, func(p *parcel) { p.id = "4Xy2" })}},
		"another Message-ID":               {original, []parcel{one, with(forged, func(p *parcel) { p.no = "one2" })}},
		"another size":                     {original, []parcel{one, with(forged, func(p *parcel) { p.body += "x\r\n" })}},
		"no Received":                      {original, []parcel{with(one, func(p *parcel) { p.nohops = true }), with(forged, func(p *parcel) { p.nohops = true })}},
		"a field more below":               {original, []parcel{one, with(forged, func(p *parcel) { p.below = "X-Spam: yes\r\n" })}},
		"his own Received, below":          {original, []parcel{one, with(forged, func(p *parcel) { p.id, p.below = "4Xy2", mallory })}},
		"his own Received, by a host":      {original + ", copies: Received by mx.isp.example", []parcel{one, with(forged, func(p *parcel) { p.id, p.below = "4Xy2", mallory })}},
		"for each copy another hop on top": {original, []parcel{with(one, func(p *parcel) { p.top = "Received: by s.isp.example id 1; x\r\n" }), with(forged, func(p *parcel) { p.top = "Received: by s.isp.example id 2; x\r\n" })}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCatchall(t, x.multidrop)
			for _, p := range x.p {
				c.pop.Put(p.octets())
			}
			c.poll()
			got := append(c.got("one", x.p), c.got("one2", x.p)...)
			slices.Sort(got)
			if !slices.Equal(got, []string{"anna@kroon.co.za", "jaco@kroon.co.za"}) || c.pop.Count("RETR") != 2 {
				t.Errorf("%d bodies, for %q", c.pop.Count("RETR"), got)
			}
			for _, m := range c.mta.Mails() {
				i := slices.IndexFunc(x.p, func(p parcel) bool { return p.to == string(m.To[0].Path) })
				if !strings.HasSuffix(string(m.Data), x.p[i].body) {
					t.Errorf("%v gets another one's body", m.To)
				}
			}
		})
	}
}

// Where the provider hands mail on inside, with a hop of its own for each copy, the field that counts is named.
func TestCopiesBehindAHop(t *testing.T) {
	for _, which := range []string{"Received 2", "Received by mx.isp.example", "Received by *.example"} {
		c := newCatchall(t, "envelope: Received by store.isp, domains: [kroon.co.za], copies: "+which)
		var p []parcel
		for _, to := range []string{"jaco@kroon.co.za", "anna@kroon.co.za"} {
			hop := "Received: from mx.isp.example by store.isp with LMTP id " + to[:2] + " for <" + to + ">; Wed, 4 Nov 2026 10:11:13 +0200\r\n"
			p = append(p, parcel{to: to, id: "4Xy1", no: "one", body: filler("one", 100<<10), top: hop})
		}
		c.pop.Put(p[0].octets(), p[1].octets())
		c.poll()
		if got := c.got("one", p); len(got) != 2 || c.pop.Count("RETR") != 1 {
			t.Errorf("%s: %d bodies, for %q", which, c.pop.Count("RETR"), got)
		}
	}
}

// A server whose sizes are wrong, or whose mail has to be mended, gets no copies out of us, and loses nothing.
func TestCopiesOfWrongSize(t *testing.T) {
	for name, size := range map[string]int{"medium": 100 << 10, "large": large + 5000} {
		t.Run(name, func(t *testing.T) {
			c := newCatchall(t, original)
			var p []parcel
			for _, to := range []string{"jaco@kroon.co.za", "anna@kroon.co.za"} {
				one := parcel{to: to, id: "4Xy1", no: "one", body: filler("one", size)}
				p = append(p, one)
				c.pop.Add(&fetchtest.Mail{Octets: one.octets(), Size: int64(len(one.octets()) + 7)})
			}
			c.poll()
			if got := c.got("one", p); !slices.Equal(got, []string{"anna@kroon.co.za", "jaco@kroon.co.za"}) ||
				len(c.pop.Left()) != 0 || c.pop.Count("RETR") != 2 {
				t.Errorf("for %q, %d bodies, %d are left", got, c.pop.Count("RETR"), len(c.pop.Left()))
			}
		})
	}
}

// The MTA refuses the recipient of one copy: its sender is told, the other gets the mail.
func TestCopiesOneRefused(t *testing.T) {
	c := newCatchall(t, original)
	var p []parcel
	for _, to := range []string{"nobody@kroon.co.za", "anna@kroon.co.za", "i@kroon.co.za"} {
		one := parcel{to: to, id: "4Xy1", no: "one", body: filler("one", large+5000)}
		p = append(p, one)
		c.pop.Put(one.octets())
	}
	c.poll()
	if got := c.got("one", p); !slices.Equal(got, []string{"anna@kroon.co.za", "i@kroon.co.za"}) || c.pop.Count("RETR") != 1 {
		t.Errorf("for %q, %d bodies", got, c.pop.Count("RETR"))
	}
	if n := len(c.pop.Left()); n != 0 {
		t.Errorf("%d are left", n)
	}
	if n := len(c.mta.Mails()); n != 3 {
		t.Errorf("%d messages, where two and a DSN are due", n)
	}
}

// serve opens the house of a catchall; visit collects once and delivers what is due.
func (c *catchall) serve() (d *serving, visit func()) {
	h := &home{c.T, c.config}
	d = h.open()
	c.Cleanup(func() {
		if err := d.close(); err != nil {
			c.Error(err)
		}
	})
	d.poller.Set(c.Context(), d.drops())
	return d, func() {
		c.Helper()
		for _, v := range d.poller.Poll(c.Context(), "catchall") {
			if v.Err != nil {
				c.Fatal(v.Err)
			}
		}
		if err := d.runner.Pass(c.Context()); err != nil {
			c.Fatal(err)
		}
	}
}

// TestCopiesOfAnotherSession: a copy may be stored when the first was collected already, and delivered. Then who has the
// mail does not get it again; its body crosses the line once more only if somebody still needs it.
func TestCopiesOfAnotherSession(t *testing.T) {
	for name, size := range map[string]int{"small": 500, "medium": 100 << 10, "large": large + 5000} {
		t.Run(name, func(t *testing.T) {
			c := newCatchall(t, original)
			d, visit := c.serve()
			const both = "jaco@kroon.co.za, anna@kroon.co.za"
			p := []parcel{{to: both}, {to: both}, {to: both + ", third@kroon.co.za"}, {to: "third@kroon.co.za"}}
			want := []string{"jaco@kroon.co.za+anna@kroon.co.za", "", "third@kroon.co.za", ""}
			for i := range p {
				p[i].id, p[i].no, p[i].body = "4Xy1", "one", filler("one", size)
				had := len(c.mta.Mails())
				c.pop.Put(p[i].octets())
				visit()
				got := ""
				if all := c.got("one", p); len(all) > 0 && len(c.mta.Mails()) > had {
					got = all[len(all)-1]
				}
				if got != want[i] || len(c.pop.Left()) != 0 {
					t.Errorf("copy %d went to %q, want %q; %d are left", i, got, want[i], len(c.pop.Left()))
				}
			}
			if n, most := c.pop.Count("RETR"), map[bool]int{true: 4, false: 2}[name == "small"]; n != most {
				t.Errorf("%d bodies crossed the line: %q", n, c.pop.Log())
			}
			// Who has the mark forgotten wants the mail again.
			c.pop.Clear()
			c.pop.Add(&fetchtest.Mail{Octets: p[0].octets(), UID: "uid-1"})
			if err := d.queue.Forget(t.Context(), d.drops()[0].Account, []mail.UID{"uid-1"}); err != nil {
				t.Fatal(err)
			}
			visit()
			if got := strings.Join(c.got("one", p), " "); strings.Count(got, both[:5]) != 2 {
				t.Errorf("what was asked for again went to %q", got)
			}
		})
	}
}

// TestCopiesOfWhatWaits: while the first waits in the queue its octets are here.
func TestCopiesOfWhatWaits(t *testing.T) {
	c := newCatchall(t, original)
	c.mta.Close()
	_, visit := c.serve()
	for _, to := range []string{"jaco", "anna", "third"} {
		c.pop.Put(parcel{to: to + "@kroon.co.za", id: "4Xy1", no: "one", body: filler("one", large+5000)}.octets())
		visit()
	}
	if n := c.pop.Count("RETR"); n != 1 || len(c.pop.Left()) != 0 {
		t.Errorf("%d bodies crossed the line, %d are left", n, len(c.pop.Left()))
	}
}

// TestReloadReadsTheMap: who gets mail is what the map's file says now, and a file with a mistake stops its maildrop alone.
func TestReloadReadsTheMap(t *testing.T) {
	h := newHome(t)
	h.to(short(relaytest.New(t, relaytest.Script{})))
	b, err := os.ReadFile(h.path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "to: jaco@kroon.co.za", "multidrop: {envelope: X-To, domains: [kroon.co.za], map: {file: map}}", 1)
	write(t, h.path, strings.Replace(text, "enabled: false", "poll: 1h", 1))
	list := filepath.Join(filepath.Dir(h.path), "map")
	write(t, list, "info@kroon.co.za anna@kroon.co.za\n")
	d := h.open()
	defer h.deliver(d)()
	for _, c := range []struct{ file, want string }{
		{"", "anna@kroon.co.za"}, {"info@kroon.co.za jaco@kroon.co.za boss@kroon.co.za\n", "jaco@kroon.co.za boss@kroon.co.za"},
		{"info\n", "no maildrop"}, {"# nobody\n", "info@kroon.co.za"},
	} {
		if c.file != "" {
			write(t, list, c.file)
			if err := d.reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got := []string{}
		if drops := d.drops(); len(drops) == 0 {
			got = append(got, "no maildrop")
		} else {
			m := &mail.Message{Content: file("X-To: info@kroon.co.za\r\n\r\n")}
			if err := drops[0].Resolve(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			for _, r := range m.Envelope.Recipients {
				got = append(got, string(r.Forward))
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: %q, want %s", c.file, got, c.want)
		}
	}
}
