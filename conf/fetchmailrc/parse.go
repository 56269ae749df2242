package fetchmailrc

import (
	"fmt"
	"slices"

	"mailretr/conf"
)

// Bounds of what is read.
const (
	MaxFile  = 1 << 20 // octets of a file
	maxUsers = 10_000  // maildrops of a file
	maxWords = 100_000 // words of all maildrops, with those of the defaults entry in each
	maxBad   = 100     // mistakes that are told
)

// A File is what is written in a run control file.
type File struct {
	Set     []Option // global options
	Entries []Entry  // one for each user of each server, what the defaults entry says filled in
}

// An Option is one that was written.
type Option struct {
	Pos  conf.Pos
	Name string   // the longest form of its keyword
	Off  bool     // it stood behind no
	Args []string // numbers as digits; of envelope, the name of the field is the last
}

// A Name is what follows is, to and user: a local name, or a pair of the name at the server and the local one.
type Name struct {
	There, Here string // There is "" where one name stands for both
}

// An Entry is one maildrop.
type Entry struct {
	Pos     conf.Pos
	Server  string // the name behind poll or skip
	Skip    bool
	Remote  string // the user there; "" where none is named
	Local   []Name
	All     bool // is *: other names are local ones as well
	Options []Option
}

// Last returns the last option of that name; nil: there is none.
func (e *Entry) Last(name string) *Option {
	for i := len(e.Options) - 1; i >= 0; i-- {
		if e.Options[i].Name == name {
			return &e.Options[i]
		}
	}
	return nil
}

// Text returns the argument of the last option of that name; "" where there is none, or it is a no.
func (e *Entry) Text(name string) string {
	if o := e.Last(name); o != nil && !o.Off && len(o.Args) > 0 {
		return o.Args[len(o.Args)-1]
	}
	return ""
}

// On says whether a flag is set.
func (e *Entry) On(name string) bool { o := e.Last(name); return o != nil && !o.Off }

// List returns the arguments of all options of that name.
func (e *Entry) List(name string) (all []string) {
	for _, o := range e.Options {
		if o.Name == name && !o.Off {
			all = append(all, o.Args...)
		}
	}
	return all
}

// Several says whether the maildrop holds the mail of many: it has several local names, or any.
func (e *Entry) Several() bool { return e.All || len(e.Local) > 1 }

// Parse reads a run control file; file is its name in messages. The problems are the mistakes of its grammar: what stands
// behind one is left out up to the next poll, skip, defaults or set.
func Parse(file string, text []byte) (File, []conf.Problem) {
	p := &parser{lex: lexer{text: string(text), file: file, line: 1}}
	if len(text) > MaxFile {
		p.fail(conf.Pos{File: file}, "split it", "the file is larger than %d octets", MaxFile)
		return File{}, p.bad
	}
	p.step()
	for p.t.kind != end && !p.stop {
		p.statement()
	}
	return p.merged(), p.bad
}

// A parser reads one token ahead.
type parser struct {
	lex      lexer
	t        token
	set      []Option
	defaults *server
	servers  []server
	users    int
	bad      []conf.Problem
	stop     bool
}

// A server is an entry as it is written.
type server struct {
	pos     conf.Pos
	name    string
	skip    bool
	options []Option
	users   []user
}

type user struct {
	pos     conf.Pos
	remote  string
	local   []Name
	all     bool
	options []Option
}

func (p *parser) fail(pos conf.Pos, hint, format string, args ...any) {
	if len(p.bad) >= maxBad {
		p.stop = true
		return
	}
	p.bad = append(p.bad, conf.Problem{Pos: pos, Severity: conf.Error, Text: fmt.Sprintf(format, args...), Hint: hint})
}

func (p *parser) step() {
	var err error
	if p.t, err = p.lex.next(); err != nil {
		p.fail(p.t.pos, "close it", "%v", err)
	}
}

// wrong says that something else was expected, and goes on where a statement begins.
func (p *parser) wrong(want string) {
	p.fail(p.t.pos, "", "%v stands where %s is expected", p.t, want)
	for p.t.kind != end && !(p.t.kind == key && slices.Contains([]string{"poll", "skip", "defaults", "set"}, p.t.text)) {
		p.step()
	}
}

// take steps over a keyword or mark, if it is there.
func (p *parser) take(kind kind, text string) bool {
	ok := p.t.is(kind, text)
	if ok {
		p.step()
	}
	return ok
}

func (p *parser) statement() {
	pos := p.t.pos
	switch {
	case p.take(key, "set"):
		p.global()
	case p.take(key, "defaults"):
		if s := (server{pos: pos}); p.entry(&s) {
			p.defaults = &s
		}
	case p.t.is(key, "poll"), p.t.is(key, "skip"):
		s := server{pos: pos, skip: p.t.text == "skip"}
		p.step()
		if p.t.kind == end || p.t.kind == mark {
			p.wrong("the name of a server")
			return
		}
		s.name = p.t.text
		p.step()
		if p.entry(&s) && (len(s.users) > 0 || p.another(pos)) {
			p.servers = append(p.servers, s)
		}
	default:
		p.wrong("poll, skip, defaults or set")
	}
}

func (p *parser) global() {
	if o, ok := p.option(ofSet); ok {
		p.set = append(p.set, o)
	}
}

