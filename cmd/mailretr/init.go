package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	xterm "golang.org/x/term"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/conf/yaml"
	"mailretr/store/mail"
)

// answers are what init has to know. Each is a flag, and a question where somebody can be asked.
type answers struct {
	url, secret, to, hostname, first string

	deliver      string // flag only
	after        string // flag only
	yes          bool
	passwordText string // typed in; written into a file of its own
}

func newInit(a *app) *cobra.Command {
	var x answers
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a first configuration: five questions, or flags",
		Long: "Asks five questions and writes a short configuration (mode 0600) for one maildrop, with the password\n" +
			"in a file of its own. Nothing that exists is overwritten. With --yes it asks nothing; then --url,\n" +
			"--to and --password-file are needed. Whoever runs `mailretr serve` has to be able to read both files:\n" +
			"where that is not you, give them to it (chown).",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.init(c.Context(), &x) },
	}
	f := c.Flags()
	f.StringVar(&x.url, "url", "", "`where` the maildrop is, e.g. imaps://jaco@mail.isp.example")
	f.StringVar(&x.secret, "password-file", "", "`file` that holds its password")
	f.StringVar(&x.to, "to", "", "`address` that gets the mail")
	f.StringVar(&x.hostname, "hostname", "", "`name` of this machine, as others know it")
	f.StringVar(&x.first, "first", "",
		"`which` of the mail that is already there: all, new, or an age such as 30d (default all)")
	f.StringVar(&x.deliver, "deliver", "localhost:25", "`host:port` of the MTA")
	f.StringVar(&x.after, "after", "keep", "`what` becomes of collected mail in the maildrop: keep or delete")
	f.BoolVarP(&x.yes, "yes", "y", false, "ask nothing")
	return c
}

func (a *app) init(ctx context.Context, x *answers) error {
	env := conf.ThisEnv()
	env.Getenv = a.getenv
	p, err := conf.Find(a.config, env)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(p.Config); err == nil {
		return &exit{exCantCreat, usage(p.Config+" is there already", "edit it, or name another file with --config")}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return noPlace(err)
	}
	in, err := a.asker(x)
	if err != nil {
		return err
	}
	if err := writable(filepath.Dir(p.Config)); err != nil {
		return noPlace(err)
	}
	c, m := conf.Default(), conf.DefaultMaildrop()
	if err := x.ask(in, &c, &m); err != nil {
		return err
	}
	m.Name = nameOf(&m)
	later := x.secret == ""
	if later {
		x.secret = filepath.Join(filepath.Dir(p.Config), m.Name+".pass")
	}
	m.Password = conf.SecretFile(x.secret)
	c.Maildrops = []*conf.Maildrop{&m}
	if err := a.written(p, &c, x); err != nil {
		return err
	}
	a.talk.Printf("%s is written.\n", p.Config)
	if later && x.passwordText == "" {
		a.talk.Printf("Put the password into %s (mode 0600).\n", x.secret)
	}
	if m.After.Act == conf.Keep {
		a.talk.Printf("What is collected stays in the maildrop as well, until the file says after: delete.\n")
	}
	a.talk.Printf("Next: mailretr %scheck --connect\n", a.same())
	return nil
}

// writable says whether files can be made in a directory, or it in the nearest one above that is there. Nothing is
// made: who answers five questions wants to hear it before them.
func writable(dir string) error {
	for {
		_, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
			dir = filepath.Dir(dir)
			continue
		case err == nil:
			err = unix.Access(dir, unix.W_OK|unix.X_OK)
		}
		if err != nil {
			return &fs.PathError{Op: "writing into", Path: dir, Err: err}
		}
		return nil
	}
}

// noPlace is why a file cannot be made.
func noPlace(err error) error {
	return &exit{exCantCreat, usage(err.Error(), "name a file in a directory of your own with --config")}
}

// same is the flag that makes another command use the same file.
func (a *app) same() string {
	if a.config == "" {
		return ""
	}
	return "--config " + a.config + " "
}

// An asker asks questions. The answers are lines of in; a secret is read as it says.
type asker struct {
	in     *bufio.Reader
	out    io.Writer
	secret func() (string, error)
	silent bool // the flags have to be enough
}

// asker says who can be asked.
func (a *app) asker(x *answers) (*asker, error) {
	f, ok := a.in.(*os.File)
	person := ok && xterm.IsTerminal(int(f.Fd()))
	if !x.yes && !person {
		return nil, usage("nobody can be asked here", "say --yes, with --url, --to and --password-file")
	}
	q := &asker{in: bufio.NewReader(a.in), out: a.stderr, silent: x.yes}
	q.secret = func() (string, error) {
		b, err := xterm.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.stderr)
		return string(b), err
	}
	return q, nil
}

// ask asks until take is content. given is what a flag said, preset what Return alone means.
func (q *asker) ask(question, given, flag, preset string, take func(string) error) error {
	if given != "" || q.silent {
		if given == "" {
			given = preset
		}
		if given == "" {
			return usage(flag+" is missing", "it is needed, because nobody can be asked; see: mailretr init --help")
		}
		if err := take(given); err != nil {
			return usage(flag+": "+err.Error(), "")
		}
		return nil
	}
	for {
		fmt.Fprintf(q.out, "%s ", question)
		if preset != "" {
			fmt.Fprintf(q.out, "[%s] ", preset)
		}
		line, err := q.in.ReadString('\n')
		if err != nil {
			return &exit{exUsage, errors.New("the answers ended early")}
		}
		if line = strings.TrimSpace(line); line == "" {
			line = preset
		}
		if err := take(line); err == nil {
			return nil
		} else {
			fmt.Fprintf(q.out, "  %s\n", mail.Printable(err.Error(), 300))
		}
	}
}

