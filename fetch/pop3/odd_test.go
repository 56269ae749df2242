package pop3

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// remarks keeps what is told.
type remarks struct{ all []mail.Event }

func (r *remarks) Observe(e mail.Event) { r.all = append(r.all, e) }

// of returns what stands under a topic.
func (r *remarks) of(topic string) (text string) {
	for _, e := range r.all {
		if e.Op == mail.OpRemark && e.Topic == topic {
			text = e.Text
		}
	}
	return text
}

func (r *remarks) alarms() (n int) {
	for _, e := range r.all {
		if e.Alarm {
			n++
		}
	}
	return n
}

// odd is a maildrop of which somebody wants headers first, and what is told of it.
func oddServer(t *testing.T, top behaviour, c ...[]byte) (*fetchtest.POP3, Options, *remarks) {
	s := fetchtest.NewPOP3(t)
	s.Put(c...)
	if top != nil {
		s.On = on("TOP", top)
	}
	o, r := options(s, nil), &remarks{}
	o.Memory, o.Observe = &memory{}, r
	return s, o, r
}

// headers asks for all headers first, then for all messages.
func headers(t *testing.T, o Options) (heads [][]byte, err error) {
	t.Helper()
	d := open(t, o)
	defer d.Close()
	var ms []*mail.Message
	for m := range d.Messages(t.Context(), nil) {
		ms = append(ms, m)
	}
	if err := d.(mail.Aheader).Ahead(t.Context(), mail.Header, ms); err != nil {
		return nil, err
	}
	for _, m := range ms {
		h, err := m.Content.Header(t.Context())
		if err != nil {
			return heads, err
		}
		heads = append(heads, bytes.Clone(h))
	}
	return heads, nil
}

// What TOP does wrong is found out by one message, remembered and told.
func TestTOPGoneWrong(t *testing.T) {
	c := [][]byte{fetchtest.Text(40_000, 1), fetchtest.Text(50_000, 2), fetchtest.Text(60_000, 3)}
	message := func(arg string) []byte { return c[arg[0]-'1'] }
	header := func(arg string) []byte {
		b, _, _ := bytes.Cut(message(arg), []byte("\r\n\r\n"))
		return append(b, "\r\n\r\n"...)
	}
	answer := func(b []byte) string { return "+OK\r\n" + fetchtest.Stuff(b) }
	for name, x := range map[string]struct {
		top  behaviour
		good bool
		tops int // in the first session
		tell string
	}{
		"good":    {nil, true, 3, ""},
		"refuses": {says("-ERR no\r\n"), false, 2, "refuses TOP"},
		"wants a line": {func(c *fetchtest.POP3Conn, arg string) bool {
			if strings.HasSuffix(arg, " 0") {
				c.Say("-ERR at least one line")
			}
			return strings.HasSuffix(arg, " 0")
		}, true, 4, ""},
		"nothing": {says("+OK\r\n.\r\n"), false, 2, "gives nothing in answer to TOP"},
		"nothing for no lines": {func(c *fetchtest.POP3Conn, arg string) bool {
			if strings.HasSuffix(arg, " 0") {
				c.Raw("+OK\r\n.\r\n")
			}
			return strings.HasSuffix(arg, " 0")
		}, true, 4, ""},
		"a line too many": {func(c *fetchtest.POP3Conn, arg string) bool {
			c.Raw(answer(append(header(arg), "one line\r\n"...)))
			return true
		}, true, 3, ""},
		"whole": {func(c *fetchtest.POP3Conn, arg string) bool {
			c.Raw(answer(message(arg)))
			return true
		}, false, 1, "gives whole messages in answer to TOP"},
	} {
		for _, caps := range [][]string{nil, {"TOP", "UIDL", "USER"}} { // pipelining, lockstep
			t.Run(name, func(t *testing.T) {
				s, o, told := oddServer(t, x.top, c...)
				if caps != nil {
					s.Caps = caps
				}
				for i := range 2 {
					s.Forget()
					heads, err := headers(t, o)
					var none interface{ NoHeaders() bool }
					if x.good && (err != nil || len(heads) != 3) || !x.good && !errors.As(err, &none) {
						t.Fatalf("session %d: %d headers, %v", i, len(heads), err)
					}
					for k, h := range heads {
						if !bytes.Equal(h, header(fmt.Sprint(k+1))) {
							t.Errorf("header %d is %q", k, h)
						}
					}
					want := map[bool]int{true: x.tops, false: map[bool]int{true: 3, false: 0}[x.good]}[i == 0]
					if n := s.Count("TOP"); n != want {
						t.Errorf("session %d: %d TOP, want %d: %q", i, n, want, s.Log())
					}
				}
				if text := told.of("top"); x.tell == "" && text != "" || !strings.Contains(text, x.tell) {
					t.Errorf("told: %q", text)
				}
				if whole, err := collect(t.Context(), o, true); err != nil || len(whole) != 3 || len(s.Left()) > 0 {
					t.Errorf("%d whole, %v", len(whole), err)
				}
			})
		}
	}
}

