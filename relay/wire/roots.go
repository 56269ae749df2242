package wire

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
)

// pools are the certificates of CA files as they were read last: connections with one authority share them, and a
// thousand of those that stay do not hold it a thousand times.
var pools struct {
	sync.Mutex
	byFile map[string]pool // as many as the configuration names
}

// A pool is what a file held. It is not changed once it is there.
type pool struct {
	sum   [sha256.Size]byte
	certs *x509.CertPool
}

// roots are the authorities that are believed; nil: those of the system. The file is read each time, so a new one is
// believed from the next connection on.
func (t TLS) roots() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return t.Roots, nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	sum := sha256.Sum256(pem)
	pools.Lock()
	defer pools.Unlock()
	if p, ok := pools.byFile[t.CAFile]; ok && p.sum == sum {
		return p.certs, nil
	}
	certs := x509.NewCertPool()
	if !certs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate in PEM", t.CAFile)
	}
	if pools.byFile == nil {
		pools.byFile = map[string]pool{}
	}
	pools.byFile[t.CAFile] = pool{sum, certs}
	return certs, nil
}