// entry reads the options of a server and its users; false: there was a mistake.
func (p *parser) entry(s *server) bool {
	bad := len(p.bad)
	for p.optional(ofServer) {
		o, ok := p.option(ofServer)
		if !ok {
			return false
		}
		s.options = append(s.options, o)
	}
	for p.begins() {
		u := user{pos: p.t.pos}
		if !p.user(&u) {
			return false
		}
		if s.users = append(s.users, u); !p.another(u.pos) {
			return false
		}
	}
	if p.t.kind == key && options[p.behindNo()].scope&ofServer != 0 {
		p.wrong("an option of a user (those of a server come before the first user)")
	}
	return len(p.bad) == bad
}

// another counts maildrops; false: there are too many.
func (p *parser) another(pos conf.Pos) bool {
	if p.users++; p.users > maxUsers {
		p.fail(pos, "split the file", "there are more than %d users", maxUsers)
		p.stop = true
	}
	return !p.stop
}

// optional says whether an option of that scope comes next.
func (p *parser) optional(s scope) bool {
	return p.t.kind == key && options[p.behindNo()].scope&s != 0
}

// behindNo is the keyword that comes next, behind a no.
func (p *parser) behindNo() string {
	if !p.t.is(key, "no") {
		return p.t.text
	}
	if len(p.lex.ahead) == 0 {
		t, err := p.lex.next()
		if err != nil {
			p.fail(t.pos, "close it", "%v", err)
		}
		p.lex.ahead = []token{t}
	}
	return p.lex.ahead[0].text
}

// begins says whether a user comes next. The first one may lack the word user.
func (p *parser) begins() bool {
	return p.t.is(key, "user") || p.t.is(key, "is") || p.t.is(key, "to") || p.optional(ofUser)
}

// user reads one user up to the next.
func (p *parser) user(u *user) bool {
	if p.take(key, "user") && !p.names(u, true) {
		return false
	}
	for !p.t.is(key, "user") {
		switch {
		case p.t.is(key, "is"), p.t.is(key, "to"):
			p.step()
			if !p.names(u, false) {
				return false
			}
		case p.optional(ofUser):
			o, ok := p.option(ofUser)
			if !ok {
				return false
			}
			u.options = append(u.options, o)
		default:
			return true
		}
	}
	return true
}

// names reads what follows user, is or to: local names with here behind them, or one at the server with there. Behind
// user, one alone is one at the server; behind is and to they are local ones.
func (p *parser) names(u *user, remote bool) bool {
	var list []Name
	all := false
	for p.t.kind == word || p.t.kind == number || p.t.is(mark, "*") {
		n := Name{Here: p.t.text}
		if p.t.kind == mark {
			n.Here, all = "", true
		}
		p.step()
		if n.Here != "" && p.take(mark, "=") {
			if p.t.kind != word && p.t.kind != number {
				p.wrong("a local name")
				return false
			}
			n.There, n.Here = n.Here, p.t.text
			p.step()
		}
		if n.Here != "" {
			list = append(list, n)
		}
	}
	here, there := p.take(key, "here"), false
	if !here {
		there = p.take(key, "there")
	}
	one := len(list) == 1 && !all && list[0].There == ""
	switch {
	case len(list) == 0 && !all:
		p.wrong("a name")
		return false
	case there && !one, remote && !here && !one:
		p.wrong("here (one user is there; several names, * and = are local)")
		return false
	case there || remote && !here:
		u.remote = list[0].Here
	default:
		u.local, u.all = append(u.local, list...), u.all || all
	}
	return true
}

// option reads an option with what follows it.
func (p *parser) option(s scope) (o Option, ok bool) {
	o.Pos = p.t.pos
	o.Off = p.take(key, "no")
	o.Name = p.t.text
	x, known := options[o.Name]
	if p.t.kind != key || !known || x.scope&s == 0 || o.Off && !x.off {
		p.wrong("an option")
		return o, false
	}
	p.step()
	if o.Off {
		return o, true
	}
	if s == ofSet {
		p.take(mark, "=")
	}
	return o, p.arguments(&o, x.shape)
}

// arguments reads what an option takes.
func (p *parser) arguments(o *Option, s shape) bool {
	one := func(ok bool, want string) bool {
		if !ok {
			p.wrong(want + " behind " + o.Name)
			return false
		}
		o.Args = append(o.Args, p.t.text)
		p.step()
		return true
	}
	isText, isNumber := p.t.kind == word, p.t.kind == number
	switch s {
	case text:
		if o.Name == "auth" || o.Name == "protocol" || o.Name == "bad-header" { // their words may be keywords
			isText = p.t.kind == word || p.t.kind == key
		}
		return one(isText, "a word")
	case count:
		return one(isNumber, "a number")
	case either:
		return one(isText || isNumber, "a word")
	case numbered:
		if isNumber && !one(true, "") {
			return false
		}
		return one(p.t.kind == word, "the name of a field")
	case texts:
		ok := one(isText, "a word")
		for ok && p.t.kind == word {
			one(true, "")
		}
		return ok
	case counts:
		ok := one(isNumber, "a number")
		for ok && p.t.kind == number {
			one(true, "")
		}
		return ok
	}
	return true
}
