package wire

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An authority issues certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority { return authorityFor(t, time.Hour) }

func authorityFor(t *testing.T, life time.Duration) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	return a
}

// issue makes a certificate for mail.test; change alters what is wrong with it.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"mail.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if change != nil {
		change(c)
	}
	parent, signer := a.cert, a.key
	if a.key == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func pin(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return hex.EncodeToString(sum[:])
}

type dialler func(context.Context, string, string) (net.Conn, error)

// serve answers each connection with a handshake and a line; it returns a dialler. stop ends it and returns
// what clients sent inside of TLS.
func serve(t *testing.T, config *tls.Config) (dial dialler, stop func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			c := tls.Server(raw, config)
			if c.Handshake() == nil {
				io.WriteString(c, "hello\r\n")
				io.Copy(&sent, c)
			}
			c.Close()
		}
	}()
	stop = func() string { l.Close(); <-done; return sent.String() }
	t.Cleanup(func() { stop() })
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}, stop
}

// meet dials and reads the line that is sent when all is well; it says whether the session was resumed.
func meet(o Options) (resumed bool, err error) {
	c, err := Dial(context.Background(), o)
	if err != nil {
		return false, err
	}
	defer c.Close()
	c.Write([]byte("LOGIN\r\n"))
	if _, err = c.ReadLine(100); err != nil {
		return false, err
	}
	s, ok := c.State()
	if !ok || !c.Secure() {
		return false, errors.New("not secure")
	}
	return s.DidResume, nil
}

func TestR19_Certificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.issue(t, nil)
	never := func(*TLS) {}
	for name, x := range map[string]struct {
		cert tls.Certificate
		set  func(*TLS)
		ok   bool
		says string
	}{
		"good":          {good, never, true, ""},
		"name given":    {good, func(o *TLS) { o.Name = "other.test" }, false, "other.test"},
		"wrong name":    {ca.issue(t, func(c *x509.Certificate) { c.DNSNames[0] = "mail.example" }), never, false, "mail.test"},
		"name expected": {ca.issue(t, func(c *x509.Certificate) { c.DNSNames[0] = "a.example" }), func(o *TLS) { o.Name = "a.example" }, true, ""},
		"only in CN": {ca.issue(t, func(c *x509.Certificate) {
			c.DNSNames, c.Subject.CommonName = nil, "mail.test"
		}), never, false, "Common Name"},
		"expired":     {ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), never, false, "expired"},
		"not yet":     {ca.issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), never, false, "not yet"},
		"self-signed": {(&authority{}).issue(t, nil), never, false, "unknown authority"},
		"other CA":    {other.issue(t, nil), never, false, "unknown authority"},
		"client only": {ca.issue(t, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}), never, false, "usage"},
		"NUL in name": {ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"mail.test\x00.evil.example"} }), never, false, ""},
		"pin":         {good, func(o *TLS) { o.Pins, o.Roots = []string{pin(good)}, other.pool }, true, ""},
		"pin, name":   {good, func(o *TLS) { o.Pins, o.Name = []string{"00" + pin(good)[2:], pin(good)}, "other.test" }, true, ""},
		"wrong pin":   {good, func(o *TLS) { o.Pins = []string{pin(other.issue(t, nil))} }, false, pin(good)},
		"pin beats insecure": {good, func(o *TLS) {
			o.Pins, o.Insecure = []string{pin(other.issue(t, nil))}, true
		}, false, "not the pinned one"},
		"bad pin":  {good, func(o *TLS) { o.Pins = []string{"abcd"} }, false, "not a SHA-256"},
		"insecure": {(&authority{}).issue(t, nil), func(o *TLS) { o.Insecure = true }, true, ""},
		"CA file":  {good, func(o *TLS) { o.Roots, o.CAFile = nil, pemFile(t, ca.cert.Raw) }, true, ""},
		"other CA file": {good, func(o *TLS) {
			o.CAFile = pemFile(t, other.cert.Raw)
		}, false, "unknown authority"},
		"no CA file": {good, func(o *TLS) { o.CAFile = "/nowhere/ca.pem" }, false, "CA file"},
		"classic":    {good, func(o *TLS) { o.Classic = true }, true, ""},
		"colons": {good, func(o *TLS) {
			var b strings.Builder
			for i, r := range strings.ToUpper(pin(good)) {
				if b.WriteRune(r); i%2 == 1 && i < 63 {
					b.WriteByte(':')
				}
			}
			o.Pins = []string{b.String()}
		}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dial, stop := serve(t, &tls.Config{Certificates: []tls.Certificate{x.cert}})
			o := Options{Address: "mail.test:995", DialContext: dial, TLS: TLS{Mode: Implicit, Roots: ca.pool}}
			x.set(&o.TLS)
			_, err := meet(o)
			if (err == nil) != x.ok {
				t.Fatalf("err = %v", err)
			}
			var e *Error
			if err != nil && (!errors.As(err, &e) || !e.TLS() || !strings.Contains(err.Error(), x.says)) {
				t.Fatalf("err = %v, should say %q", err, x.says)
			}
			if s := stop(); (s == "LOGIN\r\n") != x.ok {
				t.Fatalf("the server was sent %q", s)
			}
		})
	}
}

