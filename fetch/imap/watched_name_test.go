package imap

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"mailretr/store/mail"
)

// waitsIn watches a folder and returns what was said between the login and the wait.
func waitsIn(t *testing.T, s *server, folder string) (said []string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		r := s.retriever(nil)
		r.Folders = []string{folder}
		ended := make(chan error, 1)
		go func() { ended <- r.Watch(ctx, func() {}) }()
		synctest.Wait()
		stop()
		err = <-ended
		synctest.Wait()
		said = slices.DeleteFunc(s.said(), func(c string) bool { return strings.HasPrefix(c, "LOGIN") })
	})
	return said, err
}

// A name that is not ASCII is coded where nothing else was agreed, though UTF-8 is offered; it is not where there is nothing
// but IMAP4rev2, or UTF-8 has to be asked for.
func TestWatchOfANameThatIsNotASCII(t *testing.T) {
	const coded, plain = "Entw&APw-rfe", "Entwürfe"
	enabled := "* ENABLED UTF8=ACCEPT\r\n%s OK\r\n"
	for _, x := range []struct {
		caps, enable, there string
		want                []string
	}{
		{"IMAP4rev1", "", coded, []string{`EXAMINE "` + coded + `"`, "IDLE"}},
		{"IMAP4rev1 IMAP4rev2 ENABLE UTF8=ACCEPT", "", coded, []string{`EXAMINE "` + coded + `"`, "IDLE"}},
		{"IMAP4rev2", "", plain, []string{`EXAMINE "` + plain + `"`, "IDLE"}},
		{"IMAP4rev1 ENABLE UTF8=ONLY", enabled, plain, []string{"ENABLE UTF8=ACCEPT", `EXAMINE "` + plain + `"`, "IDLE"}},
		{"IMAP4rev1 ENABLE UTF8=ONLY", "%s NO\r\n", coded, []string{"ENABLE UTF8=ACCEPT", `EXAMINE "` + coded + `"`, "IDLE"}},
	} {
		t.Run(x.caps, func(t *testing.T) {
			s := &server{t: t, folders: map[string]*box{"INBOX": {validity: 1, next: 1}}}
			s.put(x.there, letterOf(1, "one"))
			idling(s, nil)
			s.caps = x.caps + " IDLE"
			idles := s.on
			s.on = func(c *client, tag, verb, args string) bool {
				if verb == "ENABLE" {
					c.say(x.enable, tag)
					return true
				}
				return idles(c, tag, verb, args)
			}
			said, err := waitsIn(t, s, plain)
			if err != nil || !slices.Equal(said, x.want) {
				t.Errorf("said %q, %v", said, err)
			}
		})
	}
}

// NetEase opens no folder for who has not said who he is, not to be read only either. Others are told nothing.
func TestWatchIntroducesItself(t *testing.T) {
	for _, x := range []struct {
		caps, answer string
		want         []string
		kind         mail.Kind
	}{
		{" ID", `* ID ("name" "Coremail")` + "\r\n%s OK done\r\n",
			[]string{"EXAMINE", "ID", "EXAMINE", "IDLE"}, 0},
		{" ID", "%s BAD what?\r\n", []string{"EXAMINE", "ID", "EXAMINE"}, mail.Local},
		{"", "", []string{"EXAMINE"}, mail.Local},
	} {
		s := &server{t: t, folders: map[string]*box{"INBOX": {validity: 1, next: 1}}}
		idling(s, nil)
		s.caps = idleCaps + x.caps
		idles, known := s.on, false
		s.on = func(c *client, tag, verb, args string) bool {
			switch {
			case verb == "ID":
				known = strings.HasPrefix(x.answer, "*")
				c.say(x.answer, tag)
			case verb == "EXAMINE" && !known:
				c.say("%s NO EXAMINE Unsafe Login. Please contact kefu@188.com for help\r\n", tag)
			default:
				return idles(c, tag, verb, args)
			}
			return true
		}
		said, err := waitsIn(t, s, "INBOX")
		for i := range said {
			said[i], _, _ = strings.Cut(said[i], " ")
		}
		if !slices.Equal(said, x.want) {
			t.Errorf("said %q", said)
		}
		if x.kind != 0 {
			kind(t, "refused", err, x.kind)
		} else if err != nil {
			t.Error(err)
		}
	}
}
