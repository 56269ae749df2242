package smtpd

import (
	"crypto/tls"
	"os"
	"sync"
)

// A Certificate is a pair of PEM files, read again when one of them has changed; while they do not fit
// together, the pair of before goes on. Safe for concurrent use.
type Certificate struct {
	cert, key string

	mu    sync.Mutex
	stamp [2]stamp
	pair  *tls.Certificate
}

// NewCertificate reads the files.
func NewCertificate(cert, key string) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key}
	_, err := c.Get(nil)
	return c, err
}

// Get is tls.Config.GetCertificate.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var now [2]stamp
	for i, path := range []string{c.cert, c.key} {
		if fi, err := os.Stat(path); err == nil {
			now[i] = stamp{fi.ModTime(), fi.Size()}
		} else if c.pair == nil {
			return nil, err
		}
	}
	if c.pair != nil && now == c.stamp {
		return c.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	switch {
	case err == nil:
		c.pair, c.stamp = &pair, now
	case c.pair == nil:
		return nil, err
	}
	return c.pair, nil
}
