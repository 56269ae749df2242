package conf

import (
	"strings"
	"testing"
)

// Each mistake in sign_in is told, and only that.
func TestSignIn(t *testing.T) {
	imap := func(url string, f func(*SignInIMAP)) SignIn {
		i := &SignInIMAP{}
		if err := i.SetURL(url); err != nil {
			t.Fatal(err)
		}
		if f != nil {
			f(i)
		}
		return SignIn{Kind: "imap", IMAP: i}
	}
	sql := func(q SignInSQL) SignIn { return SignIn{Kind: "mysql", SQL: &q} }
	ldap := func(l SignInLDAP) SignIn { return SignIn{Kind: "ldap", LDAP: &l} }
	dsn := SecretFile("/dsn")
	for _, x := range []struct {
		one  SignIn
		want string // of the only problem; "": there is none
	}{
		{imap("imap://localhost", nil), ""}, {imap("imaps://mail.example.org", nil), ""}, {imap("imap://mail.example.org:1143", nil), ""},
		{imap("imap://mail.example.org", func(i *SignInIMAP) { i.TLS.Mode = ModeNone }), "clear text"},
		{imap("imaps://localhost", func(i *SignInIMAP) { i.TLS.Mode = ModeStartTLS }), "contradicts the url"},
		{imap("imap://localhost", func(i *SignInIMAP) { i.Domains = []string{"a b"} }), "no domain"},
		{SignIn{Kind: "imap", IMAP: &SignInIMAP{}}, "url is missing"},
		{ldap(SignInLDAP{LDAP: LDAP{URL: "ldaps://l.example.org", Filter: "(mail={user})"}, Owner: "mailAlternateAddress"}), ""},
		{ldap(SignInLDAP{LDAP: LDAP{URL: "ldap://localhost", Filter: "(mail={user})"}}), ""},
		{ldap(SignInLDAP{LDAP: LDAP{URL: "ldap://l.example.org", Filter: "(mail=*)"}}), "no {user}"},
		{ldap(SignInLDAP{LDAP: LDAP{URL: "ldap://l.example.org"}}), "filter is missing"},
		{ldap(SignInLDAP{LDAP: LDAP{URL: "http://l.example.org", Filter: "(mail={user})"}}), "ldapi:// is wanted"},
		{ldap(SignInLDAP{LDAP: LDAP{URL: "ldap://l.example.org", Filter: "(mail={user})", TLS: TLS{Mode: ModeNone}}}), "clear text"},
		{ldap(SignInLDAP{LDAP: LDAP{URL: "ldap://l.example.org", Filter: "(mail={user})", Bind: "cn=x"}}), "no password"},
		{ldap(SignInLDAP{LDAP: LDAP{URL: "ldap://l.example.org", Filter: "(mail={user})"}, Name: "a b"}), "no attribute"},
		{sql(SignInSQL{DSN: dsn, Query: "SELECT u AS user, p AS password FROM t WHERE u = :user", Scheme: "plain"}), ""},
		{sql(SignInSQL{Query: "SELECT :user"}), "dsn is missing"}, {sql(SignInSQL{DSN: dsn}), "query is missing"},
		{sql(SignInSQL{DSN: dsn, Query: "SELECT u FROM t"}), "no :user"},
		{sql(SignInSQL{DSN: dsn, Query: "SELECT :user", Scheme: "MD4"}), "not known"},
	} {
		c := &Config{Web: DefaultWeb()}
		if err := c.Web.SetListen("127.0.0.1:8025"); err != nil {
			t.Fatal(err)
		}
		x.one.complete()
		c.Web.SignIn = []SignIn{x.one}
		v := &validator{c: c}
		v.web()
		var told []string
		for _, p := range v.problems {
			told = append(told, p.Text)
		}
		if text := strings.Join(told, "; "); x.want == "" && text != "" || x.want != "" && (len(told) != 1 || !strings.Contains(text, x.want)) {
			t.Errorf("%+v: %q, want %q", x.one, text, x.want)
		}
	}
	for _, url := range []string{"pop3://localhost", "imap://jaco@localhost", "imap://localhost/INBOX", "localhost"} {
		if err := new(SignInIMAP).SetURL(url); err == nil {
			t.Errorf("%s is taken", url)
		}
	}
}

// A session ends where who may sign in has changed, and not where only the place in the file has.
func TestSignInSame(t *testing.T) {
	of := func(i SignInIMAP, q SignInSQL) *Web {
		w := DefaultWeb()
		w.SignIn = []SignIn{{Kind: "imap", IMAP: &i}, {Kind: "mysql", SQL: &q}}
		return &w
	}
	a := of(SignInIMAP{Host: "a"}, SignInSQL{DSN: SecretFile("/a"), Query: "q"})
	moved := of(SignInIMAP{Host: "a"}, SignInSQL{DSN: SecretFile("/a"), Query: "q"})
	moved.SignIn[0].At.Self.Line, moved.SignIn[0].IMAP.TLS.At.Self.Line = 7, 8
	if !a.Same(moved) {
		t.Error("the place matters")
	}
	for _, b := range []*Web{of(SignInIMAP{Host: "b"}, *a.SignIn[1].SQL), of(*a.SignIn[0].IMAP, SignInSQL{DSN: SecretFile("/b"), Query: "q"}),
		of(*a.SignIn[0].IMAP, SignInSQL{DSN: SecretFile("/a"), Query: "r"})} {
		if a.Same(b) {
			t.Errorf("%+v is the same", b)
		}
	}
}
