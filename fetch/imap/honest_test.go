package imap

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// TestR10_Sequences: answers that do not fit the question never put octets under another message's UID.
func TestR10_Sequences(t *testing.T) {
	one, two := string(letterOf(1, "one")), string(letterOf(2, "two"))
	lit := func(n int, uid string, s string) string {
		return fmt.Sprintf("* %d FETCH (UID %s BODY[] {%d}\r\n%s)\r\n", n, uid, len(s), s)
	}
	ok := "TAG OK done\r\n"
	second := lit(2, "2", two) + ok
	unclosed := func(n int) string { return fmt.Sprintf("* 1 FETCH (UID 1 BODY[] {%d}\r\n%s", n, one) }
	seen, late := "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n", strings.Replace(unclosed(len(one)), "UID 1 ", "", 1)
	for name, x := range map[string]struct {
		answer   string
		one, two string // what has to come; "" for a fault
		broken   bool   // the session may end
	}{
		"good":              {answer: lit(1, "1", one) + second, one: one, two: two},
		"the other order":   {answer: lit(2, "2", two) + lit(1, "1", one) + ok, one: one, two: two},
		"another UID":       {answer: lit(1, "9", one) + second, two: two},
		"twice":             {answer: lit(1, "1", one) + lit(1, "1", two) + second, one: one, two: two},
		"UID 0":             {answer: lit(1, "0", one) + second, two: two},
		"expunged":          {answer: "* 1 EXPUNGE\r\n" + lit(1, "2", two) + ok, two: two},
		"EXPUNGE 0":         {answer: "* 0 EXPUNGE\r\n" + lit(1, "1", one) + second, one: one, two: two},
		"EXISTS":            {answer: "* 4294967295 EXISTS\r\n" + lit(1, "1", one) + second, one: one, two: two},
		"NIL":               {answer: "* 1 FETCH (UID 1 BODY[] NIL)\r\n" + second, two: two},
		"no body":           {answer: "* 1 FETCH (UID 1)\r\n" + second, two: two},
		"NO":                {answer: lit(2, "2", two) + "TAG NO some are gone\r\n", two: two},
		"nothing":           {answer: ok},
		"flag update first": {answer: seen + lit(1, "1", one) + second, one: one, two: two},
		"body before UID":   {answer: late + " UID 1)\r\n" + second, two: two},
		"part of it":        {answer: "* 1 FETCH (UID 1 BODY[1] {3}\r\nabc)\r\n" + second, two: two},
		"partial":           {answer: "* 1 FETCH (UID 1 BODY[]<0> {3}\r\nabc)\r\n" + second, two: two},
		"header":            {answer: "* 1 FETCH (UID 1 BODY[HEADER] {3}\r\nabc)\r\n" + second, two: two},
		"literal unclosed":  {answer: unclosed(len(one)) + "\r\n" + second, broken: true},
		"short literal":     {answer: unclosed(len(one)-3) + ")\r\n" + ok, broken: true},
		"BAD":               {answer: "TAG BAD what\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.put("INBOX", []byte(one), []byte(two))
			s.on = atBody(func(c *client, tag, args string) { c.say("%s", strings.ReplaceAll(x.answer, "TAG", tag)) })
			r := s.retriever(nil)
			got, err := collect(t.Context(), r)
			if x.broken {
				if err == nil || len(got.octets) > 0 {
					t.Fatalf("nonsense passed: %q, %v", got.octets, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "first", got.octets["INBOX/1714/1"], x.one)
			equal(t, "second", got.octets["INBOX/1714/2"], x.two)
			for u, b := range map[mail.UID]string{"INBOX/1714/1": x.one, "INBOX/1714/2": x.two} {
				if slices.Contains(got.gone, u) != (b != "") {
					t.Errorf("gone is %q", got.gone)
				}
			}
		})
	}
}

// TestR12_UIDs: what names a message is read back exactly, and nothing else is taken for it.
func TestR12_UIDs(t *testing.T) {
	for _, name := range []string{"INBOX", "a/b", "a/1/2", "../../etc/passwd", "", "\xff:", "a//"} {
		f := &folder{name: name, validity: 4294967295}
		u := f.uid(1)
		got, v, n, ok := parseUID(u)
		if name == "" {
			equal(t, "a UID without folder", ok, false)
			continue
		}
		if !ok || got != name || v != f.validity || n != 1 {
			t.Errorf("%q: %q %d %d %v", u, got, v, n, ok)
		}
	}
	for _, u := range []mail.UID{"", "/", "//", "INBOX", "INBOX/1", "INBOX/1/", "INBOX//1",
		"INBOX/0/1", "INBOX/1/0",
		"INBOX/01/1", "INBOX/1/+1", "INBOX/1/-1", "INBOX/1/4294967296", "INBOX/1/1 ", "INBOX/1/1\x00", "/1/1"} {
		if _, _, _, ok := parseUID(u); ok {
			t.Errorf("%q passes", u)
		}
	}
}

// TestR13_UIDValidity: UIDs of an earlier numbering mean nothing, and are neither fetched nor released.
func TestR13_UIDValidity(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"), letterOf(2, "two"))
	r := s.retriever(nil)
	r.Memory = &Memory{}
	if err := open(t, r).Close(); err != nil {
		t.Fatal(err)
	}
	s.folders["INBOX"].validity++
	d := open(t, r)
	old := []mail.UID{"INBOX/1714/1", "INBOX/1714/2"}
	for m := range d.Messages(t.Context(), old) {
		t.Errorf("%v came for a UID of another UIDVALIDITY", m.Origin.UID)
	}
	if err := d.(mail.Releaser).Release(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "left", len(s.left("INBOX")), 2)
	x, err := collect(t.Context(), r)
	if err != nil || len(x.octets) != 2 || x.octets["INBOX/1715/1"] == "" {
		t.Errorf("%v, %v", x.octets, err)
	}
}

// TestR13_NewInTheMiddle: the numbering changes while another folder is read; nothing under the old numbers
// is touched.
func TestR13_NewInTheMiddle(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"))
	s.put("b", letterOf(1, "other"))
	r := s.retriever(nil)
	r.Folders = []string{"INBOX", "b"}
	d := open(t, r)
	ms := messages(t, d)
	s.mu.Lock()
	s.folders["INBOX"].validity++
	s.mu.Unlock()
	_, err := read(t.Context(), ms[0])
	if x := kind(t, "read", err, mail.Protocol); !x.Alone {
		t.Error("the session is said to be over")
	}
	if b, err := read(t.Context(), ms[1]); err != nil || b != string(letterOf(1, "other")) {
		t.Errorf("the other folder: %q, %v", b, err)
	}
	if err := d.(mail.Releaser).Release(t.Context(), []mail.UID{ms[0].Origin.UID}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "left", len(s.left("INBOX")), 1)
}

// TestR16_OddMail: octets are octets.
func TestR16_OddMail(t *testing.T) {
	odd := []string{"", "\r\n", "\n", "x", "no header\r\n", "Subject: \xff\x00\r\n\r\n\x00", ":\r\n :\r\n\r\n",
		"\r\r\n\r\n", "A: b\n\nlf only\n", strings.Repeat("x", 100_000),
		"* 1 FETCH (UID 1 BODY[] {3}\r\n", ")\r\nT7 OK done\r\n"}
	for _, first := range []bool{false, true} {
		s := newServer(t)
		for _, o := range odd {
			s.put("INBOX", []byte(o))
		}
		d := open(t, s.retriever(nil))
		for i, m := range messages(t, d) {
			if first {
				if h, err := m.Content.Header(t.Context()); err != nil || !strings.HasPrefix(odd[i], string(h)) {
					t.Errorf("%q: header %q, %v", clip(odd[i]), h, err)
				}
			}
			if b, err := read(t.Context(), m); err != nil || b != odd[i] {
				t.Errorf("%q: %q, %v", clip(odd[i]), clip(b), err)
			}
			equal(t, "Line", m.Line, int64(len(odd[i])))
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestH3_QuotedPassword: a server that repeats the command it refuses repeats the password as it stands there.
func TestH3_QuotedPassword(t *testing.T) {
	for _, password := range []string{`can"ary`, `can\ary`, `"canary"`, `canary\"`} {
		for _, word := range []string{"NO", "BAD"} {
			s := newServer(t)
			s.caps = idleCaps
			s.on = at("LOGIN", func(c *client, tag, args string) { c.say("%s %s what is LOGIN %s\r\n", tag, word, args) })
			r := s.retriever(nil)
			r.Password = func(context.Context) (string, error) { return password, nil }
			var log strings.Builder
			r.Dial.Trace = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			_, err := collect(t.Context(), r)
			if s := log.String(); strings.Contains(s, "can") || strings.Contains(s, "ary") || !strings.Contains(s, "what is LOGIN") {
				t.Errorf("the trace: %s", s)
			}
			for what, err := range map[string]error{"visit": err, "watch": r.Watch(t.Context(), func() {})} {
				if err == nil || strings.Contains(err.Error(), "can") || strings.Contains(err.Error(), "ary") ||
					!strings.Contains(err.Error(), "***") {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
	}
}

func clip(s string) string { return s[:min(len(s), 40)] }

// TestR17_WordsOfTheServer: one printable line, bounded, and never with the password.
func TestR17_WordsOfTheServer(t *testing.T) {
	for _, said := range []string{"\x1b[2J\x00\xff%s\u202e", strings.Repeat("x", 60_000),
		"LOGIN failed for jaco with secret-canary"} {
		s := newServer(t)
		s.on = at("LOGIN", func(c *client, tag, _ string) {
			c.say("%s NO [AUTHENTICATIONFAILED] %s\r\n", tag, said)
		})
		_, err := collect(t.Context(), s.retriever(nil))
		kind(t, "login", err, mail.Auth)
		text := err.Error()
		if strings.ContainsAny(text, "\x1b\x00\r\n\u202e") || strings.Contains(text, "\xff") || len(text) > 1000 ||
			strings.Contains(text, "canary") {
			t.Errorf("error text %q", text)
		}
	}
}

// TestLoginVerdicts: the response code decides (RFC 5530).
func TestLoginVerdicts(t *testing.T) {
	for said, want := range map[string]mail.Kind{
		"NO [AUTHENTICATIONFAILED] no":     mail.Auth,
		"NO [AUTHORIZATIONFAILED] no":      mail.Auth,
		"NO [EXPIRED] no":                  mail.Auth,
		"NO [CONTACTADMIN] ask":            mail.Auth,
		"NO no":                            mail.Auth,
		"NO [UNAVAILABLE] later":           mail.Busy,
		"NO [INUSE] other session":         mail.Busy,
		"NO [LIMIT] too many":              mail.Busy,
		"NO [ALERT] [UNAVAILABLE] strange": mail.Auth,
		"NO [PRIVACYREQUIRED] tls":         mail.Insecure,
		// What Gmail says, and others in their words; and a lock-out, which is none of these.
		"NO [ALERT] Too many simultaneous connections. (Failure)": mail.Busy,
		"NO Maximum number of sessions reached":                   mail.Busy,
		"NO too many failed attempts in this session":             mail.Auth,
		"BAD what": mail.Protocol,
		"OK":       mail.Local, // goes on, and finds no folder
	} {
		s := newServer(t)
		delete(s.folders, "INBOX")
		s.on = at("LOGIN", func(c *client, tag, _ string) { c.say("%s %s\r\n", tag, said) })
		_, err := collect(t.Context(), s.retriever(nil))
		kind(t, said, err, want)
	}
}

// A setback is what goes wrong at one verb of letting go.
type setback struct {
	verb, answer string // "" and EOF: the connection ends
	caps         string
	fails        bool
}

func setbacks() map[string]setback {
	const old = "IMAP4rev1"
	return map[string]setback{
		"NO to STORE":               {verb: "UID STORE", answer: "TAG NO read only\r\n", fails: true},
		"NO to UID EXPUNGE":         {verb: "UID EXPUNGE", answer: "TAG NO no\r\n", fails: true},
		"BAD to UID EXPUNGE":        {verb: "UID EXPUNGE", answer: "TAG BAD no\r\n", fails: true},
		"end at STORE":              {verb: "UID STORE", fails: true},
		"end at UID EXPUNGE":        {verb: "UID EXPUNGE", fails: true},
		"BYE before UID EXPUNGE":    {verb: "UID EXPUNGE", answer: "* BYE [UNAVAILABLE] restart\r\n", fails: true},
		"end at LOGOUT":             {verb: "LOGOUT", fails: true},
		"OK and nothing gone":       {verb: "UID EXPUNGE", answer: "TAG OK done\r\n"},
		"old: NO to STORE":          {verb: "UID STORE", answer: "TAG NO read only\r\n", caps: old, fails: true},
		"old: NO to EXPUNGE":        {verb: "EXPUNGE", answer: "TAG NO no\r\n", caps: old, fails: true},
		"old: end at EXPUNGE":       {verb: "EXPUNGE", caps: old, fails: true},
		"old: SEARCH without sense": {verb: "UID SEARCH", answer: "* SEARCH 1 1 999\r\nTAG OK\r\n", caps: old},
	}
}

// TestManyDeletions: a thousand messages take their time on a slow line, and are let go of all the same.
func TestManyDeletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		for i := range 1000 {
			s.put("INBOX", letterOf(i, "x"))
		}
		s.on = at("UID EXPUNGE", func(c *client, tag, _ string) {
			for range 1000 {
				c.say("* 1 EXPUNGE\r\n")
				c.flush()
				time.Sleep(100 * time.Millisecond) // of the bubble
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.box.letters = nil
			c.say("%s OK done\r\n", tag)
		})
		took, err := collect(t.Context(), s.retriever(nil))
		if err != nil || len(took.gone) != 1000 {
			t.Errorf("%d are gone, %v", len(took.gone), err)
		}
	})
}

// TestR24_Deletions: whatever goes wrong, only what the server confirmed is said to be gone, nobody else's
// mail goes, and the next session can let go of the rest.
func TestR24_Deletions(t *testing.T) {
	for name, x := range setbacks() {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.caps = x.caps
			s.put("INBOX", letterOf(1, "one"), letterOf(2, "two"), letterOf(3, "foreign"))
			s.folders["INBOX"].letters[2].flags = []string{`\Deleted`} // by somebody else
			on := at(x.verb, func(c *client, tag, args string) {
				if x.verb == "UID SEARCH" && args != "DELETED" {
					c.command(tag, x.verb, args)
					return
				}
				c.say("%s", strings.ReplaceAll(x.answer, "TAG", tag))
				if !strings.Contains(x.answer, "TAG") {
					c.flush()
					c.conn.Close()
				}
			})
			s.on = on
			if x.verb == "EXPUNGE" { // it is sent only when nothing foreign is flagged
				s.folders["INBOX"].letters[2].flags = nil
			}
			r := s.retriever(nil)
			took, err := some(t.Context(), r, 2)
			if (err != nil) != x.fails {
				t.Errorf("Close: %v", err)
			}
			if x.fails && took.gone != nil {
				t.Errorf("gone after a failed Close: %q", took.gone)
			}
			for _, u := range took.gone {
				if strings.Contains(fmt.Sprint(s.uids("INBOX")), strings.TrimPrefix(string(u), "INBOX/1714/")) {
					t.Errorf("%q is said to be gone and is there", u)
				}
			}
			if left := s.left("INBOX"); string(left[len(left)-1]) != string(letterOf(3, "foreign")) {
				t.Error("mail of somebody else is gone")
			}
			s.mu.Lock()
			s.on, s.folders["INBOX"].letters[len(s.folders["INBOX"].letters)-1].flags = nil, nil
			s.mu.Unlock()
			d := open(t, r) // the next session
			if err := d.(mail.Releaser).Release(t.Context(), []mail.UID{"INBOX/1714/1", "INBOX/1714/2"}); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			equal(t, "left at last", len(s.left("INBOX")), 1)
		})
	}
}

func (s *server) uids(folder string) (all []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.folders[folder].letters {
		all = append(all, l.uid)
	}
	return all
}

// some collects the first n messages only.
func some(ctx context.Context, r mail.Retriever, n int) (x taken, err error) {
	d, err := r.Open(ctx)
	if err != nil {
		return x, err
	}
	for m, err := range d.Messages(ctx, nil) {
		if err != nil {
			return x, err
		}
		if n--; n < 0 {
			break
		}
		m.Envelope.Recipients = []mail.Recipient{{Forward: "jaco@example.org"}}
		if _, err := read(ctx, m); err != nil {
			return x, err
		}
		if err := d.Settle(ctx, m, done(m)); err != nil {
			return x, err
		}
	}
	err = d.Close()
	x.gone = d.(mail.Confirmed).Gone()
	return x, err
}

// TestR24_ForeignDeleted: without UIDPLUS, EXPUNGE would take what another client has flagged.
func TestR24_ForeignDeleted(t *testing.T) {
	s := newServer(t)
	s.caps = "IMAP4rev1"
	s.put("INBOX", letterOf(1, "one"), letterOf(2, "foreign"))
	s.folders["INBOX"].letters[1].flags = []string{`\Deleted`}
	var told []string
	r := s.retriever(nil)
	r.Observe = mail.ObserverFunc(func(e mail.Event) { told = append(told, e.Text) })
	x, err := some(t.Context(), r, 1)
	if err != nil || len(x.gone) != 0 || s.saw("EXPUNGE") {
		t.Errorf("gone %q, %v, %q", x.gone, err, s.said())
	}
	equal(t, "left", len(s.left("INBOX")), 2)
	if len(told) != 1 || !strings.Contains(told[0], "somebody else") {
		t.Errorf("told: %q", told)
	}
}

// TestR24_ForeignDeletedMeanwhile: what another client flags between the look and the EXPUNGE cannot be saved, and is told.
func TestR24_ForeignDeletedMeanwhile(t *testing.T) {
	s := newServer(t)
	s.caps = "IMAP4rev1"
	s.put("INBOX", letterOf(1, "one"), letterOf(2, "foreign"))
	s.on = at("EXPUNGE", func(c *client, tag, args string) {
		c.mu.Lock()
		c.folders["INBOX"].letters[1].flags = []string{`\Deleted`}
		c.mu.Unlock()
		c.command(tag, "EXPUNGE", args)
	})
	var told []string
	r := s.retriever(nil)
	r.Observe = mail.ObserverFunc(func(e mail.Event) { told = append(told, e.Text) })
	x, err := some(t.Context(), r, 1)
	if err != nil || fmt.Sprint(x.gone) != "[INBOX/1714/1]" {
		t.Errorf("gone %q, %v", x.gone, err)
	}
	if len(told) != 1 || !strings.Contains(told[0], "1 messages in \"INBOX\" went that somebody else marked") {
		t.Errorf("told: %q", told)
	}
}

// TestR25_Limits: a message over the limit stays where it is, the others flow; one that is larger than it
// said ends the session before it is read.
func TestR25_Limits(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"), fetchtest.Text(5000, 1), letterOf(3, "three"))
	r := s.retriever(nil)
	r.Limits.Message = 1000
	x, err := collect(t.Context(), r)
	if err != nil || len(x.octets) != 2 || len(x.faults) != 1 || !x.faults[0].Alone {
		t.Fatalf("%d, %v, %v", len(x.octets), x.faults, err)
	}
	equal(t, "left", len(s.left("INBOX")), 1)
	s.size = func(*letter) int64 { return 10 }
	_, err = collect(t.Context(), r)
	kind(t, "a liar", err, mail.Protocol)
	equal(t, "left", len(s.left("INBOX")), 1)
}

// TestR25_Abandoned: whoever stops reading a large message (the disk is full) loses the session and nothing
// else.
func TestR25_Abandoned(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"), fetchtest.Text(8<<20, 1))
	line := &fetchtest.Line{}
	d := open(t, s.retriever(line))
	ms := messages(t, d)
	if _, err := read(t.Context(), ms[0]); err != nil {
		t.Fatal(err)
	}
	d.Settle(t.Context(), ms[0], done(ms[0]))
	body, err := ms[1].Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body.Read(make([]byte, 1000))
	body.Close()
	kind(t, "Close", d.Close(), mail.Local)
	equal(t, "left", len(s.left("INBOX")), 2)
	if _, down := line.Octets(); down > 1<<20 {
		t.Errorf("%d octets crossed the line", down)
	}
}
