package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"mailretr/conf/yaml"
)

func newMan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: "Writes mailretr(1), a page for each command, and mailretr.yaml(5) into man1 and man5 below a directory.\n" +
			"In ~/.local/share/man they are found by man. SOURCE_DATE_EPOCH sets their date.",
		Args: wants(1, "a directory", 1),
		RunE: func(_ *cobra.Command, args []string) error { return a.man(args[0]) },
	}
}

func (a *app) man(dir string) error {
	date, err := a.dated()
	if err != nil {
		return err
	}
	for _, section := range []string{"man1", "man5"} {
		if err := os.MkdirAll(filepath.Join(dir, section), 0o755); err != nil {
			return unwritten(err)
		}
	}
	root := a.root() // another one: what follows changes its texts
	root.InitDefaultCompletionCmd()
	more := manMore(root)
	root.Use, root.Long, root.DisableFlagsInUseLine = root.Use+" COMMAND [ARG…]", manLong, true
	if err := pages(root, date, filepath.Join(dir, "man1"), more); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := yaml.Manual(&b, "mailretr "+version(), date); err != nil {
		return err
	}
	return unwritten(os.WriteFile(filepath.Join(dir, "man5", "mailretr.yaml.5"), b.Bytes(), 0o644))
}

func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return &exit{exCantCreat, err}
}

// dated is the date of the pages: that of the sources, so that they are the same each time.
func (a *app) dated() (time.Time, error) {
	if s := a.getenv("SOURCE_DATE_EPOCH"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return time.Time{}, usage("SOURCE_DATE_EPOCH is no number", "write seconds since 1970, or unset it")
		}
		return time.Unix(n, 0).UTC(), nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return at, nil
			}
		}
	}
	return a.now().UTC(), nil
}

// pages writes the page of a command and of those below it. more is for the one at the top.
func pages(c *cobra.Command, date time.Time, dir, more string) error {
	c.DisableAutoGenTag = true
	c.InitDefaultHelpFlag()
	marked(c) // before those below, which show some of its flags
	for _, below := range documented(c) {
		if err := pages(below, date, dir, ""); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	h := &doc.GenManHeader{Date: &date, Source: "mailretr " + version(), Manual: "mailretr"}
	if err := doc.GenMan(c, h, &b); err != nil {
		return err
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	page := strings.Replace(b.String(), "\n.SH SEE ALSO\n", more+"\n.SH SEE ALSO\n", 1)
	return unwritten(os.WriteFile(filepath.Join(dir, name+".1"), []byte(page), 0o644))
}

// documented are the commands below one that have a page.
func documented(c *cobra.Command) (list []*cobra.Command) {
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() && !below.IsAdditionalHelpTopicCommand() {
			list = append(list, below)
		}
	}
	return list
}

// marked makes the texts of a command such that Markdown takes them as they stand, because that is what the pages are
// made of on their way.
func marked(c *cobra.Command) {
	verb, rest, _ := strings.Cut(c.Use, " ")
	c.Use = strings.TrimSpace(verb + " " + markdown(rest))
	c.Short, c.Long = markdown(c.Short), markdown(c.Long)
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		name, text := pflag.UnquoteUsage(f)
		f.Usage = markdown(text)
		if f.Value.Type() == "string" && f.DefValue == "" && name != "" {
			f.Value, f.DefValue = placeholder{f.Value}, "*"+markdown(name)+"*"
		}
	})
}

// A placeholder is a flag that is shown with the name of its value instead of an empty pair of quotation marks.
type placeholder struct{ pflag.Value }

// Type implements [pflag.Value].
func (placeholder) Type() string { return "placeholder" }

// markdown escapes what would be marks, but for lines that are indented, which stay as they are, and for what stands
// between backquotes. Headings, as cobra's own texts have them, become lines.
func markdown(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "\t"):
			continue
		case strings.HasPrefix(line, "  "):
			lines[i] = "  " + line // four blanks begin what stays as it is
			continue
		}
		parts := strings.Split(strings.TrimPrefix(line, "#### "), "`")
		for j := 0; j < len(parts); j += 2 {
			parts[j] = marks.Replace(parts[j])
		}
		lines[i] = strings.Join(parts, "`")
	}
	return strings.Join(lines, "\n")
}

var marks = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, ">", `\>`, "[", `\[`, "]", `\]`,
	"#", `\#`, "|", `\|`, "~", `\~`)

const manLong = "mailretr collects mail from POP3 and IMAP maildrops at a provider, makes it durable, and hands it to\n" +
	"your own mail server, again and again until it is delivered or a bounce has gone out. Each message crosses\n" +
	"the line once, and is let go of at the provider only after it is safe here.\n\n" +
	"It needs a configuration, mailretr.yaml(5), which `mailretr init` writes after five questions, and\n" +
	"`mailretr check` looks through. `mailretr demo` shows the whole without any. The daemon is `mailretr serve`;\n" +
	"the other commands talk to it where it runs, and else work on its state themselves."

// manMore is what no command says of itself.
func manMore(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("\n.SH COMMANDS\n")
	hyphens := strings.NewReplacer("-", `\-`)
	for _, c := range documented(root) {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", hyphens.Replace(c.Name()), hyphens.Replace(c.Short))
	}
	fmt.Fprintf(&b, manSections, exUsage, exDataErr, exNoInput, exNoUser, exUnavailable, exSoftware, exCantCreat, exIOErr,
		exTempFail, exNoPerm, exConfig)
	return b.String()
}

const manSections = `.SH EXIT STATUS
Those of sysexits.h. 0 also means that there was no mail, or that the queue is empty.
.TP
%d
the command was wrong
.TP
%d
input was not understood, or there is no such maildrop or message
.TP
%d
a file that was named is not there
.TP
%d
sendmail: a recipient is refused
.TP
%d
the daemon does not answer
.TP
%d
a mistake of the program's own
.TP
%d, %d
a file cannot be made, read or written
.TP
%d
something failed for now
.TP
%d
a login was refused, or a file may not be read
.TP
%d
the configuration has mistakes, or a newer version has written the state
.SH ENVIRONMENT
.TP
.B MAILRETR_CONFIG
the configuration file
.TP
.B NO_COLOR
no colour, where \-\-color does not ask for it
.SH FILES
.TP
.I /etc/mailretr/mailretr.yaml, ~/.config/mailretr/mailretr.yaml
the configuration, see mailretr.yaml(5)
.TP
.I /var/lib/mailretr, ~/.local/state/mailretr
the state: queue, marks, status. It holds mail that may exist nowhere else; mailretr backup copies it while it is
in use
.TP
.I /run/mailretr/control.sock
where the commands reach the daemon
.SH SIGNALS
.TP
.B SIGHUP
the daemon reads its configuration again
.TP
.B SIGTERM, SIGINT
it ends what is under way within seconds, and stops; a second one stops it at once`
