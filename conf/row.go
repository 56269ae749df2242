package conf

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Row is what a source says of one maildrop: a row of a table, an entry of a directory. Its words were written by
// others, and among them is a password; however it is printed, it shows no more than where it is. Once made it is not
// changed, so that who finds the same Row again knows that nothing has.
type Row struct {
	ID      string            // what the source calls it; see Call
	Columns map[string]string // by the names in Columns; one that is missing or NULL is not there
	Wrong   map[string]string // by column: why its value was not taken
	// Version differs after each change, and grows; "": nobody knows. It says nothing of the maildrop.
	Version string `json:",omitempty"`
	// Since is when it first had its name and its account. Of two rows for one account the one that came first counts, so
	// that nobody takes one over by writing it into a row of his own.
	Since time.Time `json:",omitzero"`
}

// Columns are the names that a column of a query may have.
var Columns = []string{
	"id", "name", "active", "protocol", "host", "port", "tls", "user", "password", "password_encoding", "folders", "keep",
	"fetchall", "interval", "recipient", "owner", "deliver", "options", "version",
}

const (
	// MaxRows bounds what one source may say.
	MaxRows = 200_000
	// MaxColumn bounds a value of a row, in octets.
	MaxColumn = 4 << 10
)

// Call gives the row its ID, which becomes part of messages.
func (r *Row) Call(id string) { r.ID = short(id) }

// Place says which maildrop the row means: its name, and the account. Another one is news, see Since.
func (r *Row) Place() [4]string {
	return [4]string{r.Columns["name"], r.Columns["protocol"], oneHost(r.Columns["host"]), r.Columns["user"]}
}

// Equal says whether two rows say the same, whatever their versions and since when.
func (r *Row) Equal(o *Row) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.ID == o.ID && maps.Equal(r.Columns, o.Columns) && maps.Equal(r.Wrong, o.Wrong)
}

// Set takes a value in, if it is one.
func (r *Row) Set(column, value string) {
	switch {
	case len(value) > MaxColumn:
		r.wrong(column, fmt.Sprintf("is longer than %d octets", MaxColumn))
	case !utf8.ValidString(value):
		r.wrong(column, "is not UTF-8")
	case strings.IndexFunc(value, control) >= 0 && column != "options":
		r.wrong(column, "has a control character inside")
	case column == "version":
		r.Version = value
	default:
		if r.Columns == nil {
			r.Columns = make(map[string]string, len(Columns))
		}
		r.Columns[column] = value
	}
}

func (r *Row) wrong(column, why string) {
	if r.Wrong == nil {
		r.Wrong = map[string]string{}
	}
	r.Wrong[column] = why
}

// Format writes which row it is, whatever the verb, and nothing that is in it.
func (r *Row) Format(f fmt.State, _ rune) {
	if r == nil {
		io.WriteString(f, "no row")
		return
	}
	io.WriteString(f, "row "+r.ID)
}

// A reading is a row that becomes a maildrop.
type reading struct {
	s        *Source
	r        *Row
	key      *SecretKey
	m        Maildrop
	problems []Problem
}

// Maildrop reads a row. The places of the maildrop and of the problems name source, row and column. key opens what begins
// with enc:; nil: nothing does.
func (s *Source) Maildrop(r *Row, key *SecretKey) (Maildrop, []Problem) { return s.read(r, key, nil) }