func pemFile(t *testing.T, all ...[]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	var b []byte
	for _, der := range all {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	dial, _ := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool})
	o := Options{Address: "mail.test:995", DialContext: dial, TLS: TLS{Mode: Implicit, Roots: ca.pool}}
	var e *Error
	if _, err := meet(o); !errors.As(err, &e) || !e.TLS() {
		t.Fatalf("without a certificate: %v", err)
	}
	own := ca.issue(t, func(c *x509.Certificate) { c.ExtKeyUsage[0] = x509.ExtKeyUsageClientAuth })
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	o.TLS.CertFile, o.TLS.KeyFile = pemFile(t, own.Certificate[0]), filepath.Join(t.TempDir(), "key.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	if err := os.WriteFile(o.TLS.KeyFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := meet(o); err != nil {
		t.Fatal(err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	ca := newAuthority(t)
	dial, _ := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)},
		MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	_, err := meet(Options{Address: "mail.test:995", DialContext: dial, TLS: TLS{Mode: Implicit, Insecure: true}})
	if err == nil {
		t.Fatal("TLS 1.1 was accepted")
	}
}

// R1, the part of the wire: plain text instead of a handshake is an error, and nothing follows in plain text.
func TestR1_NoHandshake(t *testing.T) {
	for _, answer := range []string{"", "-ERR no\r\n", "* PREAUTH hello\r\n", "* BYE\r\n"} {
		c, server := tcp(t, Options{})
		c.opts.TLS.Mode = StartTLS
		say(t, c, "STLS\r\n")
		got := make(chan string)
		go func() {
			p := make([]byte, 6)
			io.ReadFull(server, p)
			io.WriteString(server, "+OK begin\r\n")
			io.ReadFull(server, p[:1]) // the ClientHello begins
			io.WriteString(server, answer)
			server.(*net.TCPConn).CloseWrite()
			rest, _ := io.ReadAll(server)
			got <- string(rest)
		}()
		if b, err := c.ReadLine(100); err != nil || string(b) != "+OK begin" {
			t.Fatalf("%q, %v", b, err)
		}
		var e *Error
		if err := c.StartTLS(t.Context()); !errors.As(err, &e) || !e.TLS() || c.Secure() {
			t.Fatalf("%q: %v", answer, err)
		}
		if _, err := c.Write([]byte("USER jaco\r\n")); err == nil && c.Flush() == nil {
			t.Fatalf("%q: a command could be written", answer)
		}
		if s := <-got; strings.Contains(s, "USER") {
			t.Fatalf("%q: the server saw %q", answer, s)
		}
	}
}

func TestR2_InjectedBeforeTheHandshake(t *testing.T) {
	c, server := tcp(t, Options{})
	say(t, server, "+OK begin TLS\r\n+OK evil\r\n")
	if _, err := c.ReadLine(100); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := c.StartTLS(t.Context()); !errors.As(err, &e) || !e.TLS() || !strings.Contains(err.Error(), "10 octets") {
		t.Fatalf("%v", err)
	}
	if _, err := c.ReadLine(100); err == nil {
		t.Fatal("what was injected can be read")
	}
}

