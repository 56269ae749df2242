package ldap

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

func door(s *server) *Door {
	return &Door{LDAP: conf.LDAP{URL: "ldap://localhost", TLS: conf.TLS{Mode: conf.ModeNone}, Base: "dc=example", Bind: "cn=service",
		Password: conf.SecretPlain("canary-of-service"), Filter: "(&(objectClass=person)(|(mail={user})(uid={user})))"},
		Names: []string{"mail", "alias"}, Marked: "(memberOf=cn=admins)", Dial: s.dial}
}

func people(t *testing.T) *server {
	person := func(name string) *ldap.Entry {
		return ldap.NewEntry("uid="+name+",dc=example", map[string][]string{"mail": {name + "@b.example"}, "alias": {"x", "y"}})
	}
	return &server{t: t, password: "canary-of-service",
		others:  map[string]string{"uid=jaco,dc=example": "canary-of-jaco", "uid=gert,dc=example": "canary-of-gert"},
		entries: []*ldap.Entry{person("jaco"), person("gert"), person("two"), person("twotwo"), ldap.NewEntry("", nil)},
		meant: func(_, filter string, e *ldap.Entry) bool {
			if filter == "(memberOf=cn=admins)" {
				return strings.HasPrefix(e.DN, "uid=gert")
			}
			for _, name := range []string{"jaco", "gert", "two"} {
				if strings.Contains(filter, "(uid="+name+")") && strings.HasPrefix(e.DN, "uid="+name) {
					return true
				}
			}
			return false
		}}
}

// Whose entry is found, and whose password is right, comes in; his attributes and the mark are told.
func TestDoor(t *testing.T) {
	s := people(t)
	d := door(s)
	for name, marked := range map[string]bool{"jaco": false, "gert": true} {
		x, err := d.Login(t.Context(), name, "canary-of-"+name)
		if err != nil || x == nil || x.Values["mail"][0] != name+"@b.example" || len(x.Values["alias"]) != 2 || x.Marked != marked {
			t.Errorf("%s: %+v %v", name, x, err)
		}
	}
	for _, x := range [][2]string{{"jaco", "canary-of-gert"}, {"nobody", "canary-of-jaco"}, {"jaco", "canary-of-servic"}} {
		if found, err := d.Login(t.Context(), x[0], x[1]); found != nil || err != nil {
			t.Errorf("%q: %+v %v", x, found, err)
		}
	}
	if x, err := d.Login(t.Context(), "two", "canary-of-service"); x != nil || err == nil {
		t.Errorf("two entries: %+v %v", x, err)
	}
}

// TestH8_Door: a name is a value of the filter, whatever is in it, and an empty password reaches no server.
func TestH8_Door(t *testing.T) {
	s := people(t)
	d := door(s)
	for name, asked := range map[string]string{"*": `\2a`, "*)(uid=*": `\2a\29\28uid=\2a`, "jaco)(uid=gert": `jaco\29\28uid=gert`, `\2a`: `\5c2a`,
		"a\x00b": `a\00b`, "{user}": "{user}"} {
		if x, err := d.Login(t.Context(), name, "canary-of-jaco"); x != nil || err != nil {
			t.Errorf("%q: %+v %v", name, x, err)
		}
		if last := s.searches[len(s.searches)-1]; !strings.Contains(last, "(&(objectClass=person)(|(mail="+asked+")(uid="+asked+"))) ") {
			t.Errorf("%q was asked as %s", name, last)
		}
	}
	n := len(s.searches)
	for _, x := range [][2]string{{"jaco", ""}, {"", "x"}} {
		if found, err := d.Login(t.Context(), x[0], x[1]); found != nil || err == nil {
			t.Errorf("%q: %+v %v", x, found, err)
		}
	}
	if len(s.searches) != n || len(s.conns) > n {
		t.Error("the server was asked")
	}
}

// TestH3_Door: no text has a password, whatever the server says; and whoever it is that does not answer has an end in time.
func TestH3_Door(t *testing.T) {
	s := people(t)
	s.result, s.text = ldap.LDAPResultUnwillingToPerform, "canary-of-service, canary-of-jaco"
	d := door(s)
	if x, err := d.Login(t.Context(), "jaco", "canary-of-jaco"); x != nil || err == nil || strings.Contains(err.Error(), "canary-of-service") {
		t.Errorf("%+v %v", x, err)
	}
	s = people(t)
	s.password = "another"
	d = door(s)
	if x, err := d.Login(t.Context(), "jaco", "canary-of-jaco"); x != nil || err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("the service is not let in: %+v %v", x, err)
	}
	s = people(t)
	stop := make(chan struct{})
	defer close(stop)
	s.raw = func(int) []byte { <-stop; return []byte{} }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if x, err := door(s).Login(ctx, "jaco", "x"); x != nil || err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("%+v %v after %v", x, err, time.Since(began))
	}
	if x, err := door(&server{}).Login(t.Context(), "jaco", "x"); x != nil || err == nil {
		t.Errorf("%+v %v", x, err)
	}
}
