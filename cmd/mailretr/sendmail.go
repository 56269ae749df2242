package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/conf/yaml"
	"mailretr/store/mail"
)

// What sendmail(8) of others does for programs that have mail: the message comes on standard input, and the
// exit code says what became of it. It is brought to a listener of the daemon; where no daemon runs, and the
// state may be opened, it is put into the queue itself.

// submission is one call of sendmail.
type submission struct {
	*app
	from       string
	given      bool // from was
	name       string
	recipients []string
	fromHeader bool // -t
	dots       bool // a line with a dot ends the message: without -i
	dialogue   bool // -bs
	notify     string
	ret, envid string
	via        string
}

// maxSubmission bounds a message in octets: it is held in memory.
const maxSubmission = 256 << 20

const sendmailUse = "sendmail [-t] [-i] [-f SENDER] [-F NAME] [-N NOTIFY] [-R RET] [-V ENVID] [-bs] " +
	"[--via ADDRESS] [RECIPIENT…]"

func newSendmail(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   sendmailUse,
		Short: "Take a message on standard input, as sendmail(8) does",
		Long: "Takes a message on standard input and brings it to a listener of the daemon (listen: in the\n" +
			"configuration), or into the queue where no daemon runs. Called by the name sendmail, the program is\n" +
			"this verb.\n\n" +
			"  -t   recipients are those of To, Cc and Bcc; Bcc is taken out\n" +
			"  -i   a line with a dot alone does not end the message (also -oi)\n" +
			"  -f   the sender of the envelope (also -r); -F: the name beside him\n" +
			"  -N, -R, -V   NOTIFY, RET and ENVID of DSN\n" +
			"  -bs  SMTP on standard input and output\n" +
			"  --via ADDRESS   the listener: unix:/path or host:port\n\n" +
			"Other options of sendmail that change nothing here (-bm, -oem, -odb, -B, -v …) are accepted. Exit codes:\n" +
			"0 durable, 64 wrong usage, 65 no recipient or no address, 67 a recipient is refused, 69 refused, 75 try\n" +
			"again later.",
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return c.Help()
			}
			s := &submission{app: a, dots: true}
			if err := s.parse(args); err != nil {
				return err
			}
			return s.run(c.Context())
		},
	}
}

// called is the command line: by the name of sendmail it is that verb.
func called(args []string) []string {
	if filepath.Base(args[0]) == "sendmail" {
		return append([]string{"sendmail"}, args[1:]...)
	}
	return args[1:]
}

// parse reads options as sendmail has them: a letter, with its value behind it or in the next argument.
func (s *submission) parse(args []string) error {
	values := map[byte]*string{'f': &s.from, 'r': &s.from, 'F': &s.name, 'N': &s.notify, 'R': &s.ret,
		'V': &s.envid}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			s.recipients, args = append(s.recipients, args...), nil
		case arg == "--via" || arg == "--config" || arg == "-c":
			if len(args) == 0 {
				return usage("sendmail: "+arg+" needs a value", "see: mailretr sendmail --help")
			}
			value := args[0]
			if args = args[1:]; arg == "--via" {
				s.via = value
			} else {
				s.config = value
			}
		case len(arg) < 2 || arg[0] != '-':
			s.recipients = append(s.recipients, arg)
		case values[arg[1]] != nil:
			value := arg[2:]
			if value == "" {
				if len(args) == 0 {
					return usage("sendmail: "+arg+" needs a value", "see: mailretr sendmail --help")
				}
				value, args = args[0], args[1:]
			}
			*values[arg[1]] = value
			s.given = s.given || values[arg[1]] == &s.from
		default:
			var err error
			if args, err = s.flag(arg, args); err != nil {
				return err
			}
		}
	}
	return nil
}

