package pop3

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// A server that forgets to double dots ends a message early. It is found out by what comes behind, and then
// nothing is deleted, nor is the message taken for whole where that can be known.
func TestR15_ForgedEnd(t *testing.T) {
	forged := "Subject: x\r\n\r\nbegin\r\n.\r\n"
	for name, rest := range map[string]string{
		"text": "the rest\r\n.\r\n", "OK": "+OKAY\r\n.\r\n", "line": "\r\n.\r\n", "dot": ".\r\n",
	} {
		for _, caps := range [][]string{{"PIPELINING", "USER", "TOP", "UIDL"}, {"USER", "UIDL"}} {
			for _, last := range []bool{false, true} {
				s := fetchtest.NewPOP3(t)
				s.Caps = caps
				c := fetchtest.Corpus()
				s.Put(c[0])
				s.Add(&fetchtest.Mail{Octets: c[1], Sent: forged + rest})
				if !last {
					s.Put(c[2])
				}
				whole, err := collect(t.Context(), options(s, nil), true)
				if err == nil || len(whole) != 1 {
					t.Errorf("%s: %d messages were whole, %v", name, len(whole), err)
				}
				if s.Count("DELE") > 0 || len(s.Left()) < 2 {
					t.Errorf("%s: DELE was sent: %q", name, s.Log())
				}
			}
		}
	}
}

// The end is forged with what looks like a reply: nobody can tell at once, but the count of replies does.
func TestR15_ForgedReply(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	c := fetchtest.Corpus()
	s.Add(&fetchtest.Mail{Octets: c[0], Sent: "Subject: x\r\n\r\n.\r\n+OK\r\nSubject: forged\r\n\r\n.\r\n"})
	s.Put(c[1], c[2])
	_, err := collect(t.Context(), options(s, nil), true)
	if err == nil || s.Count("DELE") > 0 || len(s.Left()) != 3 {
		t.Errorf("%d left, %v: %q", len(s.Left()), err, s.Log())
	}
}

// After a reply that is none the session is over, at once: what the server is at is not known, and not asked.
func TestR15_Nonsense(t *testing.T) {
	for _, reply := range []string{"what", "", "+OKAY", "+ go on", "* OK"} {
		synctest.Test(t, func(t *testing.T) {
			s := fetchtest.NewPOP3(t)
			s.Caps = []string{"UIDL"} // so that it does not come behind the first message at once
			s.Put(fetchtest.Corpus()[:2]...)
			s.On = on("RETR", func(c *fetchtest.POP3Conn, arg string) bool {
				if arg == "2" {
					c.Say(reply)
				}
				return arg == "2"
			})
			began := time.Now()
			whole, err := collect(t.Context(), options(s, nil), true)
			if err == nil || len(whole) != 1 || time.Since(began) > 0 {
				t.Errorf("%q: %d whole after %v, %v", reply, len(whole), time.Since(began), err)
			}
			if s.Count("DELE") > 0 || s.Count("QUIT") > 0 || len(s.Left()) != 2 {
				t.Errorf("%q: %q", reply, s.Log())
			}
			s.Close()
		})
	}
}

