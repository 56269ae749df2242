package sasl

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"mailretr/store/mail"
)

// states shakes hands and returns what both sides know.
func states(t *testing.T, version uint16) (client, server tls.ConnectionState) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	defer a.Close()
	c := tls.Client(a, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
	s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	done := make(chan error, 1)
	go func() { done <- s.HandshakeContext(context.Background()) }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if version == tls.VersionTLS13 { // the server is done only when its tickets are read
		go c.Read(make([]byte, 1))
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	client, server = c.ConnectionState(), s.ConnectionState()
	if server.PeerCertificates == nil { // what a server knows of itself
		server.PeerCertificates = client.PeerCertificates
	}
	return client, server
}

// A real is a carrier with the server of the library.
type real struct {
	t    *testing.T
	talk *scram.ServerConversation
	said string
	over bool
}

func (r *real) Begin(_ Mechanism, initial string) error { return r.Answer(initial) }

func (r *real) Answer(line string) error {
	if r.over {
		return nil
	}
	b, _ := base64.StdEncoding.DecodeString(line)
	said, err := r.talk.Step(string(b))
	if err != nil {
		r.t.Logf("server: %v", err)
		said, r.over = "NO", true
	}
	r.said = said
	return nil
}

func (r *real) Break() { r.over = true }

func (r *real) Hear() (string, bool, error) {
	switch {
	case r.said == "NO":
		return "", false, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: "NO"}
	case r.over:
		return "", true, nil
	}
	r.over = r.talk.Done()
	return b64(r.said), false, nil
}

// server returns a conversation of the library's server, which binds where it is given what to bind to.
func server(t *testing.T, hash scram.HashGeneratorFcn, b *scram.ChannelBinding) *real {
	s, err := hash.NewServer(func(string) (scram.StoredCredentials, error) {
		c, err := hash.NewClient("jaco", "pencil", "")
		if err != nil {
			t.Fatal(err)
		}
		return c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096})
	})
	if err != nil {
		t.Fatal(err)
	}
	if b == nil {
		return &real{t: t, talk: s.NewConversation()}
	}
	return &real{t: t, talk: s.NewConversationWithChannelBinding(*b)}
}

func TestR18_Binding(t *testing.T) {
	for version, kind := range map[uint16]string{tls.VersionTLS13: "tls-exporter", tls.VersionTLS12: "tls-server-end-point"} {
		client, theirs := states(t, version)
		_, elsewhere := states(t, version)
		ch := Channel{State: &client}
		bind := func(s *tls.ConnectionState) *scram.ChannelBinding {
			b, ok := (&Channel{State: s}).binding()
			if !ok || string(b.Type) != kind {
				t.Fatalf("%x: %v %s", version, ok, b.Type)
			}
			return &b
		}
		for name, c := range map[string]struct {
			offered string
			server  *real
			chosen  Mechanism
			good    bool
		}{
			"bound":       {"PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS", server(t, scram.SHA256, bind(&theirs)), SCRAMSHA256Plus, true},
			"bound, SHA1": {"SCRAM-SHA-1 SCRAM-SHA-1-PLUS", server(t, scram.SHA1, bind(&theirs)), SCRAMSHA1Plus, true},
			"somebody between": {"SCRAM-SHA-256 SCRAM-SHA-256-PLUS", server(t, scram.SHA256, bind(&elsewhere)),
				SCRAMSHA256Plus, false},
			"without":       {"SCRAM-SHA-256", server(t, scram.SHA256, nil), SCRAMSHA256, true},
			"offer removed": {"SCRAM-SHA-256", server(t, scram.SHA256, bind(&theirs)), SCRAMSHA256, false},
		} {
			r := Request{Offered: strings.Fields(c.offered), User: "jaco", Secret: "pencil", Channel: ch}
			m, err := r.Choose()
			if err != nil || m != c.chosen {
				t.Fatal(name, m, err)
			}
			e, err := r.Begin(m)
			if err != nil {
				t.Fatal(name, err)
			}
			if err := e.Run(c.server, 1000); (err == nil) != c.good {
				t.Errorf("%x %s: %v", version, name, err)
			}
		}
	}
}

// FuzzChallenge: no answer of a server makes an exchange panic, run for long, or be believed without a proof.
func FuzzChallenge(f *testing.F) {
	f.Add(uint8(0), "r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
	f.Add(uint8(1), `{"status":"400","schemes":"bearer"}`, "")
	f.Add(uint8(2), "<1@b>", "x")
	f.Fuzz(func(t *testing.T, which uint8, first, second string) {
		if strings.Contains(first, "i=") && !strings.Contains(first, "i=4096") {
			return // hashing takes its time, as it should
		}
		all := []Mechanism{SCRAMSHA256, XOAuth2, CRAMMD5, SCRAMSHA1, Login, Plain, OAuthBearer, External}
		m := all[int(which)%len(all)]
		r := Request{User: "u", Secret: "secret", Channel: Channel{Clear: true}, Nonce: func() string { return "abc" }}
		e, err := r.Begin(m)
		if err != nil {
			t.Fatal(err)
		}
		s := &script{says: []string{b64(first), b64(second), "OK"}}
		if err := e.Run(s, 1000); err == nil && (m == SCRAMSHA256 || m == SCRAMSHA1) {
			t.Errorf("%s believes %q %q", m, first, second)
		}
	})
}