// flag is an option without a value of ours.
func (s *submission) flag(arg string, args []string) ([]string, error) {
	switch {
	case arg == "-t":
		s.fromHeader = true
	case arg == "-i" || arg == "-oi":
		s.dots = false
	case arg == "-ti" || arg == "-it":
		s.fromHeader, s.dots = true, false
	case arg == "-bs":
		s.dialogue = true
	case arg == "-bm" || arg == "-v" || arg == "-m" || arg == "-n" || arg == "-U" || arg == "-G":
	case arg == "-B" || arg == "-o" || arg == "-O" || arg == "-L" || arg == "-h":
		if len(args) > 0 {
			args = args[1:]
		}
	case strings.ContainsRune("oBOh", rune(arg[1])): // with its value behind it
	default:
		return nil, usage("sendmail: there is no "+arg+" here",
			"see: mailretr sendmail --help, and mailretr queue for -bp and -q")
	}
	return args, nil
}

func (s *submission) run(ctx context.Context) error {
	l := s.load(ctx)
	if s.dialogue {
		return s.talk(ctx, &l)
	}
	text, err := s.read()
	if err != nil {
		return err
	}
	m, err := s.message(text, hostOf(&l))
	if err != nil {
		return &exit{exDataErr, err}
	}
	conn, err := s.dial(ctx, &l)
	if err != nil {
		return s.direct(ctx, &l, m, err)
	}
	defer conn.Close()
	return s.bring(conn, m, hostOf(&l))
}

// hostOf is our name, as far as the configuration can be read.
func hostOf(l *loaded) string {
	if l.config.Hostname != "" {
		return l.config.Hostname
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "localhost"
}

// usualFront is where the daemon listens where the configuration does not say, or may not be read.
const usualFront = "unix:/run/mailretr-smtp/socket"

// errNoFront says that the configuration has no listener for us.
var errNoFront = errors.New("the configuration has no listener that sendmail can use")

// address is the listener: the one that was named, or the first unix socket, or the first on this machine.
func (s *submission) address(l *loaded) (*conf.Listener, error) {
	at := &conf.Listener{Kind: "smtp"}
	switch {
	case s.via != "":
		return at, at.SetAddress(s.via)
	case l.config.Hostname == "":
		return at, at.SetAddress(usualFront)
	}
	var tcp *conf.Listener
	for i := range l.config.Listen {
		x := &l.config.Listen[i]
		host, _, _ := net.SplitHostPort(x.Address)
		switch {
		case x.Kind != "smtp" || x.TLS.Mode == conf.ModeImplicit:
		case x.Network == "unix":
			return x, nil
		case tcp == nil && conf.Loopback(host):
			tcp = x
		}
	}
	if tcp == nil {
		return nil, errNoFront
	}
	return tcp, nil
}

func (s *submission) dial(ctx context.Context, l *loaded) (net.Conn, error) {
	at, err := s.address(l)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 30 * time.Second}
	return d.DialContext(ctx, at.Network, at.Address)
}

// away is the error of a daemon that cannot be reached.
func (s *submission) away(l *loaded, err error) error {
	const front = "listen: [{smtp: " + usualFront + "}]"
	e := &control.Error{Code: control.Tempfail, Text: fmt.Sprintf("the daemon takes no mail: %v", err),
		Hint: "start mailretr serve"}
	switch {
	case errors.Is(err, errNoFront):
		e.Hint = "add to the configuration: " + front
	case s.via != "" || l.err == nil: // it was named, or the configuration did
	case l.missing:
		e.Hint = fmt.Sprintf("%v: make one with mailretr init, add to it %s, and start mailretr serve", l.err, front)
	case errors.Is(l.err, yaml.ErrConfig):
		e.Hint = "the configuration has mistakes, which mailretr check names; mend them, and start mailretr serve"
	default: // it may not be read by whoever sends mail: the daemon has to be at the usual place
		e.Hint = "whoever runs mailretr has to start mailretr serve, with " + front + " in its configuration"
	}
	return e
}

