package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"mailretr/cmd/mailretr/notes"
	"mailretr/conf"
	"mailretr/fetch/imap"
	"mailretr/fetch/oauth"
	"mailretr/fetch/pop3"
	"mailretr/relay"
	"mailretr/relay/local"
	"mailretr/relay/sasl"
	"mailretr/relay/smtp"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// The one list of kinds. Kinds know nothing of conf: what they want to know is said here, in their own words.

// surroundings are what every kind is given besides its configuration.
type surroundings struct {
	observe mail.Observer
	log     *slog.Logger   // for the trace
	line    *wire.Shaper   // that all maildrops share
	ahead   *imap.Pool     // the same, of what IMAP sessions ask for ahead; nil: no bound
	tickets *notes.Tickets // TLS sessions of maildrops; nil: none are remembered
	memory  notes.Servers  // what servers could last time
	hops    *hops          // what is known of next hops; nil: nothing is shared
	watch   *stopwatch     // around attempts; nil: nobody wants to know
	turns   *local.Turns   // of the mailboxes of this machine; nil: nobody waits for another

	blind func(maildrop string, octets int64) bool // whether so many may be asked for blindly; nil: they may

	// client says who handed a message to the provider; nil: nobody knows.
	client func(context.Context, *mail.Message) mail.Client
	state  string                   // the directory, for what a kind has to put aside
	folder func(mail.Origin) string // in which folder of an IMAP maildrop a message was; nil: nobody knows
	dated  func() bool              // date and flags of messages of IMAP maildrops are wanted; nil: no

	largest func() int64 // limits: {max_message}, 0 for no limit; nil: as the kinds have it

	// consent returns what a maildrop is collected with instead of a password; nil: nobody has any.
	consent func(*conf.Maildrop, wire.Options) *oauth.Account
}

// A retrieving kind makes the retriever of a maildrop.
type retrieving func(surroundings, *conf.Maildrop, wire.Options, mail.Account) mail.Retriever

var retrievers = map[string]retrieving{
	"pop3": newPOP3,
	"imap": newIMAP,
}

// A delivering kind makes one connection to a destination.
type delivering func(surroundings, *conf.Destination, mail.Lane) (relay.Connection, error)

var deliverers = map[string]delivering{
	"smtp": func(s surroundings, d *conf.Destination, l mail.Lane) (relay.Connection, error) {
		return newSMTP(s, d, l, false)
	},
	"lmtp": func(s surroundings, d *conf.Destination, l mail.Lane) (relay.Connection, error) {
		return newSMTP(s, d, l, true)
	},
	"maildir": newMaildir,
	"mbox":    newMbox,
	"command": newCommand,
	"imap":    newAppend,
}

// unknownKinds names what the configuration asks for and this program does not have.
func unknownKinds(c *conf.Config) (list []string) {
	for _, p := range undeliverable(c) {
		list = append(list, p.String())
	}
	return list
}

// undeliverable are the mistakes behind unknownKinds.
func undeliverable(c *conf.Config) (list []conf.Problem) {
	for _, d := range c.Deliver {
		if deliverers[d.Kind] == nil {
			list = append(list, conf.Problem{Pos: d.At.Of(d.Kind), Severity: conf.Error, Hint: "write smtp:, lmtp:, maildir:, mbox:, imap: or command:",
				Text: fmt.Sprintf("destination %q: this version cannot deliver by %s", d.Name, d.Kind)})
		}
		list = append(list, unusable(&d)...)
	}
	return append(append(list, unknowing(c)...), unaskable(c)...)
}

func newPOP3(s surroundings, m *conf.Maildrop, dial wire.Options, account mail.Account) mail.Retriever {
	o := pop3.Options{
		Dial: dial, User: m.User, Password: m.Password.Resolve, Auth: authOf(m, pop3.UserPass),
		Token: tokenOf(m), Name: m.Name, Account: account, Memory: s.memory.Of("pop3"),
		Observe: s.observe, Blind: s.blindly(m),
	}
	if m.After.Act == conf.Delete {
		o.After, o.Stays = pop3.Delete, m.After.Delay > 0 || m.After.Above > 0
	}
	if s.largest != nil {
		o.MaxOctets = leastMost(s.largest())
	}
	t := s.tokens(m, dial)
	if t == nil {
		return &pop3.Retriever{Options: o}
	}
	o.Password, o.Token = t.Token, true
	return withTokens(&pop3.Retriever{Options: o}, t)
}

// retriever makes the retriever of a maildrop, or one that is made anew for each session where nothing is to be kept from one
// to the next: what a session is told is a kilobyte, and of a thousand maildrops twenty are open.
func (s *surroundings) retriever(m *conf.Maildrop, meter *wire.Meter, account mail.Account) mail.Retriever {
	if m.Protocol != "pop3" || m.OAuth != "" || m.Rate > 0 {
		return retrievers[m.Protocol](*s, m, s.dial(m, meter), account)
	}
	return &each{of: m, meter: meter, account: account, around: s}
}

