package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

func maildrop(n int, more map[string][]string) *ldap.Entry {
	m := map[string][]string{
		"mailretrHost": {"h.example"}, "mailretrUser": {fmt.Sprint("u", n)}, "mailretrPassword": {"p"},
		"mailretrRecipient": {"a@b.example"}, "modifyTimestamp": {"20260101000000Z"},
	}
	for k, v := range more {
		m[k] = v
	}
	return ldap.NewEntry(fmt.Sprintf("cn=%d,dc=example", n), m)
}

// Entries become rows, page by page. Whatever their values, they harm nobody else.
func TestH8_Entries(t *testing.T) {
	s := &server{t: t, page: 2, entries: []*ldap.Entry{
		maildrop(1, nil),
		maildrop(2, map[string][]string{"mailretrUser": {"*)(uid=*"}, "mailretrHost": {strings.Repeat("x", 1_000_000)}}),
		maildrop(3, map[string][]string{"mailretrUser": {"a\x00b"}, "mailretrPassword": {"\xff"}, "mailretrHost": {"a", "b"}}),
		maildrop(4, map[string][]string{"mailretrRecipient": {"a@b.example", "c@d.example"}, "mailretrFolder": {"INBOX", "x"}}),
		ldap.NewEntry(`cn=a\,b /c,dc=example`, map[string][]string{"mailretrHost": nil, "mail": {"m@b.example"}}),
	}}
	r := s.reader(conf.LDAP{Preset: "mailretr"})
	for range 2 {
		lines, err := said(t, r)
		want := []string{
			"cn=1,dc=example: name=1 host=h.example user=u1 password=p recipient=a@b.example",
			"cn=2,dc=example: name=2 host is longer than 4096 octets user=*)(uid=* password=p recipient=a@b.example",
			"cn=3,dc=example: name=3 host has 2 values user has a control character inside password is not UTF-8 recipient=a@b.example",
			"cn=4,dc=example: name=4 host=h.example user=u4 password=p folders=INBOX,x recipient=a@b.example,c@d.example",
			`cn=a\,b /c,dc=example: name=a-b--c recipient=m@b.example`,
		}
		if err != nil || !slices.Equal(lines, want) {
			t.Errorf("%v, %s", err, strings.Join(lines, "\n"))
		}
	}
	for _, x := range s.searches {
		if !strings.HasPrefix(x, "dc=example (objectClass=mailretrMaildrop) ") {
			t.Errorf("asked: %s", x)
		}
	}
	if len(s.searches) != 3 {
		t.Errorf("%d searches", len(s.searches))
	}
}