// direct puts the message into the queue in this process. The state has one owner, so that this is as safe as
// through the daemon; where it cannot be opened, why the daemon could not be reached is the better reason.
func (s *submission) direct(ctx context.Context, l *loaded, m *mail.Message, why error) error {
	if l.err != nil || s.open == nil || s.via != "" {
		return s.away(l, why)
	}
	h, closer, err := s.open(ctx, &l.config)
	if err != nil {
		return s.away(l, why)
	}
	report := h.Queue.Deliver(ctx, m)
	failed := closer()
	if !report.Done(len(m.Envelope.Recipients)) {
		return &exit{exTempFail, fmt.Errorf("the message was not stored: %w", report.Of(0).Err)}
	}
	if failed != nil { // it is durable all the same
		s.app.talk.Printf("mailretr: closing the state: %v\n", failed)
	}
	return nil
}

// talk is -bs: what comes goes to the listener, with CRLF at the end of each line.
func (s *submission) talk(ctx context.Context, l *loaded) error {
	conn, err := s.dial(ctx, l)
	if err != nil {
		return s.away(l, err)
	}
	defer conn.Close()
	end := context.AfterFunc(ctx, func() { conn.Close() })
	defer end()
	go func() {
		// The other direction says how it ended.
		_, _ = io.Copy(&crlfWriter{w: conn}, s.in)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	if _, err := io.Copy(s.stdout, conn); err != nil {
		return &exit{exTempFail, err}
	}
	return nil
}

// crlfWriter makes CRLF of LF.
type crlfWriter struct {
	w    io.Writer
	last byte
}

func (c *crlfWriter) Write(p []byte) (int, error) {
	var b bytes.Buffer
	for _, x := range p {
		if x == '\n' && c.last != '\r' {
			b.WriteByte('\r')
		}
		b.WriteByte(x)
		c.last = x
	}
	if _, err := c.w.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// bring gives the message to a listener. It is taken for all recipients or for none.
func (s *submission) bring(conn net.Conn, m *mail.Message, host string) error {
	c := smtp.NewClient(conn)
	defer c.Close()
	steps := func() error {
		if err := c.Hello(host); err != nil {
			return err
		}
		e := &m.Envelope
		o := &smtp.MailOptions{Size: m.Content.Size(), UTF8: !ascii(e), Return: smtp.DSNReturn(e.Ret),
			EnvelopeID: e.EnvID}
		if err := c.Mail(string(e.Reverse), o); err != nil {
			return err
		}
		for _, r := range e.Recipients {
			o := &smtp.RcptOptions{}
			for _, n := range strings.FieldsFunc(r.Notify, func(r rune) bool { return r == ',' }) {
				o.Notify = append(o.Notify, smtp.DSNNotify(n))
			}
			if err := c.Rcpt(string(r.Forward), o); err != nil {
				return &exit{refusal(err, exNoUser), fmt.Errorf("%s: %w", r.Forward, err)}
			}
		}
		return s.data(c, m)
	}
	if err := steps(); err != nil {
		var x *exit
		if errors.As(err, &x) {
			return err
		}
		return &exit{refusal(err, exUnavailable), fmt.Errorf("the message was not taken: %w", err)}
	}
	// It is taken; whether the end is heard makes no difference.
	_ = c.Quit()
	return nil
}

func (s *submission) data(c *smtp.Client, m *mail.Message) error {
	r, err := m.Content.Open(context.Background())
	if err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Close()
}

// refusal is the exit code for an answer: later, or what is given for never.
func refusal(err error, never int) int {
	var said *smtp.SMTPError
	if errors.As(err, &said) && said.Code >= 500 && said.Code < 600 {
		return never
	}
	return exTempFail
}

// ascii says whether an envelope can do without SMTPUTF8.
func ascii(e *mail.Envelope) bool {
	for _, r := range e.Recipients {
		if !r.Forward.ASCII() {
			return false
		}
	}
	return e.Reverse.ASCII()
}

// self is the sender where none is given: the user of this process.
func self(host string) string {
	name := "root"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	return name + "@" + host
}
