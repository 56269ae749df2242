package main

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
	"mailretr/relay/passwd"
)

// TestKnowing: users come first, then the places in their order; a change of the configuration counts at once, and a query
// that cannot be is a mistake with its place. An admin who is one of the users is one by the password there alone.
func TestKnowing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range []string{"CREATE TABLE t (u TEXT, p TEXT)", "INSERT INTO t VALUES ('anna', 'one'), ('jaco', 'two')"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	query := "SELECT u AS user, p AS password, u || '@kroon.co.za' AS owner FROM t WHERE u = :user"
	c := &conf.Config{Web: conf.Web{
		Admins: []string{"jaco", "anna"},
		Users:  []conf.WebUser{{Name: "jaco", Hash: conf.SecretPlain(passwd.Make("open sesame")), Owns: []string{"info@kroon.co.za"}}},
		SignIn: []conf.SignIn{{Kind: "sqlite", SQL: &conf.SignInSQL{DSN: conf.SecretPlain(path), Query: query, Scheme: "PLAIN"}}},
	}}
	all := &checkers{of: func() *conf.Config { return c }}
	for _, x := range []struct{ user, password, owns string }{
		{"jaco", "open sesame", "jaco info@kroon.co.za"}, {"jaco", "two", "jaco@kroon.co.za"}, {"anna", "one", "anna@kroon.co.za"},
	} {
		who, err := all.now().Check(t.Context(), x.user, x.password)
		if err != nil || strings.Join(who.Owners, " ") != x.owns || who.Admin != (x.password == "open sesame") {
			t.Errorf("%s: %+v %v", x.user, who, err)
		}
	}
	if all.now() != all.now() {
		t.Error("it is made anew each time")
	}
	c = &conf.Config{Web: conf.Web{Users: c.Web.Users}}
	if _, err := all.now().Check(t.Context(), "anna", "one"); !errors.Is(err, signin.ErrRefused) {
		t.Errorf("after the change: %v", err)
	}
	c = &conf.Config{}
	if all.now() != nil {
		t.Error("nobody has a password, and yet there is somebody to ask")
	}
	c.Web.SignIn = []conf.SignIn{{Kind: "mysql", SQL: &conf.SignInSQL{Query: "SELECT ':user'"}}}
	if list := undeliverable(c); len(list) != 1 || !strings.Contains(list[0].Text, "no :user outside of quotes") {
		t.Errorf("%v", list)
	}
}

// TestSignInSchemes: what may be written for scheme: is known to who reads the passwords.
func TestSignInSchemes(t *testing.T) {
	kept := map[string]string{
		"ARGON2ID": passwd.Make("open sesame"), "BLF-CRYPT": "$2y$05$qf6yRTu0eENsZAQYIzFmy.AswDnHrnMRUK5OAnddxcZwGWwEzFw5u",
		"SHA512-CRYPT": "$6$MItsCl9BUZD1tWam$B8m2o2NDI9Fvx4bJ29pls1dlnNdedQIBp5WAef4RP7KMrCMaH5QfJkGGzYVH9.FOxMhTaZ6ux29QKn09Iv64m0",
		"SHA256-CRYPT": "$5$abc$MiprnnGLGEpAfkAJ9RMpQdoAlj65fcZkQV70K7yKXa/", "MD5-CRYPT": "$1$abc$n6H250boi0sp0yw9RWhqY0",
		"CRYPT": "$1$abc$n6H250boi0sp0yw9RWhqY0", "PBKDF2": "$1$I0n5Gh.PWgKdvqUa$5000$e7a12887e41c6e0ff379210edea0ccda23b7a2ff",
		"SCRAM-SHA-256": "4096,ooAhtrU+kyfRSqnfygolDQ==,1sPIhLDGLSw7GQu2bubYGW1VUbTMQz8DKTmg5/GV6xU=,XOqNKUHI4WQtc/GlXoTIrzIAvEF1eV1OpQXyclaGOoY=",
		"SSHA512":       "eoDO6KOcPYKg1DNaN1bQrYYD/qkh09wOHgnQ36hxsGXDH+EwxXayZHoLHHf9ZVKpWOJ8gjBjRFjKliTqdQ2aHLu68lo=",
		"SSHA256":       "U591b97jFAXTPVLyxGdAab0I3rESW1JDXBN8rHKbCD1h/9F/", "SSHA": "7UQdub6GogXz3oZwT8XneoxpRVpmNGq5",
		"SHA512": "hHDN078e+F1fCSvOWuWvl85QggSBv0OyQTgH/sN+J4W1M6ZdTH1xaVsUHYHrzUtsTe9ChOYGfwud3DGLGyMCBQ==",
		"SHA256": "Qe9LsLI2YeZjAarDYGaRLawDeCe0rmOnsRZaWqk+1Os=", "SHA": "W8r/fyL/UzygmbNAjq2HbA67qac=", "PLAIN": "open sesame",
	}
	for _, scheme := range conf.SignInSchemes {
		if h, err := passwd.ParseStored(kept[scheme], strings.ToLower(scheme)); err != nil || !h.Check("open sesame") {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}
