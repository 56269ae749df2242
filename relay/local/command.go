package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"mailretr/store/mail"
)

// A Command is what NewCommand runs.
type Command struct {
	Options
	// Argv is a program with its arguments, each a template: "{recipient}". There is no shell.
	Argv []string
	// Timeout is how long it may take. 0: 10 min.
	Timeout time.Duration
}

// NewCommand makes a client that gives each message to a program, once for each recipient.
func NewCommand(o Command) (*Client, error) {
	return newClient(o.Options, func(c *Client) (box, error) {
		argv, err := parseArgv(o.Argv, "argument", argumentWords)
		return &command{Client: c, argv: argv, limit: o.Timeout}, err
	})
}

func parseArgv(list []string, purpose string, allowed []string) (argv []template, err error) {
	if len(list) == 0 {
		return nil, errors.New("the command is empty")
	}
	for i, a := range list {
		t, err := parse(a, purpose, allowed)
		switch {
		case err != nil || i > 0:
		case len(t.used) > 0:
			err = errors.New("the program itself cannot be named by an address")
		case len(t.list) != 1:
			err = fmt.Errorf("%q is no program", a)
		}
		if err != nil {
			return nil, err
		}
		argv = append(argv, t)
	}
	return argv, nil
}

type command struct {
	*Client
	argv  []template
	limit time.Duration
}

func (b *command) whole() bool { return true }

// turn is that of the user whom the address names, whose own files may make the program slow; where there is one user for
// all, that of the address.
func (b *command) turn(t *target) string {
	if len(b.user.used) > 0 {
		return "user " + t.who.name
	}
	return "to " + t.to.Local() + "@" + t.to.Domain()
}

// find says as whom the program runs. As root only where that was written.
func (b *command) find(t *target) (err error) {
	if t.who, err = b.named(t); err != nil {
		return err
	}
	if t.who == nil {
		t.who, err = unnamed(b.o.Group)
	}
	if err == nil {
		t.words["user"] = t.who.name
	}
	return err
}

// unnamed is the user of a program for whom nobody is written.
func unnamed(group string) (*who, error) {
	if root() {
		return nil, lane("a program is not run as root unless that is written", errors.New("no user is written for it"))
	}
	return ourselves(group)
}

func (b *command) look(t *target) error {
	if _, err := expandArgv(b.argv, t.words); err != nil {
		return err
	}
	if _, err := exec.LookPath(b.argv[0].list[0].text); err != nil {
		return lane("the program cannot be run", err)
	}
	return nil
}

func expandArgv(list []template, w words) (argv []string, err error) {
	for _, t := range list {
		a, err := t.argument(w)
		if err != nil {
			return nil, failed("5.1.3", "553 5.1.3 this address cannot be given to a program", err)
		}
		argv = append(argv, a)
	}
	return argv, nil
}

// put runs the program. What it has done cannot be undone: what it said with its exit code is what counts.
func (b *command) put(ctx context.Context, t *target, r io.Reader) error {
	argv, err := expandArgv(b.argv, t.words)
	if err != nil {
		return err
	}
	j := &job{argv: argv, words: t.words, who: t.who, limit: b.limit, stdin: r}
	e, err := j.run(ctx)
	var s *source
	switch {
	case errors.As(err, &s):
		return err
	case err != nil && len(b.user.used) > 0:
		// This user may have too many processes, or no right to run it: that stops nobody else's mail.
		return deferred("4.3.0", "451 4.3.0 the program cannot be run", err)
	case err != nil:
		return lane("the program cannot be run", err)
	}
	return e.verdict()
}

// exits are the codes of sysexits.h that do not mean "tried again", with what RFC 3463 calls them. Those that speak of
// this machine, or of how the program was called or configured, bounce nobody's mail unless the program itself says a
// code of class 5: it waits, and somebody mends that.
var exits = map[int]struct {
	enhanced, words string
	ours            bool
}{
	64: {"5.3.5", "it was called wrongly", true},
	65: {"5.6.0", "the message is not well-formed", false},
	66: {"5.3.0", "its input is missing", true},
	67: {"5.1.1", "no such user here", false},
	68: {"5.1.2", "no such host", false},
	69: {"5.3.0", "service unavailable", false},
	70: {"5.3.0", "internal error", true},
	72: {"5.3.0", "a system file is missing", true},
	73: {"5.2.0", "the mailbox cannot be made", true},
	74: {"5.3.0", "input or output error", true},
	76: {"5.5.0", "protocol error", false},
	77: {"5.7.0", "permission denied", false},
	78: {"5.3.5", "its configuration is wrong", true},
}

// verdict is what the end of a program means: 0 is delivered, what sysexits.h has for the message and its recipient
// failed, all else deferred.
func (e ended) verdict() error {
	if e.code == 0 {
		return nil
	}
	why := fmt.Errorf("exit code %d", e.code)
	x, final := exits[e.code]
	switch {
	case final && x.ours && statusCode.FindString(e.said) == "":
		later := "4" + x.enhanced[1:]
		return deferred(later, "451 "+later+" "+e.text(x.words), why)
	case final:
		return failed(e.code5(x.enhanced), "554 "+e.code5(x.enhanced)+" "+e.text(x.words), why)
	case e.code < 0:
		return deferred("4.3.0", "451 4.3.0 "+e.text("the program was ended"), errors.New(e.why))
	}
	return deferred("4.3.0", "451 4.3.0 "+e.text("the program failed for now"), why)
}

var statusCode = regexp.MustCompile(`^5\.\d{1,3}\.\d{1,3}\b`)

// code5 is the status code that the program says itself, if it is of the class that its exit code is of.
func (e ended) code5(otherwise string) string {
	if own := statusCode.FindString(e.said); own != "" {
		return own
	}
	return otherwise
}

// text is what the program said, or what there is to say where it said nothing.
func (e ended) text(otherwise string) string {
	said := strings.TrimSpace(statusCode.ReplaceAllString(e.said, ""))
	if said == "" {
		return otherwise
	}
	return mail.Printable(strings.Join(strings.Fields(said), " "), 512)
}
