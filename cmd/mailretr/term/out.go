package term

import (
	"errors"
	"fmt"
	"io"
	"os"

	xterm "golang.org/x/term"
)

// An Out is one of stdout and stderr. Not for concurrent use.
type Out struct {
	io.Writer
	TTY    bool // a person looks at it
	Colour bool
}

// When says whether colour is wanted: always, never, or auto, which means on a terminal without NO_COLOR.
type When string

// ParseWhen reads the value of --color.
func ParseWhen(s string) (When, error) {
	switch s {
	case "auto", "always", "never":
		return When(s), nil
	}
	return "", errors.New("--color is auto, always or never")
}

// New looks at w. getenv is os.Getenv.
func New(w io.Writer, when When, getenv func(string) string) *Out {
	o := &Out{Writer: w}
	if f, ok := w.(*os.File); ok {
		o.TTY = xterm.IsTerminal(int(f.Fd())) && getenv("TERM") != "dumb"
	}
	// https://no-color.org: set and not empty
	o.Colour = when == "always" || when != "never" && o.TTY && getenv("NO_COLOR") == ""
	return o
}

// A Colour of a terminal, as the parameter of its escape sequence. "" is none.
type Colour string

// The colours in use.
const (
	Bold   Colour = "1"
	Faint  Colour = "2"
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
)

// Paint returns s in a colour, or as it is where none is wanted.
func (o *Out) Paint(c Colour, s string) string {
	if !o.Colour || c == "" || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// Printf writes a formatted text. Whoever passes text of a server passes it through mail.Printable.
func (o *Out) Printf(format string, args ...any) { fmt.Fprintf(o, format, args...) }
