package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/conf/draft"
	"mailretr/conf/fetchmailrc"
	"mailretr/conf/getmailrc"
	"mailretr/conf/mpoprc"
	"mailretr/conf/yaml"
	"mailretr/store/mail"
)

// A reader makes a configuration of the file of another program.
type reader func(file string, text []byte, o draft.Options) (conf.Config, []conf.Problem)

// foreign are the programs whose files are read.
var foreign = []struct {
	verb, of string
	read     reader
}{
	{"fetchmailrc", "fetchmail", fetchmailrc.Import},
	{"getmailrc", "getmail", getmailrc.Import},
	{"mpoprc", "mpop", mpoprc.Import},
}

func newForeign(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Make a configuration of the file of another program",
		Args:  cobra.NoArgs,
		RunE:  group,
	}
	for _, f := range foreign {
		c.AddCommand(newForeigner(a, f.verb, f.of, f.read))
	}
	c.AddCommand(newForeignSeen(a))
	return c
}

// taking is what an import is told by flags.
type taking struct {
	draft.Options
	write string
	check bool
}

func newForeigner(a *app, verb, of string, read reader) *cobra.Command {
	var x taking
	c := &cobra.Command{
		Use:   verb + " FILE",
		Short: "Make a configuration of the file of " + of,
		Long: "Writes a configuration that does what the file of " + of + " says to standard output, and a line to standard\n" +
			"error for each option that has no equal here or is not quite the same, with its place and the reason.\n" +
			"Passwords are not shown: the configuration names a file for each, which --write makes. Nothing is\n" +
			"changed elsewhere, and nothing is collected. FILE may be - for standard input.",
		Args: wants(1, "a file", 1),
		RunE: func(c *cobra.Command, args []string) error { return a.take(c.Context(), &x, read, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&x.Hostname, "hostname", "", "`name` of this machine, as others know it (default: as the system says)")
	f.StringVar(&x.Domain, "domain", "", "`domain` of local names (default: that of "+of+")")
	f.StringVarP(&x.write, "write", "w", "", "write mailretr.yaml and a file for each password into `directory` (mode 0600)")
	f.BoolVar(&x.check, "check", false, "log in at every maildrop and destination, and collect nothing")
	return c
}

// take reads a file and says what became of it.
func (a *app) take(ctx context.Context, x *taking, read reader, file string) error {
	text, err := a.foreignText(file)
	if err != nil {
		return err
	}
	if x.Hostname == "" {
		if x.Hostname, err = os.Hostname(); err != nil {
			return usage("--hostname is missing: "+err.Error(), "")
		}
	}
	cfg, notes := read(file, text, x.Options)
	cfg.At.Self = conf.Pos{File: file}
	dir, p, err := a.takenTo(x)
	if err != nil {
		return err
	}
	secrets := takeSecrets(&cfg, dir)
	var out bytes.Buffer
	if err := yaml.Write(&out, &cfg); err != nil {
		return err
	}
	a.problems(notes)
	for _, s := range secrets {
		if !s.stands() && (x.write == "" || !s.plain.Given()) {
			a.talk.Printf("%s: the password of %s belongs into %s (mode 0600)\n",
				mail.Printable(s.pos.String(), 500), mail.Printable(s.of, 100), mail.Printable(s.file, 500))
		}
	}
	if err := a.taken(ctx, x, dir, out.Bytes(), secrets); err != nil {
		return err
	}
	return a.takenWell(ctx, x, &cfg, p, secrets, conf.Failed(notes))
}

// foreignText reads the file. One that others can read as well is none of our business.
func (a *app) foreignText(file string) ([]byte, error) {
	in := a.in
	if file != "-" {
		f, err := opened(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, fetchmailrc.MaxFile+1)) // kinds refuse what is longer
}

// takenTo is the directory that password files are in.
func (a *app) takenTo(x *taking) (dir string, p conf.Paths, err error) {
	env := conf.ThisEnv()
	env.Getenv = a.getenv
	if p, err = conf.Find(a.config, env); err != nil {
		return "", p, err
	}
	dir = x.write
	if dir == "" {
		dir = filepath.Dir(p.Config)
	}
	dir, err = filepath.Abs(dir)
	return dir, p, err
}

// A takenSecret is a password that is to stand in a file of its own.
type takenSecret struct {
	of, file string
	pos      conf.Pos
	at       *conf.Secret
	plain    conf.Secret // none: it was not in the file
}

// takeSecrets puts a file in the place of every password.
func takeSecrets(c *conf.Config, dir string) (all []takenSecret) {
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		if m.OAuth == "" && m.Auth != "external" {
			file := filepath.Join(dir, m.Name+".pass")
			all = append(all, takenSecret{"maildrop " + m.Name, file, m.At.Self, &m.Password, m.Password})
		}
	}
	for i := range c.Deliver {
		if d := &c.Deliver[i]; d.User != "" {
			file := filepath.Join(dir, "deliver-"+d.Name+".pass")
			all = append(all, takenSecret{"destination " + d.Name, file, d.At.Self, &d.Password, d.Password})
		}
	}
	for _, s := range all {
		if !s.stands() {
			*s.at = conf.SecretFile(s.file)
		}
	}
	return all
}

// stands says whether it is found elsewhere already, by a command, say.
func (s *takenSecret) stands() bool { return s.plain.Given() && !s.plain.Plain() }

// taken writes the result.
func (a *app) taken(ctx context.Context, x *taking, dir string, text []byte, secrets []takenSecret) error {
	if x.write == "" {
		a.out.Printf("%s", text)
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &exit{exCantCreat, usage(err.Error(), "name another directory with --write")}
	}
	for _, s := range secrets {
		if !s.plain.Plain() {
			continue
		}
		plain, err := s.plain.Resolve(ctx)
		if err != nil {
			return &exit{exDataErr, err}
		}
		if err := create(s.file, []byte(plain+"\n")); err != nil {
			return err
		}
	}
	file := filepath.Join(dir, "mailretr.yaml")
	if err := create(file, text); err != nil {
		return err
	}
	a.talk.Printf("%s is written. Next: mailretr --config %s check --connect\n", file, file)
	return nil
}

// takenWell checks the configuration as check does, with the passwords of the file.
func (a *app) takenWell(ctx context.Context, x *taking, c *conf.Config, p conf.Paths, secrets []takenSecret, bad bool) error {
	for _, s := range secrets {
		*s.at = s.plain
		if !s.plain.Given() {
			*s.at = conf.SecretFile(s.file)
		}
	}
	c.Complete(p)
	list := append(c.Validate(), undeliverable(c)...)
	list = append(append(list, mute(c)...), circular(ctx, c)...)
	failed := bad
	for _, q := range list {
		if q.Severity == conf.Error {
			failed = true
			a.problems([]conf.Problem{q})
		}
	}
	var incomplete error
	if failed {
		hint := "see the lines above; what could be read is on standard output"
		if x.write != "" {
			hint = "see the lines above, and complete " + filepath.Join(x.write, "mailretr.yaml")
		}
		incomplete = &exit{exConfig, &control.Error{Code: control.Config, Text: "the configuration is not complete", Hint: hint}}
	}
	if !x.check {
		return incomplete
	}
	c.LeaveOut(list)
	return a.takenConnects(ctx, c, incomplete)
}

// takenConnects logs in with the entries that are whole, and names the others. incomplete is what is to be said in the end,
// whatever the servers say.
func (a *app) takenConnects(ctx context.Context, c *conf.Config, incomplete error) error {
	for _, b := range c.Bad {
		a.talk.Printf("%s: maildrop %s is not logged in to, because its entry is not complete\n",
			mail.Printable(b.Pos.String(), 500), mail.Printable(b.Name, 100))
	}
	r, err := a.connections(ctx, c)
	if err != nil {
		return err
	}
	if r.failed > 0 {
		a.talk.Printf("%d of %s failed\n", r.failed, term.Count(r.all, "connection"))
	}
	switch {
	case incomplete != nil:
		return incomplete
	case r.failed > 0:
		return told(r.code)
	}
	return nil
}
