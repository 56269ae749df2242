package main

import (
	"bytes"
	"testing"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
)

// The line of a visit says what came and what it cost; where nothing came, that is all there is to say.
func TestPollLines(t *testing.T) {
	for want, p := range map[string]control.Polled{
		"jaco: nothing new, 1.0K on the line\n":                                  {Maildrop: "jaco", Line: 1024},
		"jaco: nothing new, 2 left in the maildrop, 1.0K on the line\n":          {Maildrop: "jaco", Line: 1024, Left: 2},
		"jaco: 1 new message, 2.0K, 3.0K on the line\n":                          {Maildrop: "jaco", Line: 3072, Messages: 1, Octets: 2048},
		"jaco: refused\n  Sign in: mailretr login jaco.\n":                       {Maildrop: "jaco", Error: "refused", Hint: "Sign in: mailretr login jaco."},
		"jaco: 2 new messages, 2.0K, 1 left in the maildrop, 3.0K on the line\n": {Maildrop: "jaco", Line: 3072, Messages: 2, Octets: 2048, Left: 1},
	} {
		var out bytes.Buffer
		a := newApp(nil, &out, &out)
		a.out = term.New(&out, "never", a.getenv)
		if err := (&pollView{app: a}).line(p); err != nil || out.String() != want {
			t.Errorf("%q, %v, want %q", out.String(), err, want)
		}
	}
}
