package yaml

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/conf"
)

const signInHead = "hostname: mail.kroon.co.za\nstate: /s\nsocket: /r/s\ndeliver: {smtp: \"localhost:25\"}\nbounce: {from: mailer-daemon@kroon.co.za}\n"

func loadSignIn(t *testing.T, text string) (conf.Config, []conf.Problem, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mailretr.yaml")
	if err := os.WriteFile(path, []byte(signInHead+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(t.Context(), conf.Paths{Config: path})
}

// What is written of sign_in is read, and written again.
func TestSignIn(t *testing.T) {
	c, problems, err := loadSignIn(t, `web:
  listen: 127.0.0.1:8025
  sign_in:
    - imap: {url: "imap://localhost", domains: [kroon.co.za]}
    - mysql:
        dsn: {env: DSN}
        query: SELECT username AS user, password FROM mailbox WHERE username = :user
        scheme: ssha
    - ldap:
        url: ldap://ldap.example.org
        bind: cn=mailretr,dc=kroon
        password: {env: LDAP}
        base: ou=people,dc=kroon
        filter: (&(objectClass=person)(mail={user}))
        owner: mailAlternateAddress
        admin: (memberOf=cn=admins,dc=kroon)
    - imap: {url: "imap://mail.example.org", tls: {ca: /etc/ssl/certs/ca-certificates.crt}}
`)
	if err != nil {
		t.Fatal(err, problems)
	}
	w := c.Web.SignIn
	if len(w) != 4 || w[0].IMAP.TLS.Mode != conf.ModeNone || w[3].IMAP.TLS.Mode != conf.ModeStartTLS || w[0].IMAP.Address() != "localhost:143" ||
		w[1].SQL.Scheme != "ssha" || w[1].SQL.DSN.Source() != "env DSN" || w[0].IMAP.Domains[0] != "kroon.co.za" ||
		w[2].LDAP.TLS.Mode != conf.ModeStartTLS || w[2].LDAP.Name != "mail" || w[2].LDAP.Admin == "" || w[2].LDAP.Password.Source() != "env LDAP" {
		t.Errorf("%+v", w)
	}
	var shown bytes.Buffer
	if err := Write(&shown, &c); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "again.yaml")
	if err := os.WriteFile(path, shown.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	again, problems, err := Load(t.Context(), conf.Paths{Config: path})
	if err != nil || !again.Web.Same(&c.Web) {
		t.Errorf("%v %v\n%s", err, problems, shown.String())
	}
}

// TestH3_SignInMistakes: mistakes have their place and a remedy, and no secret.
func TestH3_SignInMistakes(t *testing.T) {
	_, problems, err := loadSignIn(t, `web:
  listen: 127.0.0.1:8025
  sign_in:
    - imap: {url: "pop3://localhost"}
    - kerberos: {}
    - ldap: {url: "ldaps://l", filter: "(mail={user}", base: x}
    - mysql: {dsn: "root:canary@tcp(x)/y", query: SELECT 1, schema: x}
    - imap
`)
	var all []string
	for _, p := range problems {
		if p.Severity == conf.Error {
			all = append(all, p.String())
		}
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{":9:19 ", "does not begin with imap", ":10:7 ", `"kerberos" is not known`, "no :user", ":11:40 ", "no filter such as", "no DN such as", `unknown key "schema"`,
		`did you mean "scheme"?`, ":13:7 "} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not told:\n%s", want, text)
		}
	}
	if err == nil || strings.Contains(text, "canary") {
		t.Errorf("%v\n%s", err, text)
	}
}
