package pop3

import (
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// R12: a server that has given unique-ids and refuses them for once makes no other messages of those that are there, and costs
// no header, then or later. One that goes on refusing them is believed in the end.
func TestR12_RefusedForOnce(t *testing.T) {
	for _, x := range []struct{ name, reply string }{{"code", "-ERR [SYS/TEMP] later\r\n"}, {"words", "-ERR no\r\n"}} {
		t.Run(x.name, func(t *testing.T) {
			s, o, _ := oddServer(t, nil, fetchtest.Corpus()[:3]...)
			now := time.Now()
			o.After, o.Now = Keep, func() time.Time { return now }
			list := func() (uids []mail.UID, err error) {
				s.Forget()
				d, err := (&Retriever{o}).Open(t.Context())
				if err == nil {
					uids, _, err = d.List(t.Context())
					d.Close()
				}
				return uids, err
			}
			if uids, err := list(); err != nil || len(uids) != 3 || uids[0] != "uid-1" {
				t.Fatal(uids, err)
			}
			s.Behave(on("UIDL", says(x.reply)))
			for range 2 {
				uids, err := list()
				if tr := mail.TroubleOf(mail.OpList, "", err); err == nil || tr.Kind != mail.Busy || s.Count("TOP") != 0 {
					t.Errorf("%q, %v with %d TOP", uids, err, s.Count("TOP"))
				}
				now = now.Add(time.Hour)
			}
			s.Behave(nil)
			if uids, err := list(); err != nil || len(uids) != 3 || uids[0] != "uid-1" || s.Count("TOP") != 0 {
				t.Errorf("afterwards %q, %v with %d TOP", uids, err, s.Count("TOP"))
			}
			s.Behave(on("UIDL", says(x.reply)))
			list()
			now = now.Add(convinced + time.Hour)
			if uids, err := list(); err != nil || len(uids) != 3 || !uids[0].Derived() {
				t.Errorf("after a day %q, %v", uids, err)
			}
		})
	}
}
