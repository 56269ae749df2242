//go:build interop

package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/conf/ldap"
	"mailretr/conf/source"
	"mailretr/relay/wire"
	"mailretr/test/real"
)

// directory is a source in a slapd, with the octets that crossed its connections.
type directory struct {
	*source.Keeper
	reader *ldap.Reader
	meter  wire.Meter
}

// octets are those since it was asked last.
func (d *directory) octets() int64 { return d.meter.Up.Swap(0) + d.meter.Down.Swap(0) }

func directoryOf(t *testing.T, l conf.LDAP) *directory {
	t.Helper()
	d := &directory{}
	s := conf.DefaultSource()
	s.Kind, s.Name, s.LDAP = "ldap", "office", &l
	c := conf.Config{Sources: []conf.Source{s}}
	c.Complete(conf.Paths{})
	s = c.Sources[0]
	modes := map[conf.Mode]wire.Mode{conf.ModeNone: wire.Plain, conf.ModeImplicit: wire.Implicit}
	r, err := ldap.New(s, func(ctx context.Context, server string) (ldap.Line, error) {
		network, address, _, err := conf.Directory(server)
		if err != nil {
			return nil, err
		}
		return wire.Dial(ctx, wire.Options{Network: network, Address: address, Meter: &d.meter,
			TLS: wire.TLS{Mode: modes[s.LDAP.TLS.Mode], CAFile: l.TLS.CA}})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	d.reader = r
	d.Keeper = &source.Keeper{Source: s, Reader: r, Now: time.Now}
	return d
}

// ofSlapd asks a slapd on its socket, as its administrator.
func ofSlapd(s *real.Slapd, preset string) conf.LDAP {
	return conf.LDAP{URL: "ldapi://" + s.Socket, Bind: real.SlapdUser, Password: conf.SecretPlain(real.SlapdPassword),
		Base: real.SlapdBase, Preset: preset}
}

const ownSchema = "../cmd/mailretr/dist/mailretr.schema"

func ownEntry(n int) string {
	return fmt.Sprintf(`dn: cn=isp,uid=u%[1]d,%[2]s
objectClass: mailretrEntry
objectClass: mailretrMaildrop
cn: isp
mailretrName: u%[1]d
mailretrHost: imap.isp.example
mailretrUser: u%[1]d
mailretrPassword: p%[1]d
mailretrRecipient: u%[1]d@kroon.example

`, n, real.SlapdBase)
}

func owner(n int) string {
	return fmt.Sprintf("dn: uid=u%[1]d,%[2]s\nobjectClass: inetOrgPerson\nuid: u%[1]d\ncn: u\nsn: u\nmail: u%[1]d@kroon.example\n\n", n,
		real.SlapdBase)
}

// Thousands of entries; one changes, one goes, one comes; the server is stopped for a while: with and without synchronisation.
func TestSlapdSource(t *testing.T) {
	for _, x := range []struct {
		name, overlay string
		n             int
	}{
		{"session log", "overlay syncprov\nsyncprov-sessionlog 1000", 10_000}, {"sync", "overlay syncprov", 1000}, {"list", "", 10_000},
	} {
		t.Run(x.name, func(t *testing.T) {
			var ldif strings.Builder
			for i := range x.n {
				ldif.WriteString(owner(i) + ownEntry(i))
			}
			s := real.NewSlapd(t, []string{ownSchema}, x.overlay, ldif.String())
			d := directoryOf(t, ofSlapd(s, "mailretr"))
			began, used := time.Now(), processor(t)
			if lines := drops(t, d.Keeper); len(lines) != x.n {
				t.Fatalf("%d maildrops, first %q", len(lines), lines[0])
			}
			used = processor(t) - used
			t.Logf("%d maildrops were read and joined in %s, of which the processor took %s; %d octets", x.n, time.Since(began), used, d.octets())
			if used > 2*time.Second { // by the clock it is more where the machine has other things to do
				t.Errorf("it took %s", used)
			}
			look := func(what string, want int) time.Duration {
				t.Helper()
				d.octets()
				began := time.Now()
				if err := d.Look(t.Context()); err != nil || len(d.Rows()) != want {
					t.Fatalf("%s: %v, %d rows", what, err, len(d.Rows()))
				}
				t.Logf("%s: %s, %d octets", what, time.Since(began).Round(10*time.Microsecond), d.octets())
				return time.Since(began)
			}
			look("as young as it is", x.n)
			look("nothing has changed", x.n)
			first := d.Rows()[0]
			s.Change("dn: cn=isp,uid=u500," + real.SlapdBase + "\nchangetype: modify\nreplace: mailretrPassword\nmailretrPassword: other\n")
			look("one has changed", x.n)
			if d.Rows()[0] != first {
				t.Error("a row that did not change is another")
			}
			if r := row(d, "u500"); r == nil || r.Columns["password"] != "other" {
				t.Error("the change is not seen")
			}
			look("again", x.n)
			s.Change("dn: cn=isp,uid=u7," + real.SlapdBase + "\nchangetype: delete\n")
			look("one has gone", x.n-1)
			s.Change("dn: cn=isp,uid=u8," + real.SlapdBase + "\nchangetype: modify\ndelete: objectClass\nobjectClass: mailretrMaildrop\n-\n" +
				"delete: mailretrName\n-\ndelete: mailretrHost\n-\ndelete: mailretrUser\n-\ndelete: mailretrPassword\n-\ndelete: mailretrRecipient\n")
			look("one is a maildrop no longer", x.n-2)
			s.Change("dn: cn=isp,uid=u9," + real.SlapdBase + "\nchangetype: modrdn\nnewrdn: cn=other\ndeleteoldrdn: 1\n")
			look("one has another name", x.n-2)
			s.Stop()
			if err := d.Look(t.Context()); err == nil || len(d.Rows()) != x.n-2 {
				t.Errorf("while it is away: %v, %d rows", err, len(d.Rows()))
			}
			s.Start()
			s.Change(strings.Replace(ownEntry(7), "\nobjectClass", "\nchangetype: add\nobjectClass", 1))
			look("when it is back, with one more", x.n-1)
		})
	}
}

// One entry that is larger than what is read of any costs nobody else anything, where the server synchronises and where it
// lists.
func TestH8_SlapdEntryTooLarge(t *testing.T) {
	for name, overlay := range map[string]string{"sync": "overlay syncprov", "list": ""} {
		t.Run(name, func(t *testing.T) {
			var ldif strings.Builder
			for i := range 3 {
				ldif.WriteString(owner(i) + ownEntry(i))
			}
			s := real.NewSlapd(t, []string{ownSchema}, overlay,
				strings.Replace(ldif.String(), "mailretrPassword: ", "mailretrPassword: "+strings.Repeat("p", 17<<20), 1))
			d := directoryOf(t, ofSlapd(s, "mailretr"))
			for range 3 {
				lines := drops(t, d.Keeper)
				all := strings.Join(lines, "\n")
				if len(d.Rows()) != 3 || !strings.Contains(all, "stands in an entry that has more than 16 MB") || !strings.Contains(all, "u1") ||
					len(all) > 5000 {
					t.Fatalf("%d rows: %.2000s", len(d.Rows()), all)
				}
			}
			if n := d.octets(); n < 17<<20 {
				t.Errorf("%d octets: it was not sent", n)
			}
			if err := d.Look(t.Context()); err != nil || d.octets() > 10_000 {
				t.Errorf("it is read at each look: %v", err)
			}
			s.Change("dn: cn=isp,uid=u0," + real.SlapdBase + "\nchangetype: modify\nreplace: mailretrPassword\nmailretrPassword: p\n")
			if lines := drops(t, d.Keeper); len(lines) != 3 || strings.Contains(strings.Join(lines, ""), "error") {
				t.Errorf("when it has become smaller: %q", lines)
			}
		})
	}
}

// processor is the time that this process has used, and not slapd.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func row(d *directory, name string) *conf.Row {
	for _, r := range d.Rows() {
		if r.Columns["name"] == name {
			return r
		}
	}
	return nil
}

// Schemas of others, made of the names and syntaxes that they have published; the numbers of the last two are ours.
const foreignSchemas = `attributetype ( 1.3.6.1.4.1.44565.1.2 NAME 'fetchmailEnabled' EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 )
attributetype ( 1.3.6.1.4.1.44565.1.3 NAME 'fetchmailServer' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.44565.1.4 NAME 'fetchmailProtocol' SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.44565.1.5 NAME 'fetchmailUsername' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.44565.1.6 NAME 'fetchmailPassword' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.44565.1.7 NAME 'fetchmailCustom' SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.44565.1.8 NAME 'fetchmailSSL' EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 )
objectclass ( 1.3.6.1.4.1.44565.2.1 NAME 'fetchmail' SUP top AUXILIARY
 MAY ( cn $ fetchmailEnabled $ fetchmailUsername $ fetchmailPassword $ fetchmailServer $ fetchmailProtocol $ fetchmailCustom $ fetchmailSSL ) )
`

// textsOf defines attributes that are texts, and object classes that have them.
func textsOf(number int, classes []string, structural bool, names ...string) string {
	var b strings.Builder
	for i, n := range names {
		fmt.Fprintf(&b, "attributetype ( 2.25.1.%d.1.%d NAME '%s' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n", number, i, n)
	}
	kind := "AUXILIARY"
	if structural {
		kind = "STRUCTURAL"
	}
	for i, c := range classes {
		fmt.Fprintf(&b, "objectclass ( 2.25.1.%d.2.%d NAME '%s' SUP top %s MAY ( cn $ %s ) )\n", number, i, c, kind, strings.Join(names, " $ "))
	}
	return b.String()
}

// The presets read the schemas of others in a real server: on its socket as root, and with STARTTLS.
func TestSlapdPresets(t *testing.T) {
	schema := filepath.Join(t.TempDir(), "foreign.schema")
	text := foreignSchemas +
		textsOf(2, []string{"univentionFetchmail"}, false, "univentionObjectType", "mailPrimaryAddress", "univentionFetchmailSingle",
			"univentionFetchmailMulti", "univentionFetchmailAddress", "univentionFetchmailServer", "univentionFetchmailProtocol",
			"univentionFetchmailPasswd", "univentionFetchmailKeepMailOnServer", "univentionFetchmailUseSSL") +
		textsOf(3, []string{"zimbraPop3DataSource", "zimbraImapDataSource"}, true, "zimbraDataSourceId", "zimbraDataSourceEnabled",
			"zimbraDataSourceHost", "zimbraDataSourcePort", "zimbraDataSourceConnectionType", "zimbraDataSourceUsername",
			"zimbraDataSourcePassword", "zimbraDataSourceLeaveOnServer", "zimbraDataSourcePollingInterval", "zimbraMailDeliveryAddress")
	if err := os.WriteFile(schema, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := real.NewSlapd(t, []string{ownSchema, schema}, "overlay syncprov", owner(1)+ownEntry(1)+`dn: cn=two,uid=u1,dc=kroon,dc=example
objectClass: inetOrgPerson
objectClass: fetchmail
cn: two
sn: two
fetchmailServer: pop.isp.example
fetchmailProtocol: POP3
fetchmailUsername: u1@isp.example
fetchmailPassword: {SSHA}x
fetchmailSSL: TRUE
fetchmailCustom: nokeep fetchall

dn: uid=u2,dc=kroon,dc=example
objectClass: inetOrgPerson
objectClass: univentionFetchmail
univentionObjectType: users/user
cn: u2
sn: u2
uid: u2
mail: u2@kroon.example
mailPrimaryAddress: u2@kroon.example
univentionFetchmailSingle: ["imap.isp.example", "IMAP", "u2", "p;2", "1", "1"]
univentionFetchmailSingle: "pop.isp.example";"POP3";"v2";"p3";"0";"0"

dn: cn=gmail,uid=u2,dc=kroon,dc=example
objectClass: zimbraImapDataSource
cn: gmail
zimbraDataSourceId: 6f0c52a1-9d4e-4b7a-8a35-2d1f7c90be44
zimbraDataSourceEnabled: TRUE
zimbraDataSourceHost: imap.gmail.example
zimbraDataSourcePort: 143
zimbraDataSourceConnectionType: tls
zimbraDataSourceUsername: u2
zimbraDataSourcePassword: ATAxMjM0NTY3ODlhYmNkZWZQlZLHGeaPuglfFlvZ72aw
zimbraDataSourceLeaveOnServer: FALSE
zimbraDataSourcePollingInterval: 10m

`)
	for preset, want := range map[string][]string{
		"mailretr":  {"u1 imaps://u1@imap.isp.example implicit p1 keep 5m0s to u1@kroon.example true"},
		"fetchmail": {"u1-two pop3s://u1@isp.example@pop.isp.example implicit {SSHA}x delete 5m0s to u1@kroon.example true"},
		"univention": {"u2@kroon.example-1 imaps://u2@imap.isp.example implicit p;2 keep 5m0s to u2@kroon.example true",
			"u2@kroon.example-2 pop3://v2@pop.isp.example starttls p3 delete 5m0s to u2@kroon.example true"},
		"zimbra": {"u2-gmail imap://u2@imap.gmail.example starttls secret delete 10m0s to u2@kroon.example true"},
	} {
		l := ofSlapd(s, preset)
		same(t, preset, drops(t, directoryOf(t, l).Keeper), want...)
		if os.Getuid() == 0 { // who the server then knows us as
			l.Bind, l.Password = conf.External, conf.Secret{}
			same(t, preset+" as root", drops(t, directoryOf(t, l).Keeper), want...)
		}
		l = ofSlapd(s, preset)
		l.URL = "ldap://" + s.Address
		l.TLS = conf.TLS{Mode: conf.ModeStartTLS, CA: s.CA}
		same(t, preset+" with STARTTLS", drops(t, directoryOf(t, l).Keeper), want...)
	}
	l := ofSlapd(s, "mailretr")
	l.Password = conf.SecretPlain("another-canary")
	if err := directoryOf(t, l).Look(t.Context()); err == nil || !strings.Contains(err.Error(), "49 (Invalid Credentials)") ||
		strings.Contains(err.Error(), "canary") {
		t.Errorf("a wrong password: %v", err)
	}
	l = ofSlapd(s, "mailretr")
	l.URL, l.TLS = "ldap://"+s.Address, conf.TLS{Mode: conf.ModeStartTLS}
	if err := directoryOf(t, l).Look(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
	l.Base, l.TLS.CA = "dc=elsewhere", s.CA
	if err := directoryOf(t, l).Look(t.Context()); err == nil {
		t.Error("a base that is not there is no error")
	}
}

// The program takes in what changes in a directory within an interval, names an entry that cannot be, and goes on with what it
// knows while the server is away, after a restart too.
func TestH8_SlapdAndTheProgram(t *testing.T) {
	long := strings.Repeat("x", 1_000_000)
	s := real.NewSlapd(t, []string{ownSchema}, "overlay syncprov", owner(1)+ownEntry(1)+owner(2)+ownEntry(2)+
		owner(3)+strings.Replace(ownEntry(3), "imap.isp.example", long, 1)+
		owner(4)+strings.Replace(ownEntry(4), "mailretrUser: u4", "mailretrUser:: YQBi", 1)+
		owner(5)+strings.Replace(ownEntry(5), "mailretrUser: u5", "mailretrUser: *)(uid=*", 1))
	p := newProgram(t, `deliver: {smtp: "127.0.0.1:1"}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
sources:
  - ldap:
      name: office
      url: ["ldap://localhost:1", "ldap://`+strings.Replace(s.Address, "127.0.0.1", "localhost", 1)+`"]
      tls: {mode: starttls, ca: "`+s.CA+`"}
      bind: `+real.SlapdUser+`
      password: {file: ldap.pass}
      base: `+real.SlapdBase+`
      preset: mailretr
      every: 5s
`)
	if err := os.WriteFile(filepath.Join(p.dir, "ldap.pass"), []byte(real.SlapdPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	names := func() string {
		var all []string
		for _, x := range p.lines("status", "--json") {
			if name, ok := x["maildrop"].(string); ok && x["state"] != "gone" {
				all = append(all, name)
			}
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	p.serve()
	eventually(t, 10*time.Second, "five maildrops", func() bool { return names() == "u1 u2 u3 u4 u5" })
	out, _, _ := p.run("status", "-v")
	for _, want := range []string{"entry cn=isp,uid=u3,dc=kroon,dc=example, attribute mailretrHost  error    host: is longer than 4096 octets",
		"attribute mailretrUser  error    user: has a control character inside",
		"5 rows of ldap://" + strings.Replace(s.Address, "127.0.0.1", "localhost", 1) + ", instead of ldap://localhost:1: "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	s.Change(strings.NewReplacer("\nobjectClass: mailretrEntry", "\nchangetype: add\nobjectClass: mailretrEntry", "cn=isp", "cn=more", "cn: isp",
		"cn: more", "mailretrName: u1", "mailretrName: more", "mailretrUser: u1", "mailretrUser: more").Replace(ownEntry(1)) + "\ndn: cn=isp,uid=u2," + real.SlapdBase + "\nchangetype: delete\n")
	eventually(t, 10*time.Second, "one more, and one less", func() bool { return names() == "more u1 u3 u4 u5" })
	s.Stop()
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	p.serve()
	eventually(t, 15*time.Second, "the last good set", func() bool {
		return names() == "more u1 u3 u4 u5" && strings.Contains(p.logged(), "its last good set, 5 rows, goes on")
	})
	s.Start()
	eventually(t, 15*time.Second, "the server is back", func() bool { return strings.Contains(p.logged(), "source office is well again: 5 rows") })
	if strings.Contains(p.logged(), real.SlapdPassword) {
		t.Error("the password is in the log")
	}
}

// Where another server takes the place of one that synchronises, what is there is compared anew, and changes are seen as before.
func TestSlapdReplica(t *testing.T) {
	s := real.NewSlapd(t, []string{ownSchema}, "overlay syncprov\nsyncprov-sessionlog 100", owner(1)+ownEntry(1)+owner(2)+ownEntry(2))
	l := ofSlapd(s, "mailretr")
	l.URL, l.Replicas = "ldapi:///first", []string{"ldapi:///second"}
	l.TLS.Mode = conf.ModeNone
	away, asked := "", ""
	r, err := ldap.New(conf.Source{Kind: "ldap", Name: "office", LDAP: &l}, func(ctx context.Context, server string) (ldap.Line, error) {
		if server == away {
			return nil, errors.New("it is away")
		}
		asked = server
		return wire.Dial(ctx, wire.Options{Network: "unix", Address: s.Socket, TLS: wire.TLS{Mode: wire.Plain}})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	src := conf.DefaultSource()
	src.Kind, src.Name, src.LDAP = "ldap", "office", &l
	d := &directory{Keeper: &source.Keeper{Source: src, Reader: r, Now: time.Now}}
	look := func(server, password string) {
		t.Helper()
		if err := d.Look(t.Context()); err != nil || len(d.Rows()) != 2 || asked != server {
			t.Fatalf("%v, %d rows, asked %s", err, len(d.Rows()), asked)
		}
		if got := row(d, "u1").Columns["password"]; got != password {
			t.Errorf("%s says %s, want %s", server, got, password)
		}
	}
	change := func(password string) {
		s.Change("dn: cn=isp,uid=u1," + real.SlapdBase + "\nchangetype: modify\nreplace: mailretrPassword\nmailretrPassword: " + password + "\n")
	}
	look("ldapi:///first", "p1")
	look("ldapi:///first", "p1")
	first := d.Rows()[1]
	away = "ldapi:///first"
	r.Close()
	look("ldapi:///second", "p1")
	if d.Rows()[1] != first {
		t.Error("a row is another one because another server has it")
	}
	change("two")
	look("ldapi:///second", "two")
	if state := d.State(); state.Server != "ldapi:///second" || state.Away != "ldapi:///first: it is away" {
		t.Errorf("%+v", state)
	}
	away = "ldapi:///second"
	change("three")
	r.Close()
	look("ldapi:///first", "three")
}
