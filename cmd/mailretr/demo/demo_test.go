package demo

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
)

const report = "From: Mail Delivery System <" + From + ">\r\nTo: <" + friend + ">\r\nSubject: No\r\n" +
	"Message-ID: <dsn@" + Host + ">\r\nContent-Type: multipart/report; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nSorry,\r\n  no.\r\n--b--\r\n"

var (
	zipOnce   = sync.OnceValues(withZip) // making them takes a while with the race detector
	movedOnce = sync.OnceValue(forMoved)
)

// played is a stage on which everything has happened as promised, without a network.
func played(t *testing.T) *Stage {
	t.Helper()
	s := &Stage{Deferrals: 5}
	plans, err := zipOnce()
	if err == nil {
		err = s.cast(plans, movedOnce())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.mta.deferred, s.mta.refused = s.Deferrals, 1
	s.before.Store(2)
	for _, d := range s.Drops {
		d.server, d.line = &pop3{}, &line{}
		for _, l := range d.letters {
			if l.to == moved {
				s.mta.got = append(s.mta.got, delivered{"dsn@" + Host, "", l.from, []byte(report)})
				continue
			}
			_, octets, _ := bytes.Cut(l.octets, []byte("\r\n"))
			trace := "Received: by " + Host + " (mailretr, maildrop x)\r\n\tid 1; now\r\n"
			s.mta.got = append(s.mta.got, delivered{l.id, l.from, l.to, append([]byte(trace), octets...)})
			d.line.down.Add(int64(len(l.octets)))
		}
		d.line.sessions.Store(8)
	}
	return s
}

func TestJudge(t *testing.T) {
	s := played(t)
	v := s.Judge()
	if !v.OK || !s.Complete() {
		t.Fatalf("%v", v.Failures)
	}
	if v.Delivered != 25 || v.Refused != 1 || v.Deferred != 5 {
		t.Errorf("%+v", v)
	}
	if v.Bounce == nil || v.Bounce.Text != "Sorry,\n  no." {
		t.Errorf("%+v", v.Bounce)
	}
	film, plans := v.Maildrops[0], v.Maildrops[1]
	if film.Again != 7 || film.Saved != 7*film.Body || plans.Again != 5 ||
		plans.Without != plans.Line+5*plans.Body {
		t.Errorf("%+v", v.Maildrops)
	}
	if v.Saved != film.Saved+plans.Saved || v.Without != v.Line+v.Saved {
		t.Errorf("%+v", v)
	}
}

// A promise that is broken has to be seen: each way of breaking one.
func TestJudgeSeesWhatIsBroken(t *testing.T) {
	for _, x := range []struct {
		name, want string
		do         func(*Stage)
	}{
		{"twice", "arrived 2 times", func(s *Stage) { s.mta.got = append(s.mta.got, s.mta.got[0]) }},
		{"lost", "arrived 0 times", func(s *Stage) { s.mta.got = s.mta.got[1:] }},
		{"changed", "was changed", func(s *Stage) { s.mta.got[0].octets[200] ^= 1 }},
		{"added", "was changed", func(s *Stage) {
			s.mta.got[0].octets = append([]byte("X: y\r\n"), s.mta.got[0].octets...)
		}},
		{"elsewhere", "for x@y", func(s *Stage) { s.mta.got[0].to = "x@y" }},
		{"refused", "which it refuses", func(s *Stage) {
			s.mta.got = append(s.mta.got, delivered{id: s.Drops[0].large.id, from: "x"})
		}},
		{"no bounce", "0 bounces", func(s *Stage) { s.mta.got = noBounce(s.mta.got) }},
		{"two bounces", "2 bounces", func(s *Stage) {
			s.mta.got = append(s.mta.got, delivered{"d2", "", friend, []byte(report)})
		}},
		{"stranger", "nobody knows", func(s *Stage) {
			s.mta.got = append(s.mta.got, delivered{id: "q", from: "x"})
		}},
		{"misled bounce", "a bounce went", func(s *Stage) {
			s.mta.got = append(s.mta.got, delivered{"d2", "", "x@y", []byte(report)})
		}},
		{"left", "1 messages are left", func(s *Stage) { _ = s.Drops[1].server.put([]byte("x")) }},
		{"again", "crossed the line of jaco", func(s *Stage) { s.Drops[1].line.down.Add(zipSize) }},
		{"loaded", "crossed the line of family", func(s *Stage) { s.Drops[0].line.down.Add(movedSize) }},
		{"not there", "crossed the line of jaco", func(s *Stage) { s.Drops[1].line.down.Add(-zipSize) }},
		{"deferrals", "deferred 4 times", func(s *Stage) { s.mta.deferred = 4 }},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := played(t)
			x.do(s)
			if v := s.Judge(); v.OK || !strings.Contains(strings.Join(v.Failures, "; "), x.want) {
				t.Errorf("%v; want %q", v.Failures, x.want)
			}
		})
	}
}

func noBounce(all []delivered) (kept []delivered) {
	for _, d := range all {
		if d.from != "" {
			kept = append(kept, d)
		}
	}
	return kept
}

func TestPrintSaysWhatIsBroken(t *testing.T) {
	v := played(t).Judge()
	v.Fail("the moon is \x1b[2Jin the way")
	var b bytes.Buffer
	v.Print(&term.Out{Writer: &b})
	want := "Not as promised:\n" + `  the moon is \x1b[2Jin the way`
	if s := b.String(); !strings.Contains(s, want) || strings.Contains(s, "As promised") {
		t.Errorf("%s", s)
	}
}

// On a terminal the block is drawn over itself; elsewhere there is none.
func TestView(t *testing.T) {
	s := played(t)
	story := NewStory(s)
	deferred := mail.Event{Op: mail.OpDeliver, From: "studio@studio.example", Octets: zipSize, Attempt: 1,
		Reply: "451 4.3.0 Zip\x1b[2J module failure", Next: time.Now().Add(time.Hour)}
	story.Observe(mail.Event{Op: mail.OpQueue, Origin: mail.Origin{Maildrop: "jaco"}, Octets: zipSize})
	story.Observe(deferred)
	var b bytes.Buffer
	v := &view{o: &term.Out{Writer: &b, TTY: true}, story: story}
	v.draw(true)
	first := b.String()
	for _, want := range []string{"jaco (IMAP): the 4.0M message is collected", `says: 451 4.3.0 Zip\x1b[2J module`,
		"1 waiting here, attempt 2 of the large one in 3"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in\n%s", want, first)
		}
	}
	b.Reset()
	v.draw(true)
	if up := fmt.Sprintf("\x1b[%dA\x1b[J", 2+len(s.Drops)+1); !strings.HasPrefix(b.String(), up) {
		t.Errorf("not drawn over: %q", b.String())
	}
	b.Reset()
	v.draw(false)
	if strings.Contains(b.String(), "waiting") {
		t.Errorf("the block stays: %q", b.String())
	}
	for l := range strings.Lines(first) {
		if len(l) > 100 {
			t.Errorf("wide: %q", l)
		}
	}

	plain := &view{o: &term.Out{Writer: &b}, story: story}
	deferred.Attempt = 2
	story.Observe(deferred)
	b.Reset()
	plain.draw(true)
	again := "attempt 2: the MTA says 451 to the 4.0M message"
	if s := b.String(); !strings.Contains(s, again) || strings.Count(s, "\n") != 1 {
		t.Errorf("%q", s)
	}
}
