package conf

import (
	"fmt"
	"strings"
	"time"
)

// Validate returns every mistake, in the order of the sections. It touches neither network nor disk; whether
// files exist is asked by the source that named them. Call it after Complete.
func (c *Config) Validate() []Problem {
	v := &validator{c: c}
	v.top()
	v.bounce()
	v.queue()
	v.limits()
	v.line()
	v.log()
	v.metrics()
	v.notify()
	v.web()
	v.destinations()
	v.routes()
	v.listeners()
	v.introductions()
	v.rewrite()
	v.oauth()
	v.sources()
	for i := range c.Maildrops {
		v.maildrop(c.Maildrops[i])
	}
	v.conflicts()
	return v.problems
}

// LeaveOut takes away the maildrops that have errors among the problems, and remembers them in Bad.
func (c *Config) LeaveOut(problems []Problem) {
	wrong := make(map[Pos][]Problem)
	for _, p := range problems {
		if p.Severity == Error && p.Entry != (Pos{}) {
			wrong[p.Entry] = append(wrong[p.Entry], p)
		}
	}
	if len(wrong) == 0 {
		return
	}
	good := make([]*Maildrop, 0, len(c.Maildrops))
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		if list, bad := wrong[m.At.Self]; bad {
			c.Bad = append(c.Bad, BadMaildrop{Name: m.Name, Owner: m.Owner, Pos: m.At.Self, Problems: list})
		} else {
			good = append(good, m)
		}
	}
	c.Maildrops, c.index = good, nil
}

// A validator gathers problems; drop is the maildrop it is looking at.
type validator struct {
	c        *Config
	drop     *Maildrop
	problems []Problem

	counted *Maildrop // whose problems are counted
	count   int
}

// mostProblems bounds what is said of one row: its mistakes may be as many as it has octets.
const mostProblems = 20

func (v *validator) add(s Severity, at Pos, hint, format string, args ...any) {
	if v.drop != v.counted {
		v.counted, v.count = v.drop, 0
	}
	if v.count++; v.drop != nil && v.drop.Row != nil && v.count > mostProblems {
		return
	}
	p := Problem{Pos: at, Severity: s, Text: fmt.Sprintf(format, args...), Hint: hint}
	if v.drop != nil {
		p.Maildrop, p.Entry = v.drop.Name, v.drop.At.Self
	}
	v.problems = append(v.problems, p)
}

func (v *validator) fail(at Pos, hint, format string, args ...any) {
	v.add(Error, at, hint, format, args...)
}

func (v *validator) warn(at Pos, hint, format string, args ...any) {
	v.add(Warning, at, hint, format, args...)
}

// clean refuses what could leave its place in a protocol (CR, LF, NUL, other controls); it says whether it
// may be looked at further.
func (v *validator) clean(at Where, key, value string) bool {
	if i := strings.IndexFunc(value, control); i >= 0 {
		v.fail(at.Of(key), "remove it", "%s: has a control character (%U) inside", key, rune(value[i]))
		return false
	}
	return true
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// need is clean, and refuses what is empty.
func (v *validator) need(at Where, key, value, hint string) bool {
	if value == "" {
		v.fail(at.Of(key), hint, "%s is missing", key)
		return false
	}
	return v.clean(at, key, value)
}

// one refuses a value that is not among the words.
func (v *validator) one(at Where, key, value string, words ...string) {
	for _, w := range words {
		if value == w {
			return
		}
	}
	v.fail(at.Of(key), "write one of: "+strings.Join(words, ", "), "%s: %q is not known", key, value)
}

func (v *validator) span(at Where, key string, d, least, most time.Duration) {
	if d < least || d > most {
		v.fail(at.Of(key), fmt.Sprintf("write %s to %s", Duration(least), Duration(most)),
			"%s: %s is out of range", key, Duration(d))
	}
}

func (v *validator) number(at Where, key string, n, least, most int64) {
	if n < least || n > most {
		v.fail(at.Of(key), fmt.Sprintf("write %d to %d", least, most), "%s: %d is out of range", key, n)
	}
}

func (v *validator) top() {
	c := v.c
	if v.need(c.At, "hostname", c.Hostname, "write the name of this machine as others know it, "+
		"e.g. hostname: mail.example.org") {
		v.hostname(c.At, "hostname", c.Hostname)
	}
	v.absolute(c.At, "state", c.State)
	v.absolute(c.At, "socket", c.Socket)
	if len(c.Socket) > maxSocket {
		v.fail(c.At.Of("socket"), "choose a shorter one", "socket: the path is longer than %d octets", maxSocket)
	}
	v.span(c.At, "poll", c.Poll, time.Second, 30*24*time.Hour)
	if len(c.Maildrops)+len(c.Listen)+len(c.Sources) == 0 {
		v.warn(c.At.Of("maildrops"), "", "there is no maildrop: nothing will be collected")
	}
}

func (v *validator) absolute(at Where, key, path string) {
	if v.need(at, key, path, "write an absolute path") && path[0] != '/' {
		v.fail(at.Of(key), "write an absolute path", "%s: %q does not begin with /", key, path)
	}
}

// maxSocket is the length of sun_path less its NUL (unix(7)).
const maxSocket = 107

func (v *validator) queue() {
	q := &v.c.Queue
	v.retry(q.At, q.Retry, true)
	v.span(q.At, "expire", q.Expire, time.Minute, 365*24*time.Hour)
	if q.Warn != 0 {
		v.span(q.At, "warn", q.Warn, time.Minute, 365*24*time.Hour)
	}
	v.holds()
	v.number(q.At, "reserve", q.Reserve, 0, 1<<50)
	v.number(q.At, "max_size", q.MaxSize, 0, 1<<50)
	v.number(q.At, "max", int64(q.Max), 0, 1<<31-1)
}

func (v *validator) retry(at Where, retry []time.Duration, needed bool) {
	if needed && len(retry) == 0 {
		v.fail(at.Of("retry"), "write e.g. retry: [1m, 5m, 15m, 1h]", "retry: the list is empty")
	}
	for _, d := range retry {
		v.span(at, "retry", d, time.Second, 7*24*time.Hour)
	}
}

func (v *validator) limits() {
	l := &v.c.Limits
	v.number(l.At, "per_server", int64(l.PerServer), 1, 1000)
	v.number(l.At, "sessions", int64(l.Sessions), 1, 10000)
	v.number(l.At, "large", int64(l.Large), 1, 1000)
	v.number(l.At, "idle", int64(l.Idle), 0, 10000)
	v.number(l.At, "headers_first", l.HeadersFirst, 0, 1<<40)
	v.number(l.At, "batch", int64(l.Batch), 1, 1000)
	v.number(l.At, "batch_size", l.BatchSize, 64<<10, 1<<30)
	v.number(l.At, "max_message", l.MaxMessage, 0, 1<<40)
}

func (v *validator) log() {
	l := &v.c.Log
	v.one(l.At, "level", l.Level, "debug", "info", "warn", "error")
	v.one(l.At, "format", l.Format, "auto", "text", "json")
}
