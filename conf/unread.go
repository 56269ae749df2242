package conf

import (
	"errors"
	"fmt"
	"io/fs"
)

// unread is the error of a secret that cannot be had. It says of itself what is wrong and what to do, for whoever shows it
// to people: the methods Wrong and Advice.
type unread struct {
	of  Secret
	err error
}

// Error names the place once: the system's own error names it too.
func (u *unread) Error() string {
	err := u.err
	var path *fs.PathError
	if u.of.kind == "file" && errors.As(err, &path) && path.Path == u.of.ref {
		err = path.Err
	}
	return fmt.Sprintf("reading the secret (%s): %v", u.of.Source(), err)
}

// Unwrap returns why.
func (u *unread) Unwrap() error { return u.err }

// Wrong is what is wrong, in a sentence.
func (u *unread) Wrong() string {
	return "A password cannot be read on this machine, so nothing is done with it."
}

// Advice is what can be done, in a sentence or two.
func (u *unread) Advice() string {
	const then = " It is read again at the next visit."
	switch u.of.kind {
	case "file":
		if errors.Is(u.err, fs.ErrNotExist) {
			return "Put the password into " + u.of.ref + ", alone on one line, where the user that runs mailretr can read it." + then
		}
		return "See to it that the user that runs mailretr can read " + u.of.ref + "." + then
	case "env":
		return "Set the variable " + u.of.ref + " for the program that reads it, and start that again."
	case "credential":
		return "Add LoadCredential=" + u.of.ref + ":FILE to the unit, and start it again."
	case "command":
		return "Run it by hand, as the user that runs mailretr: " + u.of.argv[0] + "." + then
	}
	return "Say in the configuration where the password is found."
}
