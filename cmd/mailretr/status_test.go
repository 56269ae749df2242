package main

import (
	"strings"
	"testing"
	"time"

	"mailretr/store/status"
)

// What is wrong is said once: the line of a maildrop says one thing of it, and what is below says the rest.
func TestStatusSaysItOnce(t *testing.T) {
	const no = "NO [AUTHENTICATIONFAILED] Authentication failed."
	for name, x := range map[string]struct {
		s    status.Status
		want []string
	}{
		"the server's words": {status.Status{State: status.Login, Wrong: "It refuses.", Advice: "Enter it anew.", Said: no,
			Cause: "logging in at isp:993: server said: " + no}, []string{"It refuses.", "Enter it anew.", "while logging in at isp:993"}},
		"a cut": {status.Status{State: status.Late, Wrong: "The session broke.", Advice: "It goes on.", Cause: "reading at isp:993: EOF"},
			[]string{"It goes on.", "cause: reading at isp:993: EOF"}},
		"here": {status.Status{State: status.Local, Wrong: "Something is wrong here.", Advice: "Look.", Cause: "a.yaml:9:3  error    to is missing"},
			[]string{"Something is wrong here.", "Look."}},
		"well": {status.Status{State: status.OK}, nil},
	} {
		v := &statusView{app: newApp(nil, nil, nil), verbose: true}
		var got []string
		v.wrong(&x.s, func(name, text string) {
			if text != "" {
				got = append(got, name+text)
			}
		})
		if strings.Join(got, "|") != strings.Join(x.want, "|") {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}

// What is left in a maildrop is named, with the reason, when it is tried again, and what to do for whoever wants it before.
func TestStatusNamesWhatIsLeft(t *testing.T) {
	now := time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)
	s := status.Status{Maildrop: "jaco", MoreAsides: true, Asides: []status.Aside{
		{UID: "INBOX/1714/4", Why: "it is too large", Next: now.Add(2 * time.Hour)}, {UID: "INBOX/1714/5", Why: "it was asked for"}}}
	want := []string{
		"left in the maildrop: UID INBOX/1714/4: it is too large (tried again in 2h)",
		"left in the maildrop: UID INBOX/1714/5: it was asked for",
		"and others; see: mailretr seen list jaco",
		"to have one all the same: mailretr seen forget jaco UID, then mailretr poll jaco",
	}
	if got := leftLines(&s, now); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q", got)
	}
	if got := leftLines(&status.Status{Maildrop: "jaco"}, now); got != nil {
		t.Errorf("%q", got)
	}
}
