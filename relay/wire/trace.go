package wire

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
)

// shown is how many octets of a line the trace shows.
const shown = 512

// A trace writes each line to a logger at debug level: what was written when it is written, what was read
// when it is handed out by a gate or ReadLine, so that message octets which were only read ahead are not
// taken for lines. With Bodies, what is read is shown as it comes from the network instead. A nil trace
// traces nothing.
type trace struct {
	c       *Conn
	log     *slog.Logger
	bodies  bool
	mask    atomic.Bool
	secret  atomic.Pointer[strings.Replacer] // takes a password out of lines; nil: none is known
	in, out splitter                         // of the reading and the writing goroutine
	up      int64                            // message octets written
	down    int64                            // octets from the line when the data began
}

func newTrace(o Options, c *Conn) *trace {
	if o.Trace == nil {
		return nil
	}
	return &trace{c: c, log: o.Trace, bodies: o.Bodies}
}

func (t *trace) on() bool { return t != nil && t.log.Enabled(context.Background(), slog.LevelDebug) }

// hide is Conn.Mask.
func (t *trace) hide(on bool) {
	if t != nil {
		t.mask.Store(on)
	}
}

// leastSecret is how long what is taken out of lines is at least: what is shorter would only tear words apart.
const leastSecret = 4

// hush is Conn.Hide.
func (t *trace) hush(user, password string) {
	if t == nil || len(password) < leastSecret {
		return
	}
	var pairs []string
	code := base64.StdEncoding.EncodeToString
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(password) // as IMAP has it
	for _, s := range []string{code([]byte("\x00" + user + "\x00" + password)), code([]byte(user + ":" + password)), code([]byte(password)),
		printable([]byte(quoted), len(quoted)), printable([]byte(password), len(password)), password} {
		pairs = append(pairs, s, "***")
	}
	t.secret.Store(strings.NewReplacer(pairs...))
}

// wrote shows what goes up: nothing but its presence while masked, nothing but its number for message octets.
func (t *trace) wrote(p []byte, data bool) {
	switch {
	case !t.on():
	case t.mask.Load():
		t.show(">", "***")
	case data && !t.bodies:
		t.up += int64(len(p))
	default:
		t.out.add(p, func(s string) { t.show(">", s) })
	}
}

// read shows what was handed out.
func (t *trace) read(p []byte) {
	if t.on() && !t.bodies {
		t.in.add(p, func(s string) { t.show("<", s) })
	}
}

// came shows what came from the network.
func (t *trace) came(p []byte) {
	if t.on() && t.bodies {
		t.in.add(p, func(s string) { t.show("<", s) })
	}
}

// data is called where message octets begin and end.
func (t *trace) data(on bool) {
	if !t.on() || t.bodies {
		return
	}
	_, down := t.c.Octets()
	if !on && t.up > 0 {
		t.show(">", "("+strconv.FormatInt(t.up, 10)+" octets)")
	}
	if !on && down > t.down && t.up == 0 {
		t.show("<", "("+strconv.FormatInt(down-t.down, 10)+" octets on the line)")
	}
	t.up, t.down = 0, down
}

func (t *trace) show(way, text string) {
	if r := t.secret.Load(); r != nil {
		text = r.Replace(text)
	}
	t.log.LogAttrs(context.Background(), slog.LevelDebug, "wire",
		slog.String("peer", t.c.opts.Address), slog.String("way", way), slog.String("line", text))
}

// A splitter makes lines of what comes in pieces, and text that is fit to be shown of lines.
type splitter struct {
	line []byte
	more int // octets of the line that are not kept
}

func (s *splitter) add(p []byte, show func(string)) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		part := p
		if i >= 0 {
			part = p[:i+1]
		}
		p = p[len(part):]
		keep := min(shown-len(s.line), len(part))
		s.line = append(s.line, part[:keep]...)
		s.more += len(part) - keep
		if i >= 0 {
			show(s.text())
			s.line, s.more = s.line[:0], 0
		}
	}
}

// printable escapes what could change a terminal or a log, and cuts behind max octets.
func printable(b []byte, max int) string {
	q := strconv.QuoteToGraphic(string(b[:min(len(b), max)]))
	return q[1 : len(q)-1]
}

func (s *splitter) text() string {
	q := printable(chomp(s.line), shown)
	if s.more > 2 {
		q += " (and " + strconv.Itoa(s.more) + " octets)"
	}
	return q
}
