package yaml

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// MaxFile bounds a file, in octets. yaml.v3 needs up to 150 octets for one octet of a hostile file; thousands
// of maildrops fit, and more belong into a database.
const MaxFile = 1 << 20

// maxMarks bounds the flow indicators of a file, each of which may become a node: the memory of a hostile
// file.
const maxMarks = 100_000

// maxFiles bounds the files in conf.d and the sources.
const maxFiles = 1000

// ErrConfig says that the configuration cannot be used; the problems say why.
var ErrConfig = errors.New("the configuration has errors")

// Load reads a file, then those that its sources name, then conf.d/*.yaml beside it in lexical order. Lists
// of maildrops, destinations and sources add up; anything else that is written twice is a mistake.
//
// The problems are all mistakes and warnings, in the order of files and lines; they are worth showing
// whatever the error is. A maildrop with mistakes is not in Maildrops but in Bad, and no reason for an error.
// An error is ErrConfig, or what kept the file from being read; the Config is not to be used then.
func Load(ctx context.Context, p conf.Paths) (conf.Config, []conf.Problem, error) {
	l := &loader{cfg: conf.Default(), home: home(), wrong: make(map[conf.Pos]bool), elsewhere: places()}
	l.cfg.At.Self = conf.Pos{File: p.Config}
	if err := l.all(ctx, p.Config); err != nil {
		return conf.Config{}, l.problems, err
	}
	l.cfg.Complete(p)
	for _, x := range l.cfg.Validate() {
		if !l.wrong[x.Pos] && !(l.unread && x.Pos.Line == 0) { // what could not be read was told already
			l.problems = append(l.problems, x)
		}
	}
	l.secrets()
	l.certificates()
	l.commands()
	l.sort()
	l.cfg.LeaveOut(l.problems)
	var err error
	if conf.Failed(l.problems) {
		err = ErrConfig
	}
	return l.cfg, l.some(), err
}

// Files returns the paths whose change matters: the file, conf.d, and what the sources and maps of c name.
func Files(p conf.Paths, c *conf.Config) []string {
	list := []string{p.Config, confd(p.Config)}
	for _, s := range c.Sources {
		if s.Kind == "yaml" {
			list = append(list, s.Path)
		}
	}
	if c.Rewrite.MapFile != "" {
		list = append(list, c.Rewrite.MapFile)
	}
	for i := range c.Maildrops {
		if x := c.Maildrops[i].Multidrop; x != nil && x.MapFile != "" {
			list = append(list, x.MapFile)
		}
	}
	return list
}

// A loader gathers what all files say.
type loader struct {
	cfg      conf.Config
	home     string
	files    []string // in the order of reading
	problems []conf.Problem
	wrong    map[conf.Pos]bool // settings that could not be read
	unread   bool              // a file could not be parsed: what seems to be missing may be in it

	elsewhere map[string]string // key: where it belongs, for hints
}

// places says where the keys of the sections belong.
func places() map[string]string {
	m := make(map[string]string)
	add := func(section string, list []string) {
		for _, k := range list {
			if m[k] == "" {
				m[k] = "below " + section + ":"
			}
		}
	}
	for _, k := range keys(top) {
		m[k] = "to the left margin"
	}
	add("bounce", keys(bounce))
	add("queue", keys(queue))
	add("limits", keys(limits))
	add("log", keys(logs))
	add("maildrops", keys(maildrop))
	add("multidrop", keys(multidrop))
	m["nth"] = "into envelope:, as in envelope: Delivered-To 2"
	add("tls", keys(tls))
	add("deliver", keys(destination))
	add("routes", keys(route))
	add("rewrite", keys(rewrite))
	add("oauth", keys(oauth))
	add("sources", keys(sql))
	return m
}

func home() string {
	dir, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return dir
}

func confd(file string) string { return filepath.Join(filepath.Dir(file), "conf.d") }

func (l *loader) all(ctx context.Context, file string) error {
	if err := l.file(file); err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	for i := 0; i < len(l.cfg.Sources); i++ {
		if s := l.cfg.Sources[i]; s.Kind == "yaml" && s.Path != "" {
			l.more(ctx, s.Path, s.At.Self)
		}
	}
	names, err := filepath.Glob(filepath.Join(escape(confd(file)), "*.yaml"))
	if err != nil {
		return err
	}
	for _, name := range names { // Glob sorts
		l.more(ctx, name, conf.Pos{File: name})
	}
	return ctx.Err()
}

// escape keeps Glob from taking a directory's name for a pattern.
func escape(dir string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(dir, `\$0`)
}

// more reads a further file; at is where it was named.
func (l *loader) more(ctx context.Context, file string, at conf.Pos) {
	switch {
	case ctx.Err() != nil:
	case slices.Contains(l.files, file):
		l.problem(conf.Error, at, "name it once", "%s is read twice", file)
	case len(l.files) >= maxFiles:
		l.problem(conf.Error, at, "", "there are more than %d files", maxFiles)
	default:
		if err := l.file(file); err != nil {
			l.problem(conf.Error, at, "", "%v", err)
		}
	}
}

