//go:build interop

package test

import (
	"context"
	databasesql "database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
	"mailretr/conf/ldap"
	"mailretr/conf/sql"
	"mailretr/relay/wire"
	"mailretr/test/real"
)

// lets fails where a back end lets somebody in who is not who he says, or keeps somebody out.
func lets(t *testing.T, c signin.Checker, user, password, name string) {
	t.Helper()
	who, err := c.Check(t.Context(), user, password)
	switch {
	case name == "" && !errors.Is(err, signin.ErrRefused):
		t.Errorf("%q: %+v %v", user, who, err)
	case name != "" && (err != nil || who.Name != name):
		t.Errorf("%q: %+v %v", user, who, err)
	}
}

// TestSignInDovecot: whoever has a mailbox at the local server signs in with its password.
func TestSignInDovecot(t *testing.T) {
	d := real.StartDovecot(t)
	d.User("jaco@kroon.co.za")
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	for name, dial := range map[string]wire.Options{
		"plain":    {TLS: wire.TLS{Mode: wire.Plain}, Address: at(d.IMAP)},
		"starttls": {TLS: wire.TLS{CAFile: d.CAFile}, Address: at(d.IMAP)},
		"imaps":    {TLS: wire.TLS{CAFile: d.CAFile, Mode: wire.Implicit}, Address: at(d.IMAPS)},
	} {
		t.Run(name, func(t *testing.T) {
			i := &signin.IMAP{Dial: dial, Domains: []string{"kroon.co.za"}}
			lets(t, i, "jaco@kroon.co.za", "secret", "jaco@kroon.co.za")
		})
	}
	// Dovecot makes an address wait longer after each wrong password, so that there are few.
	i := &signin.IMAP{Dial: wire.Options{TLS: wire.TLS{Mode: wire.Plain}, Address: at(d.IMAP)}}
	lets(t, i, "jaco@kroon.co.za", "wrong", "")
	lets(t, i, `jaco@kroon.co.za" NIL`, "secret", "")
}

// TestSignInDatabases: tables of panels, as MariaDB and PostgreSQL have them. MariaDB takes an é for an e and blanks at the
// end for nothing; whoever comes in is who the table says, all the same.
func TestSignInDatabases(t *testing.T) {
	const (
		rows = "INSERT INTO mailbox (username, password, active) VALUES ('jaco@kroon.co.za', '$1$abc$n6H250boi0sp0yw9RWhqY0', '1'), " +
			"('anna@kroon.co.za', '{SSHA}7UQdub6GogXz3oZwT8XneoxpRVpmNGq5', '1'), ('old@kroon.co.za', '{PLAIN}open sesame', '0')"
		query = "SELECT username AS user, password FROM mailbox WHERE username = :user AND active = '1'"
	)
	maria, postgres := real.MariaDB(t), real.Postgres(t)
	maria.Do("CREATE TABLE mailbox (username varchar(255) NOT NULL PRIMARY KEY, password varchar(255) NOT NULL, "+
		"active tinyint(1) NOT NULL DEFAULT 1) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", rows)
	postgres.Do("CREATE TABLE mailbox (username varchar(255) NOT NULL PRIMARY KEY, password varchar(255) NOT NULL, "+
		"active boolean NOT NULL DEFAULT true)", rows)
	for kind, d := range map[string]*real.Database{"mysql": maria, "postgres": postgres} {
		t.Run(kind, func(t *testing.T) {
			l, err := sql.NewLookup(kind, conf.SecretPlain(d.DSN), query, "user")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s := signin.NewSQL(l.Find, "")
			lets(t, s, "jaco@kroon.co.za", "open sesame", "jaco@kroon.co.za")
			lets(t, s, "anna@kroon.co.za", "open sesame", "anna@kroon.co.za")
			lets(t, s, "jaco@kroon.co.za", "wrong", "")
			lets(t, s, "old@kroon.co.za", "open sesame", "")
			anna, err := s.Check(t.Context(), "anna@kroon.co.za", "open sesame")
			if err == nil {
				_, err = s.Recheck(t.Context(), anna)
			}
			if err != nil {
				t.Errorf("anna, asked again: %v", err)
			}
			d.Do("UPDATE mailbox SET active = '0' WHERE username = 'anna@kroon.co.za'")
			if _, err := s.Recheck(t.Context(), anna); !errors.Is(err, signin.ErrRefused) {
				t.Errorf("anna has left: %v", err)
			}
			for _, name := range []string{"' OR '1'='1", `\' OR 1=1 -- `, "jaco@kroon.co.za' -- ", "'; DROP TABLE mailbox; --", "%", ":user"} {
				lets(t, s, name, "open sesame", "")
			}
			if who, err := s.Check(t.Context(), "jacò@kroon.co.za ", "open sesame"); err == nil && who.Owners[0] != "jaco@kroon.co.za" {
				t.Errorf("%+v", who)
			}
			d.Stop()
			if _, err := s.Check(t.Context(), "jaco@kroon.co.za", "open sesame"); !errors.Is(err, signin.ErrAway) || strings.Contains(err.Error(), "sesame") {
				t.Errorf("without the database: %v", err)
			}
			d.Start()
			lets(t, s, "jaco@kroon.co.za", "open sesame", "jaco@kroon.co.za")
		})
	}
}

