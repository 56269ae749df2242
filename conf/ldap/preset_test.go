package ldap

import (
	"crypto/aes"
	"crypto/md5"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// rows are those of one entry, a line for each.
func rows(t *testing.T, preset string, attributes, above map[string][]string) (lines []string) {
	t.Helper()
	s := &server{t: t}
	r := s.reader(conf.LDAP{Preset: preset})
	var up *entry
	if above != nil {
		up = entryOf(ldap.NewEntry("uid=jaco,dc=example", above))
	}
	for _, row := range r.rowsOf(entryOf(ldap.NewEntry("cn=x,uid=jaco,dc=example", attributes)), up) {
		lines = append(lines, strings.TrimPrefix(lineOf(row), "cn=x,uid=jaco,dc=example"))
	}
	return lines
}

func TestUnivention(t *testing.T) {
	got := rows(t, "univention", map[string][]string{
		"mailPrimaryAddress":        {"j@kroon.example"},
		"univentionFetchmailSingle": {`["h.example", "IMAP", "u;\"", "p\"x", "1", "0"]`, `"g.example";"POP3";"v";"{base64}eA==";"0";"1"`, `["x"]`},
		"univentionFetchmailMulti":  {`["m.example", "IMAP", "w", "p", "kroon.example", "", "X-Envelope-To", "1", "1"]`},
		"univentionFetchmailServer": {"old.example"}, "univentionFetchmailProtocol": {"POP3"}, "univentionFetchmailAddress": {"o"},
		"univentionFetchmailPasswd": {"p"}, "univentionFetchmailUseSSL": {"1"},
	}, nil)
	to := " recipient=j@kroon.example"
	want := []string{
		": name=x protocol=POP3 host=old.example tls=1 user=o password=p password_encoding=plain keep=0" + to,
		" value 1 of univentionFetchmailSingle: name=j@kroon.example-2 protocol=IMAP host=h.example tls=1 user=u;\" password=p\"x password_encoding=plain keep=0" + to,
		" value 2 of univentionFetchmailSingle: name=j@kroon.example-3 protocol=POP3 host=g.example tls=starttls user=v password={base64}eA== password_encoding=plain keep=1" + to,
		" value 3 of univentionFetchmailSingle: name=j@kroon.example-4 host stands in a value that has 1 members instead of 6 password_encoding=plain" + to,
		" value 1 of univentionFetchmailMulti: name=j@kroon.example-5 protocol=IMAP host=m.example tls=1 user=w password=p password_encoding=plain keep=1 " +
			"recipient stands for many: maildrops that hold the mail of many are collected where they stand in a file, with multidrop:",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := rows(t, "univention", map[string][]string{"mailPrimaryAddress": {"j@kroon.example"}}, nil); len(got) != 0 {
		t.Errorf("a user without maildrops: %q", got)
	}
}

// hidden is a password as Zimbra writes it.
func hidden(t *testing.T, id, password string) string {
	t.Helper()
	salt := []byte("0123456789abcdef")
	key := md5.Sum(append(slices.Clone(salt), id...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	pad := aes.BlockSize - len(password)%aes.BlockSize
	text := []byte(password + strings.Repeat(string(rune(pad)), pad))
	for i := 0; i < len(text); i += aes.BlockSize {
		block.Encrypt(text[i:], text[i:])
	}
	return base64.StdEncoding.EncodeToString(append(append([]byte{1}, salt...), text...))
}

func TestZimbra(t *testing.T) {
	of := func(password string) map[string][]string {
		return map[string][]string{"objectClass": {"top", "zimbraDataSource", "zimbraPop3DataSource"}, "zimbraDataSourceId": {"uuid"},
			"zimbraDataSourceEnabled": {"TRUE"}, "zimbraDataSourceHost": {"h.example"}, "zimbraDataSourcePort": {"995"},
			"zimbraDataSourceConnectionType": {"ssl"}, "zimbraDataSourceUsername": {"u"}, "zimbraDataSourcePassword": {password},
			"zimbraDataSourcePollingInterval": {"0"}, "zimbraDataSourceLeaveOnServer": {"FALSE"}}
	}
	above := map[string][]string{"mail": {"j@kroon.example"}}
	for password, want := range map[string]string{
		hidden(t, "uuid", "secret of sixteen and more"): "password=secret of sixteen and more",
		hidden(t, "uuid", "sixteen octets.."):           "password=sixteen octets..",
		hidden(t, "other", "secret"):                    "password is not as Zimbra writes it",
		"secret":                                        "password is not as Zimbra writes it",
		"AQ==":                                          "password is not as Zimbra writes it",
	} {
		got := rows(t, "zimbra", of(password), above)
		all := ": id=uuid name=jaco-x active=TRUE protocol=pop3 host=h.example port=995 tls=ssl user=u " + want +
			" password_encoding=plain keep=FALSE recipient=j@kroon.example"
		if !slices.Equal(got, []string{all}) {
			t.Errorf("%q\nwant %q", got, all)
		}
	}
}