func TestR24_Deletions(t *testing.T) {
	for name, x := range map[string]struct {
		on         map[string]func(*fetchtest.POP3Conn, string) bool
		fails      bool
		gone, left int
	}{
		"good":          {nil, false, 3, 0},
		"one refused":   {on("DELE", refuseOne), false, 2, 1},
		"all refused":   {on("DELE", says("-ERR no\r\n")), true, 0, 3},
		"DELE nonsense": {on("DELE", says("what\r\n")), true, 0, 3},
		"DELE cut":      {on("DELE", cuts), true, 0, 3},
		"QUIT cut":      {on("QUIT", cuts), true, 0, 3},
		"QUIT refused":  {on("QUIT", says("-ERR some deleted messages not removed\r\n")), true, 0, 3},
		"QUIT nonsense": {on("QUIT", says("bye\r\n")), true, 0, 3},
		"QUIT half": {on("QUIT", func(c *fetchtest.POP3Conn, _ string) bool {
			c.Raw("+OK")
			c.Cut()
			return true
		}), true, 0, 3},
		// The server deletes, and the answer is lost: it is unknown, so not gone.
		"answer lost": {on("QUIT", func(c *fetchtest.POP3Conn, _ string) bool {
			c.Quit()
			c.Cut()
			return true
		}), true, 0, 0},
	} {
		for _, caps := range [][]string{{"PIPELINING", "USER", "TOP", "UIDL"}, nil} {
			s := fetchtest.NewPOP3(t)
			s.Caps, s.On = caps, x.on
			s.Put(fetchtest.Corpus()[:3]...)
			d := open(t, options(s, nil))
			uids, _, err := d.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := d.(mail.Releaser).Release(t.Context(), uids); err != nil {
				t.Fatal(err)
			}
			err = d.Close()
			var tr *mail.Trouble
			if (err != nil) != x.fails || x.fails && !errors.As(err, &tr) {
				t.Errorf("%s: Close: %v", name, err)
			}
			if gone := d.(mail.Confirmed).Gone(); len(gone) != x.gone {
				t.Errorf("%s: Gone: %q", name, gone)
			}
			if len(s.Left()) != x.left {
				t.Errorf("%s: %d are left", name, len(s.Left()))
			}
			s.On = nil
			if d := open(t, options(s, nil)); x.left > 0 { // what is left is listed again
				if uids, _, _ := d.List(t.Context()); len(uids) != x.left {
					t.Errorf("%s: the next session lists %q", name, uids)
				}
			}
		}
	}
}

// Thousands of deletions take their time on a slow line, and count all the same.
func TestManyDeletions(t *testing.T) {
	for _, caps := range [][]string{{"PIPELINING", "UIDL"}, {"UIDL"}} {
		synctest.Test(t, func(t *testing.T) {
			s := fetchtest.NewPOP3(t)
			s.Caps = caps
			s.On = on("DELE", func(*fetchtest.POP3Conn, string) bool { time.Sleep(100 * time.Millisecond); return false })
			for i := range 3000 {
				s.Put(fetchtest.Text(100, i))
			}
			d := open(t, options(s, nil))
			uids, _, err := d.List(t.Context())
			if err == nil {
				err = d.(mail.Releaser).Release(t.Context(), uids)
			}
			if err = errors.Join(err, d.Close()); err != nil || len(s.Left()) > 0 {
				t.Errorf("%d are left, %v", len(s.Left()), err)
			}
			s.Close()
		})
	}
}

func on(verb string, f behaviour) map[string]func(*fetchtest.POP3Conn, string) bool {
	return map[string]func(*fetchtest.POP3Conn, string) bool{verb: f}
}

func refuseOne(c *fetchtest.POP3Conn, arg string) bool {
	if arg != "2" {
		return false
	}
	c.Say("-ERR message 2 is protected")
	return true
}

// A server that speaks out of turn before the deletions may be out of step: no DELE.
func TestR24_OutOfTurn(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	spoke := make(chan bool)
	s.On = on("RETR", func(c *fetchtest.POP3Conn, arg string) bool {
		c.Raw("+OK\r\n" + fetchtest.Stuff(fetchtest.Corpus()[0]))
		<-spoke
		c.Raw("+OK and by the way\r\n")
		spoke <- true
		return true
	})
	s.Put(fetchtest.Corpus()[0])
	o := options(s, nil)
	o.Dial.DialContext = nil
	o.Dial.Address = s.Listen(t)
	d := open(t, o)
	for m := range d.Messages(t.Context(), nil) {
		if _, err := octets(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		m.Envelope.Recipients = []mail.Recipient{{}}
		if err := d.Settle(t.Context(), m, mail.Report{{Outcome: mail.Delivered}}); err != nil {
			t.Fatal(err)
		}
	}
	spoke <- true
	<-spoke
	if err := d.Close(); err == nil || s.Count("DELE") > 0 {
		t.Errorf("%v: %q", err, s.Log())
	}
}

func TestKeep(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Put(fetchtest.Corpus()...)
	o := options(s, nil)
	o.After = Keep
	if whole, err := collect(t.Context(), o, true); err != nil || len(whole) != len(fetchtest.Corpus()) {
		t.Errorf("%d whole, %v", len(whole), err)
	}
	if strings.Contains(strings.Join(s.Log(), " "), "DELE") || s.Count("QUIT") != 1 {
		t.Errorf("commands: %q", s.Log())
	}
}
