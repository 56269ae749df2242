package ldap

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// fleet are servers by their URLs; nil: it is away.
type fleet struct {
	all   map[string]*server
	asked []string
}

func (f *fleet) dial(ctx context.Context, url string) (Line, error) {
	f.asked = append(f.asked, strings.TrimPrefix(url, "ldap://"))
	if f.all[url] == nil {
		return nil, errors.New("connection refused")
	}
	return f.all[url].dial(ctx, url)
}

func (f *fleet) was(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(f.asked, want) {
		t.Errorf("asked %q, want %q", f.asked, want)
	}
	f.asked = nil
}

var three = conf.LDAP{URL: "ldap://a", Replicas: []string{"ldap://b", "ldap://c"}, Base: "dc=example", Preset: "mailretr",
	TLS: conf.TLS{Mode: conf.ModeNone}}

// The first that can be used is asked, as long as its connection lasts; who was away is asked last for a while, and the first
// again when all is read.
func TestServersInTurn(t *testing.T) {
	well := func(n int) *server { return &server{t: t, entries: []*ldap.Entry{maildrop(n, nil)}} }
	f := &fleet{all: map[string]*server{"ldap://b": well(2), "ldap://c": well(3)}}
	r, err := New(conf.Source{LDAP: &three}, f.dial)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	at := time.Now()
	r.Now, r.servers.now = func() time.Time { return at }, func() time.Time { return at }
	version := func(dn string) {
		t.Helper()
		if _, err := r.Version(t.Context()); err != nil {
			t.Fatal(err)
		}
		if lines, err := said(t, r); err != nil || len(lines) != 1 || !strings.HasPrefix(lines[0], dn) {
			t.Fatalf("%q %v", lines, err)
		}
	}
	version("cn=2,")
	f.was(t, "a", "b")
	if server, why := r.Server(); server != "ldap://b" || why != "ldap://a: connection refused" {
		t.Errorf("%q %q", server, why)
	}
	version("cn=2,")
	f.was(t)
	f.all["ldap://a"] = well(1)
	f.all["ldap://b"].cut()
	version("cn=2,") // a may be back, and is asked last so soon
	f.was(t, "b")
	f.all["ldap://b"].cut()
	f.all["ldap://b"] = nil
	version("cn=3,")
	f.was(t, "b", "c")
	at = at.Add(fullEvery)
	version("cn=1,")
	f.was(t, "a")
	if server, why := r.Server(); server != "ldap://a" || why != "" {
		t.Errorf("%q %q", server, why)
	}
	f.all = nil
	r.Close()
	_, err = r.Version(t.Context())
	want := "ldap://a: connection refused; ldap://b: connection refused; ldap://c: connection refused"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// A password that is refused is not tried elsewhere, where it would be counted too; a server that is busy leaves the question
// to others, and nobody's text shows a password.
func TestServersThatRefuse(t *testing.T) {
	refusing := &server{t: t, password: "other", text: "canary is wrong"}
	f := &fleet{all: map[string]*server{"ldap://a": refusing, "ldap://b": {t: t}}}
	l := three
	l.Bind, l.Password = "cn=x", conf.SecretPlain("canary")
	r, err := New(conf.Source{LDAP: &l}, f.dial)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = said(t, r)
	if err == nil || !strings.HasPrefix(err.Error(), "ldap://a: the server says 49 (Invalid Credentials): *** is wrong") {
		t.Error(err)
	}
	f.was(t, "a")
	if elsewhere(ldap.NewError(ldap.LDAPResultInvalidCredentials, nil)) || !elsewhere(ldap.NewError(ldap.LDAPResultBusy, nil)) ||
		!elsewhere(ldap.NewError(ldap.ErrorNetwork, nil)) || !elsewhere(net.ErrClosed) {
		t.Error("it is not known who may do better")
	}
	e := told(ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New("bind of canary-of-user by canary-of-us")), "canary-of-user")
	if e = told(e, "canary-of-us"); strings.Contains(e.Error(), "canary") || !ldap.IsErrorWithCode(e, ldap.LDAPResultInvalidCredentials) {
		t.Error(e)
	}
}

// A server that says nothing leaves the others, and the question, their part of the time; a login does not wait for it again.
func TestServersThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := people(t)
		d := door(s)
		d.LDAP.Replicas = []string{"ldap://b", "ldap://c"}
		d.Dial = func(ctx context.Context, url string) (Line, error) {
			if url == "ldap://c" {
				return s.dial(ctx, url)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for i, most := range []time.Duration{6 * time.Second, 0} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			began := time.Now()
			found, err := d.Login(ctx, "jaco", "canary-of-jaco")
			cancel()
			if took := time.Since(began); err != nil || found == nil || took > most {
				t.Errorf("%d: %+v, %v after %s", i, found, err, took)
			}
		}
	})
}