// A server that answers TOP with a whole message of megabytes is left in the middle of it, once.
func TestTOPOfMegabytes(t *testing.T) {
	m := fetchtest.Text(5<<20, 1)
	s, o, told := oddServer(t, says("+OK\r\n"+fetchtest.Stuff(m)), m)
	l := &fetchtest.Line{}
	o.Dial.DialContext = l.Dialer(s.Dial)
	_, err := headers(t, o)
	var none interface{ NoHeaders() bool }
	if !errors.As(err, &none) {
		t.Fatal(err)
	}
	if _, down := l.Octets(); down > 256<<10 {
		t.Errorf("%d octets came down", down)
	}
	if whole, err := collect(t.Context(), o, true); err != nil || len(whole) != 1 || told.of("top") == "" {
		t.Errorf("%d whole, %v; told %q", len(whole), err, told.of("top"))
	}
}

// What the server does with mail that is to be kept is told, once.
func TestEXPIRE(t *testing.T) {
	for _, x := range []struct {
		before, after string
		keep          After
		want          string
	}{
		{"EXPIRE 30", "", Keep, "after 30 days"},
		{"EXPIRE 30", "", Delete, ""},
		{"EXPIRE NEVER", "", Keep, ""},
		{"EXPIRE 0", "", Keep, "EXPIRE 0"},
		{"EXPIRE 5 USER", "EXPIRE 12", Keep, "after 12 days"},
		{"EXPIRE 5 USER", "EXPIRE NEVER", Keep, ""},
		{"EXPIRE", "EXPIRE soon", Keep, ""},
		{"EXPIRE 999999999999", "", Keep, ""},
		{"", "", Keep, ""},
	} {
		s, o, told := oddServer(t, nil, fetchtest.Corpus()[0])
		o.After = x.keep
		asked := 0
		s.On = on("CAPA", func(c *fetchtest.POP3Conn, _ string) bool {
			line := x.before
			if asked++; asked > 1 && x.after != "" {
				line = x.after
			}
			c.Raw("+OK\r\nTOP\r\nUIDL\r\nUSER\r\n" + line + "\r\n.\r\n")
			return true
		})
		for range 2 {
			if _, err := collect(t.Context(), o, true); err != nil {
				t.Fatal(err)
			}
		}
		if text := told.of("expire"); (text == "") != (x.want == "") || !strings.Contains(text, x.want) || len(told.all) > 1 {
			t.Errorf("%q, %q: told %+v", x.before, x.after, told.all)
		}
	}
}

func TestLoginDelay(t *testing.T) {
	for caps, want := range map[string]time.Duration{
		"LOGIN-DELAY 300": 5 * time.Minute, "LOGIN-DELAY 900 USER": 15 * time.Minute, "login-delay 60": time.Minute,
		"LOGIN-DELAY": 0, "LOGIN-DELAY x": 0, "LOGIN-DELAY -1": 0, "LOGIN-DELAYED 5": 0, "LOGIN-DELAY 4294967295": 24 * time.Hour,
	} {
		s := fetchtest.NewPOP3(t)
		s.Caps = append(s.Caps, caps)
		if d := open(t, options(s, nil)).(*session).LoginDelay(); d != want {
			t.Errorf("%q: %v, want %v", caps, d, want)
		}
	}
}

// hiding is a server that hides what was retrieved, with mail.
func hiding(t *testing.T, h fetchtest.Hiding, caps ...string) (*fetchtest.POP3, Options, *remarks) {
	s, o, told := oddServer(t, nil)
	for i := range 8 {
		s.Put(fetchtest.Text(3000, i))
	}
	s.Hides, s.Caps, o.After = h, append(s.Caps, caps...), Keep
	return s, o, told
}

// listed says how many messages a session lists.
func listedNow(t *testing.T, o Options) int {
	t.Helper()
	d := open(t, o)
	uids, _, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return len(uids)
}

