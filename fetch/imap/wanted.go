package imap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/relay/imapconn"
	"mailretr/store/mail"
)

const (
	// rename is how long the folders that patterns and roles stand for are believed to be the same.
	rename = time.Hour
	// namesOctets bounds what LIST may answer; ten thousand folders have less.
	namesOctets = 2 << 20
	// mostNamed is how many folders a remark names.
	mostNamed = 5
)

// A pattern never stands for these: copies of what is elsewhere, what the account's owner has written or
// thrown away, and what somebody has judged to be junk. Who wants them names them, or their role.
var spared = []string{`\All`, `\Flagged`, `\Important`, `\Drafts`, `\Sent`, `\Trash`, `\Junk`}

// uses are those of RFC 6154 and RFC 8457.
var uses = append([]string{`\Archive`}, spared...)

// isRole says whether what was configured is a use of a folder (RFC 6154) and not its name.
func isRole(s string) bool { return strings.HasPrefix(s, `\`) }

func isPattern(s string) bool { return strings.ContainsAny(s, "*%") }

// listed says whether the folders have to be listed to be known.
func (o *Options) listed() bool {
	return slices.ContainsFunc(o.Folders, func(s string) bool { return isRole(s) || isPattern(s) })
}

// A found is a folder that LIST told of, under its name for people.
type found struct {
	entry
	name string
}

// names finds out which folders the configuration stands for, where that is not said by their names alone.
func (s *session) names(ctx context.Context) error {
	if len(s.folders) > 0 {
		return nil
	}
	all, odd, err := s.entries(ctx, s.o.Folders)
	if err != nil {
		return err
	}
	named, missing := s.o.choose(all)
	for _, n := range named {
		s.include(n.name, n.to)
	}
	s.named = append(odd, missing...)
	if m := s.o.Memory; m != nil {
		m.Named, m.NamedBy, m.Left = s.o.now().UTC().Round(0), s.o.specs(), s.named
		m.Names = nil
		for _, n := range named {
			m.Names = append(m.Names, Name{n.name, n.spec})
		}
	}
	if len(s.folders) == 0 {
		s.remark()
		return &mail.Trouble{Op: mail.OpList, Kind: mail.Local, Server: s.server(),
			Err:  errors.New("there is no folder to collect from: " + list(s.named)),
			Hint: "Write the names of folders as the server has them, with its separator, or a use such as \\Junk."}
	}
	return nil
}

// remembered takes the folders from Memory, where they are not too old.
func (s *session) remembered() {
	if !s.o.listed() {
		for _, f := range s.o.Folders {
			s.include(f, s.o.To[f])
		}
		return
	}
	m := s.o.Memory
	if m == nil || m.NamedBy != s.o.specs() {
		return
	}
	if age := s.o.now().Sub(m.Named); age < 0 || age > rename {
		return
	}
	for _, n := range m.Names {
		s.include(n.Name, s.o.To[n.Spec])
	}
	s.named = m.Left
}

func (s *session) include(name string, to []mail.Path) {
	f := &folder{name: name, to: to}
	f.forget()
	s.folders = append(s.folders, f)
}

// specs is all by which folders are chosen.
func (o *Options) specs() string {
	target := ""
	if o.After == Move {
		target = o.Target
	}
	return strings.Join(o.Folders, "\n") + "\n\n" + strings.Join(o.Except, "\n") + "\n\n" + target
}

// entries asks for the folders that names, patterns and roles may stand for. odd are those whose name cannot
// be used, for people. What a server does not understand, or has nothing to say to, it is asked in the plain
// way.
func (s *session) entries(ctx context.Context, specs []string) (all []found, odd []string, err error) {
	defer s.watch(ctx, mail.OpList)()
	const plain = `LIST "" "*"`
	for _, commands := range [][]string{s.listCommands(specs), {plain}} {
		var lines [][]byte
		var bad *mail.Trouble
		if lines, bad, err = s.lists(commands); err != nil {
			return nil, nil, err
		}
		var told bool
		all, odd, told = sorted(lines, s.utf8)
		switch {
		case bad == nil && (told || commands[0] == plain || !slices.ContainsFunc(specs, isRole)):
			return all, odd, nil
		case bad != nil && commands[0] == plain:
			return nil, nil, bad
		}
	}
	return all, odd, nil
}

// lists sends LIST commands. bad is the first refusal, err the session's end.
func (s *session) lists(commands []string) (lines [][]byte, bad *mail.Trouble, err error) {
	lines, answers, err := s.line.ask(commands, "LIST", namesOctets)
	if err != nil {
		return nil, nil, s.fail(mail.OpList, err)
	}
	for _, r := range answers {
		if r.Word != "OK" && bad == nil {
			bad = imapconn.Judge(mail.OpList, s.server(), r)
		}
	}
	return lines, bad, nil
}

// listCommands are as few octets as the server allows. Special uses are asked for in any case: a pattern
// spares some.
func (s *session) listCommands(specs []string) (commands []string) {
	var patterns []string
	for _, spec := range specs {
		if isPattern(spec) {
			patterns = append(patterns, quoted(spec))
		}
	}
	if s.caps.Has(goimap.CapSpecialUse) && s.caps.Has(goimap.CapListExtended) {
		commands = append(commands, `LIST (SPECIAL-USE) "" "*" RETURN (SPECIAL-USE)`)
		if len(patterns) > 0 {
			commands = append(commands, `LIST "" (`+strings.Join(patterns, " ")+`) RETURN (SPECIAL-USE)`)
		}
		return commands
	}
	if slices.ContainsFunc(specs, isRole) {
		return []string{`LIST "" "*"`}
	}
	for _, p := range patterns {
		commands = append(commands, `LIST "" `+p)
	}
	return commands
}

// sorted makes folders of responses, INBOX first, then by their names. Each is named once; what cannot be
// opened is no folder. Where the server tells of no special use they are told by the usual names.
func sorted(lines [][]byte, plain bool) (all []found, odd []string, told bool) {
	have := map[string]bool{}
	for _, l := range lines {
		e, ok := parseList(l)
		if !ok {
			odd = append(odd, fmt.Sprintf("an answer to LIST makes no sense: %s", mail.Printable(string(l), 60)))
			continue
		}
		name, err := decodeName(e.raw, plain)
		switch {
		case e.has(`\Noselect`), e.has(`\NonExistent`), have[e.raw]:
			continue
		case err != nil:
			odd = append(odd, fmt.Sprintf("folder %q is left out: %v", mail.Printable(e.raw, 60), err))
			continue
		}
		if have[e.raw] = true; strings.EqualFold(name, "INBOX") {
			name = "INBOX" // RFC 9051, 5.1
		}
		all = append(all, found{e, name})
		told = told || slices.ContainsFunc(uses, e.has)
	}
	place := func(f found) string { return strings.TrimPrefix(f.name, "INBOX") } // "" is first
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(place(a), place(b)) })
	for i := range all {
		if use := guessed(all[i].name, all[i].delimiter); !told && use != "" {
			all[i].attrs = append(all[i].attrs, use)
		}
	}
	return all, odd, told
}

// A chosen is a folder with what it was chosen by.
type chosen struct {
	name, spec string
	to         []mail.Path
}

// choose sorts out which folders are meant, in the order of the configuration; the first that means a folder
// says whom its mail is for. missing is what means none, for people.
func (o *Options) choose(all []found) (some []chosen, missing []string) {
	have := map[string]bool{}
	for _, spec := range o.Folders {
		n := len(have)
		take := func(name string) {
			if !have[name] {
				have[name] = true
				some = append(some, chosen{name, spec, o.To[spec]})
			}
		}
		if !isRole(spec) && !isPattern(spec) {
			take(spec)
			continue
		}
		hit := false
		for i := range all {
			f := &all[i]
			if f.means(spec) && !o.excludes(f, isPattern(spec)) {
				hit = true
				take(f.name)
			}
		}
		if !hit && n == len(have) {
			missing = append(missing, fmt.Sprintf("no folder is %s", mail.Printable(spec, 60)))
		}
	}
	return some, missing
}

// means says whether a name, pattern or role stands for the folder.
func (f *found) means(spec string) bool {
	switch {
	case isRole(spec):
		return f.has(spec)
	case isPattern(spec):
		return matches(spec, f.name, f.delimiter)
	}
	return f.name == spec
}

// excludes says whether a folder is not wanted although a pattern or role means it: a pattern spares some;
// mail is not collected from where it is moved to.
func (o *Options) excludes(f *found, pattern bool) bool {
	if pattern && slices.ContainsFunc(spared, f.has) || o.After == Move && f.means(o.Target) {
		return true
	}
	return slices.ContainsFunc(o.Except, f.means)
}

// target is the name of the folder that mail is moved to; a role is asked for when it is needed.
func (s *session) target(ctx context.Context) (string, error) {
	if !isRole(s.o.Target) {
		return s.o.Target, nil
	}
	all, _, err := s.entries(ctx, []string{s.o.Target})
	if err != nil {
		return "", err
	}
	for _, f := range all {
		if f.has(s.o.Target) {
			return f.name, nil
		}
	}
	return "", &mail.Trouble{Op: mail.OpSettle, Kind: mail.Local, Server: s.server(),
		Err:  fmt.Errorf("no folder there is %s", s.o.Target),
		Hint: "Name the folder that mail is to be moved to."}
}

// Covers names the folders that were listed, and says whether they are labels: at Gmail a message is in each
// folder whose label it has, under a UID of its own.
func (s *session) Covers() (folders []string, labels bool) {
	folders = []string{}
	for _, f := range s.folders {
		if !f.left {
			folders = append(folders, f.name)
		}
	}
	return folders, len(s.folders) > 1 && s.caps.Has("X-GM-EXT-1")
}

// topicFolders is the topic of what is remarked about folders.
const topicFolders = "folders"

// remark tells which folders are left out and what else there is to say of them, if that is not what was told
// last.
func (s *session) remark() {
	m := s.o.Memory
	switch {
	case m == nil:
	case s.settling: // it was tried, or there was nothing to try
		m.Stuck = s.stuck
	default:
		s.stuck = m.Stuck
	}
	all := slices.Concat(s.named, s.stuck)
	e := mail.Event{At: s.o.now(), Op: mail.OpRemark, Topic: topicFolders,
		Origin: mail.Origin{Maildrop: s.o.Name, Account: s.o.Account}}
	for _, f := range s.folders {
		if f.left && f.why != nil {
			all = append(all, fmt.Sprintf("folder %q is left out: %v", f.name, f.why))
			e.Err = f.why
		}
	}
	e.Text = list(all)
	said := ""
	if m != nil {
		said, m.Said = m.Said, e.Text
	}
	if e.Text != said && s.o.Observe != nil {
		s.o.Observe.Observe(e)
	}
}

// list joins what is said, and bounds it.
func list(all []string) string {
	more := ""
	if n := len(all) - mostNamed; n > 0 {
		all, more = all[:mostNamed], fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(all, "; ") + more
}