// Without synchronisation a look is a list of stamps; what changed is read alone. A stamp in seconds is read once more.
func TestChangesAreReadAlone(t *testing.T) {
	s := &server{t: t}
	for i := range 5 {
		s.entries = append(s.entries, maildrop(i, nil))
	}
	s.entries[4] = maildrop(4, map[string][]string{"modifyTimestamp": {"20260101000009Z"}})
	r := s.reader(conf.LDAP{Preset: "mailretr"})
	now := time.Now()
	r.Now = func() time.Time { return now }
	look := func(what string, rows int, asked ...string) string {
		t.Helper()
		s.searches = nil
		version, err := r.Version(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		lines, err := said(t, r)
		if err != nil || len(lines) != rows {
			t.Errorf("%s: %v, %q", what, err, lines)
		}
		var bases []string
		for _, x := range s.searches {
			base, _, _ := strings.Cut(x, " ")
			bases = append(bases, base)
		}
		if !slices.Equal(bases, asked) {
			t.Errorf("%s: asked %q", what, s.searches)
		}
		return version
	}
	if v := look("at first", 5, "dc=example"); v != "" {
		t.Errorf("version %q", v)
	}
	was := look("young", 5, "dc=example", "cn=4,dc=example")
	if again := look("nothing", 5, "dc=example"); again != was {
		t.Error("another version of the same")
	}
	s.entries[1] = maildrop(1, map[string][]string{"mailretrPassword": {"q"}, "modifyTimestamp": {"20260101000002Z"}})
	if v := look("one", 5, "dc=example", "cn=1,dc=example"); v == was {
		t.Error("the version did not change")
	}
	s.entries = s.entries[1:]
	look("gone", 4, "dc=example")
	s.entries[0] = maildrop(1, map[string][]string{"modifyTimestamp": {"20260101000003Z"}})
	s.meant = func(base, _ string, e *ldap.Entry) bool { return base == "dc=example" }
	look("gone between", 3, "dc=example", "cn=1,dc=example")
	s.meant = nil
	now = now.Add(time.Hour)
	look("an hour later", 4, "dc=example")
}

// A server may have synchronisation, but not for these entries, or not for us: then they are listed.
func TestNoSynchronisationHere(t *testing.T) {
	s := &server{t: t, sync: true, page: 1, entries: []*ldap.Entry{maildrop(1, nil), maildrop(2, nil)}}
	r := s.reader(conf.LDAP{Preset: "mailretr"})
	for range 3 {
		if lines, err := said(t, r); err != nil || len(lines) != 2 {
			t.Fatal(lines, err)
		}
		if _, err := r.Version(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.cut()
	s.searches = nil
	if v, err := r.Version(t.Context()); err != nil || v == "" || v != r.version {
		t.Errorf("%q, %v", v, err)
	}
	for _, x := range s.searches { // another connection does not read all again
		if strings.HasPrefix(x, "dc=example ") && strings.Contains(x, "mailretrHost") {
			t.Errorf("asked %q", s.searches)
		}
	}
}

// An idle connection that the server has closed is no error.
func TestClosedBetweenLooks(t *testing.T) {
	s := &server{t: t, entries: []*ldap.Entry{maildrop(1, nil)}}
	r := s.reader(conf.LDAP{Preset: "mailretr"})
	if _, err := said(t, r); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.cut()
		if _, err := r.Version(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// H9: whatever the server says instead of an answer is an error, and what was known stays.
func TestH9_NoAnswer(t *testing.T) {
	s := &server{t: t, entries: []*ldap.Entry{maildrop(1, nil), maildrop(2, nil)}, password: "canary"}
	l := conf.LDAP{Preset: "mailretr", Bind: "cn=a", Password: conf.SecretPlain("canary")}
	r := s.reader(l)
	if lines, err := said(t, r); err != nil || len(lines) != 2 {
		t.Fatal(err)
	}
	good := r.version
	s.text = "your password canary\r\nis wrong " + strings.Repeat("x", 10_000)
	for what, x := range map[string]struct {
		set  func()
		want string
	}{
		"limit":   {func() { s.result = ldap.LDAPResultSizeLimitExceeded }, "olcLimits"},
		"busy":    {func() { s.result = ldap.LDAPResultBusy }, `the server says 51 (Busy): your password ***  is wrong`},
		"cut":     {func() { s.raw = func(int) []byte { return []byte("\x30\x05\x02") } }, "unexpected EOF"},
		"nothing": {func() { s.raw = func(int) []byte { return []byte{} } }, ""},
		"http":    {func() { s.raw = func(int) []byte { return []byte("HTTP/1.1 200 OK\r\n") } }, "no LDAP"},
		"huge":    {func() { s.raw = func(int) []byte { return []byte("\x30\x84\x7f\xff\xff\xff") } }, "the answer is larger"},
		"large": {func() {
			s.raw = func(int) []byte {
				return append([]byte("\x30\x84\x01\x80\x00\x00\x02\x01\x02\x65\x84\x01\x7f\xff\xf8"), make([]byte, 0x17ffff8)...)
			}
		}, "a message is too large"},
		"nested": {func() {
			s.raw = func(int) []byte { return append([]byte("\x30\x83\x01\x00\x00"), strings.Repeat("\x30\x80", 1<<15)...) }
		}, "no BER"},
		"many": {func() {
			s.raw = func(int) []byte {
				return append([]byte("\x30\x83\x0f\x00\x00"), strings.Repeat("\x30\x00", 0x0f0000/2)...)
			}
		}, "too many parts"},
	} {
		s.mu.Lock()
		s.result, s.raw = 0, nil
		x.set()
		s.mu.Unlock()
		_, err := r.Version(t.Context())
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "canary") || len(err.Error()) > 600 ||
			strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%s: %v", what, err)
		}
		if lines, err := said(t, r); err != nil || len(lines) != 2 || r.version != good {
			t.Errorf("%s: %v, %q", what, err, lines)
		}
	}
	s.mu.Lock()
	s.result, s.raw, s.password = 0, nil, "another"
	s.mu.Unlock()
	s.cut()
	_, err := r.Version(t.Context())
	if err == nil || !strings.Contains(err.Error(), "49 (Invalid Credentials): your password ***") {
		t.Errorf("a wrong password: %v", err)
	}
}

// What the entry above says counts where the entry itself does not.
func TestEntryAbove(t *testing.T) {
	s := &server{t: t, entries: []*ldap.Entry{
		ldap.NewEntry("uid=jaco,dc=example", map[string][]string{"mail": {"jaco@kroon.example"}}),
		ldap.NewEntry(`sn=ISP one,uid=JACO,dc=example`, map[string][]string{"fetchmailServer": {"pop.isp.example"},
			"fetchmailProtocol": {"pop3"}, "fetchmailSSL": {"TRUE"}, "fetchmailUsername": {"j"}, "fetchmailPassword": {"enc:x"},
			"fetchmailCustom": {"nokeep fetchall"}, "fetchmailEnabled": {"FALSE"}}),
		ldap.NewEntry("uid=anna,dc=example", map[string][]string{"mail": {"anna@kroon.example"}, "fetchmailServer": {"h.example"}}),
	}, meant: func(_, filter string, e *ldap.Entry) bool {
		if strings.Contains(filter, "fetchmailServer=*") {
			return len(e.GetAttributeValues("fetchmailServer")) > 0
		}
		return filter == "(|(mail=*))" && len(e.GetAttributeValues("mail")) > 0
	}}
	r := s.reader(conf.LDAP{Preset: "fetchmail", Values: map[string]string{"keep": "1"}})
	lines, err := said(t, r)
	want := []string{
		"sn=ISP one,uid=JACO,dc=example: name=jaco-ISP-one active=FALSE protocol=pop3 host=pop.isp.example tls=TRUE user=j " +
			"password=enc:x password_encoding=plain keep=0 recipient=jaco@kroon.example options=nokeep fetchall",
		"uid=anna,dc=example: name=anna host=h.example tls=starttls password_encoding=plain keep=1 recipient=anna@kroon.example",
	}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	s.entries[0] = ldap.NewEntry("uid=jaco,dc=example", map[string][]string{"mail": {"other@kroon.example"}})
	if _, err := r.Version(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines, _ := said(t, r); !strings.Contains(lines[0], "recipient=other@kroon.example") {
		t.Errorf("the entry above has changed: %q", lines)
	}
}