// At a server that says so (EXPIRE 0) QUIT is left out as long as something that was asked for is not ours:
// it would be hidden, and lost.
func TestHidesAtQUIT(t *testing.T) {
	s, o, _ := hiding(t, fetchtest.HidesAtQUIT, "EXPIRE 0")
	d := open(t, o)
	for m := range d.Messages(t.Context(), nil) { // they come whole, and nobody takes the last one
		if _, err := octets(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if m.Envelope.Recipients = []mail.Recipient{{}}; m.Origin.UID == "uid-8" {
			break
		}
		if err := d.Settle(t.Context(), m, mail.Report{{Outcome: mail.Delivered}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil || s.Count("QUIT") > 0 {
		t.Errorf("%v: %q", err, s.Log())
	}
	if n := listedNow(t, o); n != 8 {
		t.Errorf("%d messages are listed", n)
	}
	if whole, err := collect(t.Context(), o, true); err != nil || len(whole) != 8 || s.Count("QUIT") != 2 {
		t.Errorf("%d whole, %v: %q", len(whole), err, s.Log())
	}
	if n := listedNow(t, o); n != 0 {
		t.Errorf("all are ours, and %d are listed: nothing is tested", n)
	}
}

// Where a message is hidden as soon as it is asked for, a cut costs one at most, which is told by name; and
// the user name that lists hidden ones too gets it.
func TestHidesAtRETR(t *testing.T) {
	s, o, told := hiding(t, fetchtest.HidesAtRETR, "EXPIRE 0")
	cut := o
	cut.Dial.DialContext = (&fetchtest.Line{Cut: 10_000}).Dialer(s.Dial)
	whole, err := collect(t.Context(), cut, true)
	if err == nil || len(whole) == 0 {
		t.Fatalf("%d whole, %v", len(whole), err)
	}
	if n := listedNow(t, o); n != 8-len(whole)-1 {
		t.Errorf("%d are whole, one was cut, and %d are listed", len(whole), n)
	}
	if told.alarms() != 1 {
		t.Errorf("told: %+v", told.all)
	}
	o.User = "recent:jaco"
	if n := listedNow(t, o); n != 8 {
		t.Errorf("%d are listed to recent:", n)
	}
}

// A process that is killed has noted before what it was about to ask for: what is hidden by it is told.
func TestHiddenByAKill(t *testing.T) {
	_, o, told := hiding(t, fetchtest.HidesAtRETR, "EXPIRE 0")
	d := open(t, o).(*session)
	var ms []*mail.Message
	for m := range d.Messages(t.Context(), nil) {
		ms = append(ms, m)
	}
	if err := d.Ahead(t.Context(), mail.Whole, ms); err != nil {
		t.Fatal(err)
	}
	if _, err := octets(t.Context(), ms[0]); err != nil {
		t.Fatal(err)
	}
	d.conn.Abort(nil) // nothing else of this session happens
	d.closed = true
	if n := listedNow(t, o); n != 7 || told.alarms() != 1 || told.all[0].Origin.UID != "uid-1" {
		t.Errorf("%d listed; told: %+v", n, told.all)
	}
	told.all = nil // and what went well is not told, whatever happens afterwards
	d = open(t, o).(*session)
	for m := range d.Messages(t.Context(), nil) {
		if _, err := octets(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		m.Envelope.Recipients = []mail.Recipient{{}}
		if err := d.Settle(t.Context(), m, mail.Report{{Outcome: mail.Delivered}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.quit(); err != nil {
		t.Fatal(err)
	}
	d.conn.Abort(nil)
	d.closed = true
	if n := listedNow(t, o); n != 0 || told.alarms() > 0 {
		t.Errorf("%d listed; told: %+v", n, told.all)
	}
}

// Without a word in CAPA it is learned, by no more than what vanished.
func TestHidesUnannounced(t *testing.T) {
	s, o, told := hiding(t, fetchtest.HidesAtRETR)
	cut := o
	cut.Dial.DialContext = (&fetchtest.Line{Cut: 10_000}).Dialer(s.Dial)
	for round := 0; told.alarms() < 3; round++ { // how many are hidden by one cut is the server's haste
		if _, err := collect(t.Context(), cut, true); err == nil || round == 3 {
			t.Fatalf("cut %d: %v; told: %+v", round, err, told.all)
		}
		listedNow(t, o)
		s.Clear()
		for i := range 8 {
			s.Put(fetchtest.Text(3000, 10*(round+1)+i))
		}
	}
	if !strings.Contains(told.of("hidden"), "recent:") {
		t.Fatalf("told: %+v", told.all)
	}
	told.all = nil
	whole, err := collect(t.Context(), cut, true)
	if n := listedNow(t, o); err == nil || n != 8-len(whole)-1 || told.alarms() != 1 {
		t.Errorf("%d whole, %d listed, %d alarms, %v", len(whole), n, told.alarms(), err)
	}
}

// That somebody deletes a message with which the line was cut is no habit of the server.
func TestVanishedOnce(t *testing.T) {
	s, o, told := hiding(t, fetchtest.HidesNothing)
	o.Memory.Save(memoryKey(&o), nil)
	cut := o
	cut.Dial.DialContext = (&fetchtest.Line{Cut: 600}).Dialer(s.Dial)
	s.Caps = []string{"UIDL", "TOP", "USER"}
	collect(t.Context(), cut, true)
	s.Clear()
	s.Put(fetchtest.Corpus()[0])
	listedNow(t, o)
	if told.alarms() != 1 || told.of("hidden") != "" {
		t.Errorf("told: %+v", told.all)
	}
}

// A server that lists again what was cut hides nothing, whatever somebody has deleted meanwhile.
func TestListsAgain(t *testing.T) {
	s, o, told := hiding(t, fetchtest.HidesNothing)
	cut := o
	cut.Dial.DialContext = (&fetchtest.Line{Cut: 10_000}).Dialer(s.Dial)
	for range 6 {
		collect(t.Context(), cut, true)
		listedNow(t, o) // all are there
		collect(t.Context(), cut, true)
		all := s.Left()
		s.Clear()
		for i, b := range all[:2] {
			s.Add(&fetchtest.Mail{Octets: b, UID: fmt.Sprint("uid-", i+1)})
		}
		listedNow(t, o) // what was cut was deleted by somebody
		s.Clear()
		for i, b := range all {
			s.Add(&fetchtest.Mail{Octets: b, UID: fmt.Sprint("uid-", i+1)})
		}
	}
	if told.alarms() < 6 {
		t.Fatalf("%d were missed: nothing is tested", told.alarms())
	}
	d := open(t, o).(*session)
	if d.past.Vanished > 7 {
		t.Errorf("%d vanished", d.past.Vanished)
	}
}

// R12: two messages that once had one unique-id keep the identity of their content, also when one of them is
// gone.
func TestR12_OnceTwice(t *testing.T) {
	s, o, _ := oddServer(t, nil)
	o.After = Keep
	a, b := fetchtest.Text(500, 1), fetchtest.Text(600, 2)
	s.Add(&fetchtest.Mail{Octets: a, UID: "same"})
	s.Add(&fetchtest.Mail{Octets: b, UID: "same"})
	both, _, err := open(t, o).List(t.Context())
	if err != nil || len(both) != 2 {
		t.Fatal(both, err)
	}
	d := open(t, o)
	if _, _, err := d.List(t.Context()); err != nil || d.Close() != nil {
		t.Fatal(err)
	}
	s.Clear()
	s.Add(&fetchtest.Mail{Octets: b, UID: "same"})
	one, _, err := open(t, o).List(t.Context())
	if err != nil || !slices.Equal(one, both[1:]) {
		t.Errorf("%q became %q: %v", both[1:], one, err)
	}
}

// R12: a unique-id that comes only after the message was retrieved makes no second message of it.
func TestR12_LateUID(t *testing.T) {
	for _, caps := range [][]string{{"TOP", "UIDL", "USER", "PIPELINING"}, nil} {
		s, o, _ := oddServer(t, nil)
		s.Caps, o.After = caps, Keep
		same := fetchtest.Text(600, 3)
		c := [][]byte{fetchtest.Text(500, 1), fetchtest.Text(600, 2), same}
		for _, b := range c {
			s.Add(&fetchtest.Mail{Octets: b, NoUID: true})
		}
		if _, err := collect(t.Context(), o, true); err != nil {
			t.Fatal(err)
		}
		before, _, err := open(t, o).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Clear()
		for i, b := range c {
			s.Add(&fetchtest.Mail{Octets: b, UID: fmt.Sprint("late", i)})
		}
		s.Add(&fetchtest.Mail{Octets: fetchtest.Text(600, 4), UID: "new"})
		for range 3 {
			d := open(t, o)
			uids, _, err := d.List(t.Context())
			if err != nil || len(uids) != 4 || !slices.Equal(uids[:3], before) || uids[3] != "new" {
				t.Errorf("%q became %q: %v", before, uids, err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A header that was read to find out an identity is not asked for again.
func TestDerivedHeaderIsKept(t *testing.T) {
	s, o, _ := oddServer(t, nil)
	for i := range 5 {
		s.Add(&fetchtest.Mail{Octets: fetchtest.Text(500, i), NoUID: true})
	}
	heads, err := headers(t, o)
	if err != nil || len(heads) != 5 || s.Count("TOP") != 5 {
		t.Errorf("%d headers, %v: %q", len(heads), err, s.Log())
	}
	for i, h := range heads {
		if b, _, _ := bytes.Cut(fetchtest.Text(500, i), []byte("\r\n\r\n")); string(h) != string(b)+"\r\n\r\n" {
			t.Errorf("header %d is %q", i, h)
		}
	}
}