// Alive must not take a session ticket for an unasked reply, nor an end for life.
func TestAliveUnderTLS(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}
	c, server := tcp(t, Options{})
	c.opts.Address, c.opts.TLS = "mail.test:25", TLS{Roots: ca.pool, Sessions: &Sessions{}}
	s := tls.Server(server, config)
	shaken := make(chan error, 1)
	go func() { shaken <- s.Handshake() }()
	if err := c.StartTLS(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	waitReadable(t, c) // the ticket
	if err := c.Alive(); err != nil {
		t.Fatalf("with a ticket: %v", err)
	}
	say(t, s, "421 bye\r\n")
	waitReadable(t, c)
	if err := c.Alive(); err == nil {
		t.Fatal("an unasked reply went unseen")
	}
	if b, err := c.ReadLine(100); err != nil || string(b) != "421 bye" {
		t.Fatalf("%q, %v", b, err)
	}
	s.Close()
	waitReadable(t, c)
	if err := c.Alive(); err == nil {
		t.Fatal("the end went unseen")
	}
}

func TestH3_TraceShowsNoSecretAndNoBody(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, bodies := range []bool{false, true} {
		out.Reset()
		c, server := tcp(t, Options{Trace: log, Bodies: bodies})
		c.Gate(Lines)
		say(t, server, "+OK \x1b[2J\u202eready\r\nSubject: a body line\r\n")
		say(t, c, "USER jaco\r\n")
		c.Mask(true)
		say(t, c, "PASS can")
		say(t, c, "ary\r\n")
		c.Mask(false)
		if _, err := c.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		c.Data(true)
		if _, err := c.Reader().ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		say(t, c, "Subject: sent\r\n")
		c.Data(false)
		say(t, c, "QUIT\r\n")
		s := out.String()
		if strings.Contains(s, "can") || strings.ContainsAny(s, "\x1b\u202e") || !strings.Contains(s, "***") ||
			!strings.Contains(s, "USER jaco") || !strings.Contains(s, "QUIT") || !strings.Contains(s, "+OK") {
			t.Errorf("bodies %v:\n%s", bodies, s)
		}
		if strings.Contains(s, "body line") != bodies || strings.Contains(s, "sent") != bodies {
			t.Errorf("bodies %v:\n%s", bodies, s)
		}
	}
}

// Some servers quote the command that they refuse.
func TestH3_TraceOfAServerThatQuotes(t *testing.T) {
	const password = `can"ary\é`
	for _, bodies := range []bool{false, true} {
		var out bytes.Buffer
		c, server := tcp(t, Options{Bodies: bodies,
			Trace: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		c.Hide("jaco", password)
		for _, said := range []string{"-ERR what is PASS " + password, `T1 BAD what is LOGIN jaco "can\"ary\\é"`,
			"-ERR AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00jaco\x00"+password)),
			"-ERR what is " + base64.StdEncoding.EncodeToString([]byte(password))} {
			out.Reset()
			say(t, server, said+"\r\n")
			if _, err := c.ReadLine(1000); err != nil {
				t.Fatal(err)
			}
			if s := out.String(); !strings.Contains(s, "***") || strings.Contains(s, "can") || strings.Contains(s, "é") ||
				strings.Contains(s, "AG") || strings.Contains(s, "Y2Fu") {
				t.Errorf("bodies %v: %s", bodies, s)
			}
		}
	}
}

func TestTraceCutsLongLines(t *testing.T) {
	var out bytes.Buffer
	c, _ := tcp(t, Options{Trace: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	say(t, c, strings.Repeat("x", 1<<20)+"\r\n")
	if out.Len() > 1000 || !strings.Contains(out.String(), "(and 1048066 octets)") {
		t.Errorf("%d octets of trace: %.700s", out.Len(), out.String())
	}
}