func (l *loader) problem(s conf.Severity, at conf.Pos, hint, format string, args ...any) {
	l.problems = append(l.problems, conf.Problem{
		Pos: at, Severity: s, Text: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// file reads one file. An error means that it could not be read; what is wrong inside becomes problems.
func (l *loader) file(file string) error {
	l.files = append(l.files, file)
	text, mode, err := read(file)
	if err != nil {
		return err
	}
	at := conf.Pos{File: file}
	if mode&0o022 != 0 {
		l.problem(conf.Warning, at, "chmod go-w", "others than its owner may change it (mode %04o)", mode)
	}
	d := &decoder{loader: l, file: file, mode: mode, budget: maxMarks}
	if root := d.parse(text); root != nil {
		section(d, root, top, &l.cfg, &l.cfg.At)
	}
	return nil
}

// read returns a whole regular file.
func read(file string) ([]byte, os.FileMode, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // O_NONBLOCK: a FIFO must not hold us
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return nil, 0, err
	case !fi.Mode().IsRegular():
		return nil, 0, fmt.Errorf("%s is not a regular file", file)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(text) > MaxFile {
		err = fmt.Errorf("%s is larger than %s", file, conf.Size(MaxFile))
	}
	return text, fi.Mode().Perm(), err
}

// parse returns the one mapping that a file holds; nil where there is none, or it cannot be read.
func (d *decoder) parse(text []byte) (root *yaml.Node) {
	at, before := conf.Pos{File: d.file}, len(d.problems)
	defer func() { d.unread = d.unread || len(d.problems) > before }()
	defer func() { // yaml.v3 gives up on its own bugs by a panic
		if x := recover(); x != nil {
			d.problem(conf.Error, at, "make it simpler", "the file cannot be parsed: %v", x)
			root = nil
		}
	}()
	if !utf8.Valid(text) {
		d.problem(conf.Error, invalid(at, text), "save the file as UTF-8", "there is a byte that is not UTF-8")
		return nil
	}
	if n := marks(text); n > maxMarks {
		d.problem(conf.Error, at, "", "the file has more than %d of [ ] { } , : - &", maxMarks)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		d.syntax(err, text)
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		d.fail(&second, "use another file in conf.d", "a second document (---) begins here")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err, text)
	}
	return doc.Content[0]
}

// marks counts what may begin a node.
func marks(text []byte) (n int) {
	for _, c := range text {
		if strings.IndexByte("[]{},:-&*?", c) >= 0 {
			n++
		}
	}
	return n
}

var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?((?s).*)$`)

// syntax turns an error of the parser into a problem.
func (d *decoder) syntax(err error, text []byte) {
	at, what, hint := conf.Pos{File: d.file}, err.Error(), ""
	if m := syntaxError.FindStringSubmatch(what); m != nil {
		what = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			at.Line, at.Column = n, 1
		}
	}
	if line := tab(text); line > 0 {
		at.Line, at.Column, hint = line, 1, "indent with blanks; tabs are not allowed"
	} else if strings.Contains(what, "mapping values are not allowed") {
		hint = "look for a value with a colon that needs quotes, or for wrong indentation"
	} else if strings.Contains(what, "expected alphabetic or numeric character") { // the name of an anchor
		hint = "a value that begins with * or & needs quotes"
	} else if strings.Contains(what, "did not find expected") {
		hint = "look at this line and those around it, for an indentation, a quote or a bracket that has no partner"
	} else if strings.Contains(what, "unknown anchor") { // whose name may be a password
		what, hint = "unknown anchor", "a value that begins with * needs quotes"
	}
	d.problem(conf.Error, at, hint, "this is not YAML: %s", what)
}

// tab returns the first line that is indented with a tab.
func tab(text []byte) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if bytes.IndexByte(indent, '\t') >= 0 {
			return i + 1
		}
	}
	return 0
}

// invalid returns the place of the first octet that is not UTF-8.
func invalid(at conf.Pos, text []byte) conf.Pos {
	at.Line, at.Column = 1, 1
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			return at
		case r == '\n':
			at.Line, at.Column = at.Line+1, 1
		default:
			at.Column++
		}
		text = text[n:]
	}
	return at
}

// maxProblems is how many problems are told: nobody mends more at once.
const maxProblems = 1000

// some returns the first problems, and how many more there are.
func (l *loader) some() []conf.Problem {
	more := len(l.problems) - maxProblems
	if more <= 0 {
		return l.problems
	}
	list := slices.Clone(l.problems[:maxProblems])
	return append(list, conf.Problem{Pos: l.problems[maxProblems].Pos, Text: fmt.Sprintf("and %d more", more)})
}

// sort puts the problems in the order of the files and lines, and removes repetitions.
func (l *loader) sort() {
	slices.SortStableFunc(l.problems, func(a, b conf.Problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(l.files, a.Pos.File), slices.Index(l.files, b.Pos.File)),
			cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	l.problems = slices.Compact(l.problems)
}
