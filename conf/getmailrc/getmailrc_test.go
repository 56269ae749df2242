package getmailrc

import (
	"fmt"
	"strings"
	"testing"

	"mailretr/conf"
	"mailretr/conf/draft"
)

const sample = `; comment
[retriever]
type = SimpleIMAPSSLRetriever
server = imap.isp.example
port = 993
username = jaco@isp.example
password_command = ("pass", "mail/jaco")
mailboxes = ("INBOX",
   'Lists/go')
move_on_delete = Done
ca_certs = /etc/ssl/ca.pem
imap_search = UNSEEN
timeout = 60

[destination]
type = MDA_external
path = /usr/bin/maildrop
arguments = ("-f", "%(sender)", "-d", "%(local)")
user = jaco

[options]
delete = true
received = false
max_message_size = 100000
verbose = 0
message_log = ~/log

[filter-1]
type = Filter_external
`

func imported(t *testing.T, text string) (conf.Config, []conf.Problem) {
	t.Helper()
	return Import("/x/getmailrc-work", []byte(text), draft.Options{Hostname: "mail.example.org", Domain: "example.org"})
}

func TestAnAccount(t *testing.T) {
	c, notes := imported(t, sample)
	if len(c.Maildrops) != 1 || conf.Failed(notes) {
		t.Fatalf("%+v %v", c, notes)
	}
	m, d := c.Maildrops[0], c.Deliver[0]
	got := fmt.Sprint(m.Name, " ", m.URL(), " ", m.After, " ", m.Password.Source(), " ", m.Folders[1].Name, " ", m.Search, " ",
		m.Oversize.Above, " ", m.To, " ", strings.Join(d.Command, "|"), " ", d.Local.User, " ", d.Invisible)
	want := "work imaps://jaco@isp.example@imap.isp.example move Done command pass Lists/go UNSEEN 100001 [jaco@example.org] " +
		"/usr/bin/maildrop|-f|{sender|<>}|-d|{local} jaco true"
	if got != want {
		t.Errorf("%s", got)
	}
	text := fmt.Sprint(notes)
	for _, want := range []string{":13:1  warning  timeout has no equal", ":26:1  warning  message_log has no equal", ":28:1  warning  section [filter-1]"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, "verbose") {
		t.Error("verbose = 0 asks for nothing")
	}
	c.Complete(conf.Paths{State: "/s", Socket: "/s/s"})
	for _, p := range c.Validate() {
		if p.Severity == conf.Error {
			t.Error(p)
		}
	}
}

func TestRetrieversAndDestinations(t *testing.T) {
	for kind, want := range map[string]string{
		"SimplePOP3Retriever": "pop3 false false", "BrokenUIDLPOP3SSLRetriever": "pop3 true false",
		"SimpleIMAPRetriever": "imap false false", "MultidropIMAPSSLRetriever": "imap true true", "MultidropPOP3Retriever": "pop3 false true",
	} {
		c, notes := imported(t, "[retriever]\ntype = "+kind+"\nserver = h.example\nusername = u\nenvelope_recipient = delivered-to:2\n"+
			"[destination]\ntype = Mboxrd\npath = /var/mail/u\n")
		if conf.Failed(notes) {
			t.Errorf("%s: %v", kind, notes)
			continue
		}
		m := c.Maildrops[0]
		if got := fmt.Sprint(m.Protocol, " ", m.Secure, " ", m.Multidrop != nil); got != want {
			t.Errorf("%s: %s", kind, got)
		}
		if m.Multidrop != nil && m.Multidrop.Envelope[0].String() != "delivered-to 2" {
			t.Errorf("%+v", m.Multidrop)
		}
	}
	for kind, want := range map[string]string{
		"Maildir\npath = /m/": "maildir /m", "MDA_lmtp\nhost = ::1": "lmtp [::1]:24", "MDA_lmtp\nhost = /run/l": "lmtp /run/l",
	} {
		c, _ := imported(t, "[retriever]\ntype = SimplePOP3Retriever\n[destination]\ntype = "+kind+"\n")
		if d := c.Deliver[0]; d.Kind+" "+d.Address != want {
			t.Errorf("%s: %+v", kind, d)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "no [retriever]",
		"x = y":                     "no setting",
		"[retriever]\ntype = Bogus": `"Bogus" has no equal`,
		"[retriever]\ntype = SimplePOP3Retriever\n[destination]\ntype = MultiSorter": `"MultiSorter" has no equal`,
		"[retriever]\ntype = SimplePOP3Retriever\nport = x\n":                        "is no port",
		strings.Repeat("x", maxFile+1):                                               "larger",
		"[a]\nx = y\n" + strings.Repeat(" y\n", 300_000):                             "longer",
	} {
		if _, notes := imported(t, text); !conf.Failed(notes) || !strings.Contains(fmt.Sprint(notes), want) {
			t.Errorf("%.40q: %.300v", text, notes)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add(sample)
	f.Fuzz(func(t *testing.T, text string) {
		c, _ := imported(t, text)
		c.Complete(conf.Paths{State: "/s", Socket: "/s/s"})
		c.Validate()
	})
}