// read is Maildrop with somebody who knows what its column options means; see Set.
func (s *Source) read(r *Row, key *SecretKey, options func(string, *Maildrop) []string) (Maildrop, []Problem) {
	x := reading{s: s, r: r, key: key, m: DefaultMaildrop()}
	m := &x.m
	m.Row, m.Owners, m.First, m.Deliver = r, s.Owners, s.First, s.Deliver
	if !s.Reach.Any {
		m.Reach = &s.Reach
	}
	m.At.Self = s.Place(r)
	for column, key := range settingOf {
		m.At.Set(key, x.pos(column))
	}
	for column, why := range r.Wrong {
		x.fail(column, "mend the row", why)
	}
	m.Name, m.User, m.Host = r.Columns["name"], r.Columns["user"], r.Columns["host"]
	if _, named := r.Columns["name"]; !named && r.Wrong["name"] == "" {
		m.Name = s.Name + "-" + r.ID
	}
	x.destination()
	m.To, m.Owner = x.members("recipient"), strings.TrimSpace(r.Columns["owner"])
	x.flag("active", func(yes bool) { m.Enabled = yes })
	x.flag("keep", func(yes bool) { x.kept(yes) })
	x.flag("fetchall", func(bool) {}) // what was collected is known by its UID, so that all are looked at in any case
	x.server()
	x.password()
	x.interval()
	switch text := x.r.Columns["options"]; {
	case strings.TrimSpace(text) == "":
	case options == nil:
		x.add(Warning, "options", "", "is not looked at: "+s.Name+" holds it for another program")
	default:
		if m.Unmet = options(text, m); len(m.Unmet) > 0 {
			x.add(Warning, "options", "", "not all of it is followed: "+strings.Join(m.Unmet, "; "))
		}
	}
	return x.m, x.problems
}

// settingOf are the settings of a maildrop, by the columns that say them.
var settingOf = map[string]string{
	"name": "name", "user": "user", "password": "password", "recipient": "to", "owner": "owner", "tls": "tls", "folders": "folders",
	"interval": "poll", "deliver": "deliver", "host": "url", "keep": "after", "active": "enabled",
}

// Place says which row it is, in the words of the source.
func (s *Source) Place(r *Row) Pos {
	if s.LDAP != nil {
		return Pos{File: fmt.Sprintf("%s entry %s", s.Name, r.ID)}
	}
	return Pos{File: fmt.Sprintf("%s row %s", s.Name, r.ID)}
}

func (x *reading) pos(column string) Pos {
	if l := x.s.LDAP; l != nil {
		return Pos{File: x.m.At.Self.File + ", attribute " + l.attribute(column)}
	}
	return Pos{File: x.m.At.Self.File + ", column " + column}
}

func (x *reading) add(s Severity, column, hint, text string) {
	x.problems = append(x.problems, Problem{Pos: x.pos(column), Severity: s, Text: column + ": " + text, Hint: hint,
		Maildrop: x.m.Name, Entry: x.m.At.Self})
}

func (x *reading) fail(column, hint, text string) { x.add(Error, column, hint, text) }

// short is a text as it may stand in a message.
func short(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return oneLine(strings.ToValidUTF8(s, "\ufffd"))
}

// head is the beginning of a text that is to be quoted: a row may have a lot of it.
func head(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// words are the members of a list with commas.
func words(s string) (list []string) {
	for w := range strings.SplitSeq(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			list = append(list, w)
		}
	}
	return list
}

// mostMembers bounds a list in a column.
const mostMembers = 200

// members reads a list.
func (x *reading) members(column string) []string {
	list := words(x.r.Columns[column])
	if len(list) > mostMembers {
		x.fail(column, "write less, or several rows", fmt.Sprintf("has %d members, more than %d", len(list), mostMembers))
		return nil
	}
	return list
}

// flag reads a truth value, in the words of all those databases; one that is not said is left at its default.
func (x *reading) flag(column string, set func(bool)) {
	switch s := strings.ToLower(x.r.Columns[column]); s {
	case "":
	case "1", "t", "true", "y", "yes", "on":
		set(true)
	case "0", "f", "false", "n", "no", "off":
		set(false)
	default:
		x.fail(column, "write 1 or 0", fmt.Sprintf("%q is neither true nor false", short(s)))
	}
}

// destination reads where mail goes. What the row may not name is not taken.
func (x *reading) destination() {
	switch d := x.r.Columns["deliver"]; {
	case d == "" || d == x.s.Deliver:
	case !slices.Contains(x.s.Destinations, d):
		x.fail("deliver", "leave it empty, or let the source have destinations: ["+short(d)+"]",
			fmt.Sprintf("%q may not be named by rows of %s", short(d), x.s.Name))
	default:
		x.m.Deliver = d
	}
}

func (x *reading) kept(yes bool) {
	if !yes {
		x.m.After = After{Act: Delete}
	}
}

