package smtpd

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Which commands the library is shown. It knows these; it ends a session at the fourth that it does not
// know, so that those are answered here, with a limit of ours.
var known = map[string]bool{
	"HELO": true, "EHLO": true, "LHLO": true, "MAIL": true, "RCPT": true, "DATA": true, "BDAT": true,
	"RSET": true, "NOOP": true, "VRFY": true, "EXPN": true, "HELP": true, "QUIT": true, "AUTH": true,
}

// resets give up a message that comes by BDAT. The library may then take the end of that message for the
// answer to the next one, so that there is none in this session.
var resets = map[string]bool{"RSET": true, "HELO": true, "EHLO": true, "LHLO": true}

// foreign are commands of other protocols: who sends them was sent here by somebody else's page.
var foreign = map[string]bool{"GET": true, "POST": true, "PUT": true, "HEAD": true, "CONNECT": true,
	"OPTIONS": true, "USER": true, "HOST:": true}

// command answers a command, or leaves it for the library. line is with its end, text without.
func (d *door) command(line []byte, text string) error {
	verb, arg, _ := strings.Cut(text, " ")
	arg = strings.TrimSpace(arg)
	d.verb = strings.ToUpper(verb)
	switch {
	case foreign[d.verb]:
		d.cut("521 5.7.0 this is no place for %s", d.verb)
	case strings.IndexFunc(text, unprintable) >= 0 || !utf8.ValidString(text):
		d.refuse("500 5.5.2 a command has printable characters only")
	case d.verb == "STARTTLS":
		d.askedForTLS(arg)
	case !known[d.verb]:
		d.refuse("500 5.5.2 that command is not known")
	case d.early():
		d.cut("503 5.5.0 wait for the answer before you go on; see RFC 2920, 3.1")
	case d.verb == "BDAT":
		d.bdat(line, arg)
	case d.idles():
		d.cut("421 4.7.0 too many commands without a message")
	case !d.transfer.IsZero() && resets[d.verb]:
		d.cut("421 4.5.0 the message was given up, connect again")
	default:
		d.shown(line, arg)
	}
	return nil
}

// mostIdle is how many commands a stranger may send that bring no message nearer. Nobody needs many, and who goes on
// holds a connection that others wait for.
const mostIdle = 100

// idles counts such commands and says whether these are too many.
func (d *door) idles() bool {
	switch d.verb {
	case "MAIL", "RCPT", "DATA", "BDAT", "QUIT":
	default:
		d.idling++
	}
	return d.idling > mostIdle && !d.friend
}

func unprintable(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// early says whether a client that is not ours talks on where it has to wait: after DATA what follows would
// be commands to us, and mail to the one who made it send that.
func (d *door) early() bool {
	last := d.verb == "DATA" || d.verb == "EHLO" || d.verb == "HELO" || d.verb == "LHLO"
	return last && d.br.Buffered() > 0 && !d.friend
}

func (d *door) askedForTLS(arg string) {
	switch {
	case arg != "":
		d.refuse("501 5.5.4 STARTTLS has no argument")
	case d.tls != nil:
		d.refuse("503 5.5.1 there is TLS already")
	case d.gen.Security != StartTLS:
		d.refuse("502 5.5.1 there is no TLS here")
	default:
		d.startTLS()
	}
}

// bdat sees how long the chunk is, exactly as the library will. Where that cannot be known, what follows
// cannot be told from commands, and the connection ends.
func (d *door) bdat(line []byte, arg string) {
	words := strings.Fields(arg)
	n, err := uint64(0), error(strconv.ErrSyntax)
	if len(words) == 1 || len(words) == 2 && strings.EqualFold(words[1], "LAST") {
		n, err = strconv.ParseUint(words[0], 10, 32)
	}
	switch {
	case err != nil:
		d.cut("501 5.5.4 BDAT is followed by a size, and LAST perhaps")
	case int64(n) > d.gen.limits.drain():
		d.cut("552 5.3.4 the message is too large")
	default:
		if d.transfer.IsZero() {
			d.transfer = time.Now()
			d.patience(d.transfer.Add(d.gen.limits.Data))
		}
		d.rest, d.chunk, d.final = line, int64(n), len(words) == 2
	}
}

// drain bounds what is read of a message that is refused already, in octets.
func (l *Limits) drain() int64 { return 2*l.Size + 1<<20 }

// shown leaves a command for the library.
func (d *door) shown(line []byte, arg string) {
	d.rest = line
	switch d.verb {
	case "HELO", "EHLO", "LHLO":
		d.asked, d.polite = strings.ToLower(arg), d.verb != "HELO"
		if len(arg) > 255 {
			d.rest = nil
			d.refuse("501 5.5.4 that name is too long")
		}
	case "RCPT":
		d.rest = withDomain(line)
	}
}

// nowhere is the domain of a recipient that has none; the library knows no such recipient. RFC 5321, 4.5.1.
const nowhere = "postmaster.invalid"

// withDomain gives the bare postmaster a domain.
func withDomain(line []byte) []byte {
	const bare = "<postmaster>"
	i := strings.IndexByte(string(line), '<')
	if i < 0 || !foldPrefix(line[i:], bare) {
		return line
	}
	return []byte(string(line[:i]) + "<postmaster@" + nowhere + ">" + string(line[i+len(bare):]))
}