// plainLine is a connection without TLS, for a socket.
type plainLine struct{ net.Conn }

func (plainLine) StartTLS(context.Context) error { return errors.New("no TLS here") }

// TestSignInSlapd: who is in a real directory signs in by a bind; what is typed is no filter and no DN there.
func TestSignInSlapd(t *testing.T) {
	person := func(uid, more string) string {
		return "dn: uid=" + uid + "," + real.SlapdBase + "\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nuid: " + uid + "\nmail: " + uid +
			"@kroon.co.za\n" + more + "\n"
	}
	// of "open sesame"
	const password = "userPassword: {SSHA}7UQdub6GogXz3oZwT8XneoxpRVpmNGq5\n"
	s := real.NewSlapd(t, nil, "", person("jaco", password)+person("gert", password+"employeeType: admin\n")+person("none", ""))
	l := conf.LDAP{URL: "ldapi://" + s.Socket, TLS: conf.TLS{Mode: conf.ModeNone}, Bind: real.SlapdUser, Scope: "sub",
		Password: conf.SecretPlain(real.SlapdPassword), Base: real.SlapdBase, Filter: "(&(objectClass=inetOrgPerson)(|(mail={user})(uid={user})))"}
	door := &ldap.Door{LDAP: l, Names: []string{"mail"}, Marked: "(employeeType=admin)",
		Dial: func(ctx context.Context, _ string) (ldap.Line, error) {
			c, err := new(net.Dialer).DialContext(ctx, "unix", s.Socket)
			if err != nil {
				return nil, err
			}
			return plainLine{c}, nil
		}}
	door.Names = append(door.Names, signin.LDAPChanged...) // those that it does not know do no harm
	c := &signin.LDAP{Name: "mail", Owner: "mail", Login: door.Login, Look: door.Look}
	lets(t, c, "jaco", "open sesame", "jaco@kroon.co.za")
	lets(t, c, "JACO@kroon.co.za", "open sesame", "jaco@kroon.co.za")
	who, err := c.Check(t.Context(), "gert", "open sesame")
	if err != nil || !who.Admin {
		t.Errorf("%+v %v", who, err)
	}
	if now, err := c.Recheck(t.Context(), who); err != nil || !now.Admin {
		t.Errorf("again: %+v %v", now, err)
	}
	lets(t, c, "jaco", "wrong", "")
	lets(t, c, "jaco", "", "")
	lets(t, c, "none", "open sesame", "")
	for _, name := range []string{"*", "*)(uid=*", "jaco)(|(uid=gert", `\2a`, "uid=jaco," + real.SlapdBase} {
		lets(t, c, name, "open sesame", "")
	}
	chained(t, s)
	s.Stop()
	if _, err := c.Check(t.Context(), "jaco", "open sesame"); !errors.Is(err, signin.ErrAway) {
		t.Errorf("without slapd: %v", err)
	}
	if _, err := c.Recheck(t.Context(), who); !errors.Is(err, signin.ErrAway) {
		t.Errorf("again, without slapd: %v", err)
	}
}

// chained signs in at the pages of a daemon, which asks a directory and then a table; what each says of a person counts.
func chained(t *testing.T, s *real.Slapd) {
	port := real.Port(t)
	p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:1"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
web:
  listen: 127.0.0.1:%d
  sign_in:
    - ldap:
        url: ldapi://%s
        bind: %s
        password: {file: @DIR@/ldap.pass}
        base: %s
        filter: (uid={user})
        admin: (employeeType=admin)
    - sqlite: {dsn: {file: @DIR@/dsn}, query: "SELECT u AS user, p AS password FROM t WHERE u = :user"}
`, port, s.Socket, real.SlapdUser, real.SlapdBase))
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("ldap.pass", real.SlapdPassword)
	put("dsn", filepath.Join(p.dir, "users.db"))
	db, err := databasesql.Open("sqlite", "file:"+filepath.Join(p.dir, "users.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE t (u TEXT, p TEXT); INSERT INTO t VALUES ('anna', '{PLAIN}of anna')"); err != nil {
		t.Fatal(err)
	}
	p.serve()
	pages := fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, time.Minute, "pages", func() bool { return got(t, pages+"/sign-in") != "" })
	for _, x := range []struct {
		user, password string
		status, admin  int
	}{{"jaco", "open sesame", 200, 404}, {"gert", "open sesame", 200, 200}, {"anna", "of anna", 200, 404}, {"anna", "open sesame", 403, 200}} {
		c := faceless(t)
		if status := post(t, c, pages+"/sign-in", url.Values{"user": {x.user}, "password": {x.password}}); status != x.status {
			t.Errorf("%s: status %d", x.user, status)
		}
		r, err := c.Get(pages + "/admin")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != x.admin { // who has not signed in is sent to do so
			t.Errorf("%s: the admin's page has status %d", x.user, r.StatusCode)
		}
	}
	for _, secret := range []string{"open sesame", "of anna", real.SlapdPassword} {
		if strings.Contains(p.logged(), secret) {
			t.Errorf("the log has the password %s", secret)
		}
	}
}
