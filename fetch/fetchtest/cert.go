package fetchtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"testing"
	"time"
)

// A CA makes certificates for tests.
type CA struct {
	Pool *x509.CertPool // that trusts it

	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

// NewCA makes a CA that is valid from 1990 on, so that the clock of testing/synctest is inside.
func NewCA(t testing.TB) *CA {
	ca := &CA{t: t, Pool: x509.NewCertPool()}
	tmpl := template(1)
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign
	ca.key = ca.newKey()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, ca.key.Public(), ca.key)
	if err == nil {
		ca.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	ca.n = 1
	ca.Pool.AddCert(ca.cert)
	return ca
}

func template(n int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(n),
		Subject:      pkix.Name{CommonName: "fetchtest"},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

func (ca *CA) newKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	return k
}

// Server returns the configuration of a server with a certificate for host. change, where it is not nil,
// spoils the certificate first.
func (ca *CA) Server(host string, change func(*x509.Certificate)) *tls.Config {
	ca.n++
	tmpl := template(ca.n)
	tmpl.DNSNames = []string{host}
	if change != nil {
		change(tmpl)
	}
	key := ca.newKey()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, key.Public(), ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// Pin returns the SHA-256 of the server's certificate as wire.TLS.Pins has it.
func Pin(c *tls.Config) string {
	sum := sha256.Sum256(c.Certificates[0].Certificate[0])
	return hex.EncodeToString(sum[:])
}
