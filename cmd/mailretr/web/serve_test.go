package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"
)

// Over TLS the cookie cannot be set by others of the same domain, and nothing older than TLS 1.2 is spoken; the server ends
// when it is to, and what it has begun with it.
func TestServeTLS(t *testing.T) {
	w := newWorld(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{House: w.house, SignIn: w.server.SignIn, Secure: true}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Serve(ctx, l, func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
		})
	}()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for max, good := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS13: true} {
		c := &http.Client{Jar: jar, Timeout: 10 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: max}}}
		r, err := c.Post("https://"+l.Addr().String()+"/sign-in", "application/x-www-form-urlencoded",
			strings.NewReader("user=jaco&password=right"))
		if good != (err == nil) {
			t.Fatalf("%x: %v", max, err)
		}
		if err != nil {
			continue
		}
		r.Body.Close()
		if r.StatusCode != 200 || r.ProtoMajor != 2 || r.Request.URL.Path != "/" {
			t.Errorf("%d %s %s", r.StatusCode, r.Proto, r.Request.URL)
		}
		if cookies := jar.Cookies(r.Request.URL); len(cookies) != 1 || cookies[0].Name != "__Host-mailretr" {
			t.Errorf("%v", cookies)
		}
		c.CloseIdleConnections()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}
