package main

import (
	"strings"
	"testing"

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