// ask asks the five questions.
func (x *answers) ask(q *asker, c *conf.Config, m *conf.Maildrop) error {
	err := q.ask("1. Where is the mail? (e.g. imaps://jaco@mail.isp.example)", x.url, "--url", "", where(m))
	if err != nil {
		return err
	}
	if err := x.askSecret(q); err != nil {
		return err
	}
	err = q.ask("3. Which local address gets it?", x.to, "--to", "", func(s string) error {
		m.To = []string{s}
		if s == "" {
			return errors.New("an address is wanted, as jaco@example.org")
		}
		return mistake(c, m, "to")
	})
	if err != nil {
		return err
	}
	name, err := os.Hostname()
	if err != nil || !strings.Contains(name, ".") {
		name = "mail." + mail.Path(m.To[0]).Domain()
	}
	err = q.ask("4. What is this machine called by others?", x.hostname, "--hostname", name, func(s string) error {
		c.Hostname = s
		return mistake(c, m, "hostname")
	})
	if err != nil {
		return err
	}
	err = q.ask("5. And the mail that is already there? all, new (what comes from now on), or an age such as 30d",
		x.first, "--first", "all", func(s string) (err error) {
			m.First, err = conf.ParseFirst(s)
			m.At.Set("first", conf.Pos{}) // it was said, so it is written even where it is the default
			return err
		})
	if err != nil {
		return err
	}
	return x.rest(c, m)
}

// mistake is what check would say of one key, so that it is asked again while somebody is there.
func mistake(c *conf.Config, m *conf.Maildrop, key string) error {
	try, own := *c, *m
	try.Maildrops = []*conf.Maildrop{&own}
	for _, p := range try.Validate() {
		if p.Severity == conf.Error && strings.HasPrefix(p.Text, key+":") {
			return errors.New(strings.TrimPrefix(p.Text, key+": ") + "; " + p.Hint)
		}
	}
	return nil
}

// where takes the URL of a maildrop.
func where(m *conf.Maildrop) func(string) error {
	return func(s string) error {
		try := *m
		if err := try.SetURL(s); err != nil {
			return err
		}
		if try.User == "" {
			return errors.New("the user is missing: imaps://user@host")
		}
		*m = try
		return nil
	}
}

// askSecret asks for the password, which is not shown.
func (x *answers) askSecret(q *asker) (err error) {
	switch {
	case x.secret != "":
		x.secret, err = filepath.Abs(x.secret)
		return err
	case q.silent:
		return usage("--password-file is missing", "name the file that holds the password")
	}
	fmt.Fprint(q.out, "2. Its password? (not shown; Return alone to put it into a file later) ")
	x.passwordText, err = q.secret()
	return err
}

// rest is what nobody is asked.
func (x *answers) rest(c *conf.Config, m *conf.Maildrop) (err error) {
	d := conf.DefaultDestination()
	d.Kind = "smtp"
	if err := d.SetAddress(x.deliver); err != nil {
		return usage("--deliver: "+err.Error(), `write host:port, e.g. localhost:25`)
	}
	c.Deliver = []conf.Destination{d}
	if m.After, err = conf.ParseAfter(x.after); err != nil || m.After.Act != conf.Keep && m.After != (conf.After{Act: conf.Delete}) {
		return usage(fmt.Sprintf("--after: %q is not known", x.after), "write keep or delete")
	}
	m.At.Set("after", conf.Pos{}) // who deletes, and when, stands in the file
	domain := mail.Path(m.To[0]).Domain()
	c.Bounce.FromName, c.Bounce.From = "Mail Delivery System", "mailer-daemon@"+domain
	c.Bounce.Postmaster = "postmaster@" + domain
	return nil
}

// nameOf makes a name of the local part of the user.
func nameOf(m *conf.Maildrop) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, strings.ToLower(mail.Path(m.User).Local()))
	name = strings.Trim(name, "-.")
	if name == "" {
		return "mail"
	}
	return name[:min(len(name), 64)]
}

// written checks the configuration and writes its files.
func (a *app) written(p conf.Paths, c *conf.Config, x *answers) error {
	var text bytes.Buffer
	if err := yaml.Write(&text, c); err != nil {
		return err
	}
	full := *c
	full.Complete(p)
	if list := full.Validate(); len(list) > 0 {
		for _, x := range list {
			if x.Severity == conf.Error {
				return &exit{exUsage, &control.Error{Code: control.Usage, Text: x.Text, Hint: x.Hint}}
			}
		}
	}
	if err := os.MkdirAll(filepath.Dir(p.Config), 0o755); err != nil {
		return noPlace(err)
	}
	if x.passwordText != "" {
		if err := create(x.secret, []byte(x.passwordText+"\n")); err != nil {
			return err
		}
	}
	return create(p.Config, text.Bytes())
}

// create writes a file that must not be there yet, for its owner alone.
func create(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return &exit{exCantCreat, usage(path+" is there already",
			"use it with --password-file, or move it away")}
	case err != nil:
		return noPlace(err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return &exit{exCantCreat, err}
	}
	return nil
}