// security are the values of the column tls. What other programs would secure only where they can is secured here in any
// case.
var security = map[string]Mode{
	"implicit": ModeImplicit, "ssl": ModeImplicit, "1": ModeImplicit, "true": ModeImplicit, "t": ModeImplicit,
	"starttls": ModeStartTLS, "starttls-if-offered": ModeStartTLS, "tls": ModeStartTLS, "0": ModeStartTLS,
	"false": ModeStartTLS, "f": ModeStartTLS, "none": ModeNone,
}

// server reads where the maildrop is.
func (x *reading) server() {
	m, c := &x.m, x.r.Columns
	m.Protocol = strings.ToLower(c["protocol"])
	if m.Protocol == "" && x.r.Wrong["protocol"] == "" {
		m.Protocol = "imap"
	}
	if m.Protocol != "imap" && m.Protocol != "pop3" {
		x.fail("protocol", "write imap or pop3", fmt.Sprintf("%q is not known", short(m.Protocol)))
	}
	mode, known := security[strings.ToLower(c["tls"])]
	switch {
	case c["tls"] == "":
		mode = ModeImplicit
		if p := c["port"]; p == "110" || p == "143" {
			mode = ModeStartTLS
		}
	case !known:
		x.fail("tls", "write implicit, starttls or none", fmt.Sprintf("%q is not known", short(c["tls"])))
	}
	m.TLS.Mode, m.Secure = mode, mode == ModeImplicit
	scheme := m.Protocol
	if m.Secure {
		scheme += "s"
	}
	m.Port = servers[scheme].port
	if p := c["port"]; p != "" && p != "0" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			x.fail("port", "write a number, or nothing for the usual one", fmt.Sprintf("%q is no port", short(p)))
		}
		m.Port = n
	}
	if list := x.members("folders"); m.Protocol == "imap" {
		m.Folders = Named(list...)
	} else if len(list) > 0 && !slices.Equal(list, []string{"INBOX"}) {
		x.fail("folders", "remove them", "POP3 has no folders")
	}
}

// interval reads seconds, or a time with a unit.
func (x *reading) interval() {
	s := x.r.Columns["interval"]
	if s == "" {
		return
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		x.m.Poll = time.Duration(n) * time.Second
		return
	}
	d, err := ParseDuration(s)
	if err != nil {
		x.fail("interval", "write seconds, or e.g. 15m", fmt.Sprintf("%q is no time", short(s)))
	}
	x.m.Poll = d
}

// password reads the secret; no text of a problem has any of it.
func (x *reading) password() {
	p := x.r.Columns["password"]
	if p == "" {
		return
	}
	scheme := x.r.Columns["password_encoding"]
	if s, rest, found := strings.Cut(strings.TrimPrefix(p, "{"), "}"); scheme == "" && found && p[0] == '{' && schemes[s] {
		scheme, p = s, rest
	}
	if scheme == "" && strings.HasPrefix(p, sealedPrefix) {
		scheme = "enc"
	}
	switch scheme {
	case "", "plain":
	case "base64":
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(p))
		if err != nil {
			x.fail("password", "write it in base64, or another password_encoding", "is not base64")
			return
		}
		p = string(b)
	case "enc":
		if x.key == nil && x.s.Key.Given() {
			x.fail("password", "see the alarm of the source", "is encrypted, and the key of the source cannot be read")
			return
		}
		text, err := x.key.Open(p, x.m.Host, x.m.User)
		if err != nil {
			x.fail("password", "encrypt it with: mailretr secret encrypt", err.Error())
			return
		}
		p = text
	default:
		x.fail("password_encoding", "write plain, base64 or enc", fmt.Sprintf("%q is not known", short(scheme)))
		return
	}
	if strings.IndexFunc(p, control) >= 0 || p == "" {
		x.fail("password", "enter it anew", "is empty or has a control character inside")
		return
	}
	x.m.Password = SecretPlain(p)
}

// schemes are what may stand in braces before a password. What else is in braces belongs to the password.
var schemes = map[string]bool{"plain": true, "base64": true, "enc": true}