// each opens each session with a retriever of its own.
type each struct {
	of      *conf.Maildrop
	meter   *wire.Meter
	account mail.Account
	around  *surroundings
}

// Open opens a session.
func (e *each) Open(ctx context.Context) (mail.Maildrop, error) {
	return retrievers[e.of.Protocol](*e.around, e.of, e.around.dial(e.of, e.meter), e.account).Open(ctx)
}

// leastMost is what a POP3 session bounds a message by. Somebody may want one that is larger than the limit, so it is no less
// than the gigabyte that the kind has by itself.
func leastMost(limit int64) int64 {
	if limit == 0 {
		return 1 << 60
	}
	return max(limit, 1<<30)
}

func newIMAP(s surroundings, m *conf.Maildrop, dial wire.Options, account mail.Account) mail.Retriever {
	o := imap.Options{
		Dial: dial, User: m.User, Password: m.Password.Resolve, Auth: authOf(m, imap.Login),
		Token: tokenOf(m), To: map[string][]mail.Path{},
		Name: m.Name, Account: account, Memory: &imap.Memory{}, Observe: s.observe, Reissue: m.Idle,
		NoCompress: !m.Compress, Blind: s.blindly(m), Pool: s.ahead, Details: m.First.Mode == conf.FirstSince || s.dated != nil && s.dated(),
	}
	acts := map[conf.Act]imap.After{conf.Delete: imap.Delete, conf.Move: imap.Move, conf.Mark: imap.Mark}
	o.After = acts[m.After.Act]
	o.Target, o.Flag = m.After.Folder, m.After.Flag
	o.ClassicWatch = classic(&m.TLS, false)
	if len(m.Search.Keys) > 0 {
		o.Search = criteriaOf(m.Search.Keys)
	}
	for _, f := range m.Folders {
		if f.Exclude {
			o.Except = append(o.Except, f.Name)
			continue
		}
		o.Folders = append(o.Folders, f.Name)
		if len(f.To) > 0 {
			o.To[f.Name] = paths(f.To)
		}
	}
	t := s.tokens(m, dial)
	if t != nil {
		o.Password, o.Token = t.Token, true
	}
	r := notes.Remember(&imap.Retriever{Options: o}, s.memory.Of("imap"), string(account), o.Memory)
	if t == nil {
		return r
	}
	return withTokens(r, t)
}

// authOf is the way to log in, in the words of the kinds: "" for the strongest, native for user and password in the
// protocol's own commands, else the name of a mechanism.
func authOf[A ~string](m *conf.Maildrop, native A) A {
	switch m.Auth {
	case "auto":
		return ""
	case "password":
		return native
	}
	return A(strings.ToUpper(m.Auth))
}

// tokenOf says whether the secret is an access token.
func tokenOf(m *conf.Maildrop) bool {
	mechanism, _ := sasl.Named(m.Auth)
	return mechanism.Token()
}

func newSMTP(s surroundings, d *conf.Destination, l mail.Lane, lmtp bool) (relay.Connection, error) {
	o := smtp.Options{
		Hello: d.Hello, LMTP: lmtp, User: d.User, PerConnection: d.Messages, Balance: d.SMTP.Balance,
		Recipients: d.SMTP.Recipients, Shared: s.hops.of(d, l), Name: l, Observe: s.observe,
		Introduce: introductions[d.SMTP.Client], Client: s.client,
	}
	for _, e := range d.Endpoints() {
		dial := wire.Options{Network: e.Network, Address: e.Address, TLS: tlsOf(&d.TLS), Trace: s.log}
		dial.TLS.Mode, dial.TLS.Classic = modeOf(e.Mode), classic(&d.TLS, false)
		o.Dial = append(o.Dial, dial)
	}
	if d.Password.Given() {
		o.Password = d.Password.Resolve
	}
	return smtp.New(o)
}

// introductions has none for its zero value.
var introductions = map[conf.Introduction]smtp.Introduction{
	conf.XClient: smtp.XClient, conf.ProxyV1: smtp.ProxyV1, conf.ProxyV2: smtp.ProxyV2,
}

func tlsOf(t *conf.TLS) wire.TLS {
	return wire.TLS{
		Mode: modeOf(t.Mode),
		Name: t.Name, CAFile: t.CA, Pins: t.Pins, CertFile: t.Cert, KeyFile: t.Key, Insecure: t.Insecure,
	}
}

// modeOf has STARTTLS, required, for its zero value.
func modeOf(m conf.Mode) wire.Mode {
	return map[conf.Mode]wire.Mode{conf.ModeNone: wire.Plain, conf.ModeImplicit: wire.Implicit}[m]
}

// protocolOf is the word of the with clause of our Received field.
func protocolOf(m *conf.Maildrop) string {
	return map[string]string{"pop3": "POP3", "imap": "IMAP"}[m.Protocol]
}
