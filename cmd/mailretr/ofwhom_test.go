package main

import (
	"strings"
	"testing"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
)

// Who names the configuration of another user is told whose queue that is: a file that names no state has that of whoever
// runs the program.
func TestConfigurationOfAnotherUser(t *testing.T) {
	written := conf.Where{Keys: map[string]conf.Pos{"state": {File: "f", Line: 2}}}
	for name, x := range map[string]struct {
		file, state string
		at          conf.Where
		named, told bool
	}{
		"of another":            {"/home/jaco/.config/mailretr/mailretr.yaml", "/var/lib/mailretr", conf.Where{}, true, true},
		"it names the state":    {"/home/jaco/.config/mailretr/mailretr.yaml", "/srv/state", written, true, false},
		"root's own":            {"/root/.config/mailretr/mailretr.yaml", "/var/lib/mailretr", conf.Where{}, true, false},
		"by the user":           {"/home/jaco/.config/mailretr/mailretr.yaml", "/home/jaco/.local/state/mailretr", conf.Where{}, true, false},
		"of the machine":        {"/etc/mailretr/mailretr.yaml", "/var/lib/mailretr", conf.Where{}, true, false},
		"elsewhere in his home": {"/home/jaco/test.yaml", "/var/lib/mailretr", conf.Where{}, true, false},
	} {
		l := &loaded{named: x.named, paths: conf.Paths{Config: x.file, Socket: "/run/s"}}
		l.config.State, l.config.At = x.state, x.at
		got := l.ofAnother("/root")
		if (len(got) == 1) != x.told {
			t.Errorf("%s: %v", name, got)
		}
		if x.told && !strings.Contains(got[0].String(), "for you that is /var/lib/mailretr, and not /home/jaco/.local/state/mailretr") {
			t.Errorf("%s: %s", name, got[0])
		}
		err := l.meant(control.Version{State: "/other"})
		want := x.file + " names none, which for you is " + x.state
		if x.at.Has("state") {
			want = x.file + " says " + x.state
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
