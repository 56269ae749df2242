package main

import (
	"fmt"
	"strings"

	"mailretr/conf"
)

// ownPlace is where an ordinary user's configuration is below the home directory, as conf.Find has it.
const ownPlace = "/.config/mailretr/mailretr.yaml"

// ofAnother says that a configuration which stands where a user's own does names no state, and is read by somebody whose state
// is elsewhere: what names no state has that of whoever runs the program, and the user's queue is not the one that is shown.
func (l *loaded) ofAnother(home string) []conf.Problem {
	where, own := strings.CutSuffix(l.paths.Config, ownPlace)
	theirs := where + "/.local/state/mailretr"
	if !l.named || !own || where == home || l.config.At.Has("state") || l.config.State == theirs {
		return nil
	}
	return []conf.Problem{{Pos: conf.Pos{File: l.paths.Config}, Severity: conf.Warning,
		Text: fmt.Sprintf("this is a user's own configuration and names no state: for you that is %s, and not %s",
			l.config.State, theirs),
		Hint: "run mailretr as that user, or write state: and socket: into it"}}
}

// states says which state a configuration means, and why.
func (l *loaded) states() string {
	if l.config.At.Has("state") {
		return fmt.Sprintf("%s says %s", l.paths.Config, l.config.State)
	}
	return fmt.Sprintf("%s names none, which for you is %s", l.paths.Config, l.config.State)
}
