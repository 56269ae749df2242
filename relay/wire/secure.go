package wire

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// StartTLS flushes, refuses if any octet is buffered behind the server's go-ahead (response injection,
// CVE-2011-0411), and shakes hands. What was learned in plain text is void afterwards: ask for the
// capabilities again. After an error the connection is closed.
func (c *Conn) StartTLS(ctx context.Context) error {
	if err := c.Flush(); err != nil {
		c.Close()
		return err
	}
	if n := c.br.Buffered() + len(c.replay); n > 0 {
		c.Close()
		c.replay = nil
		c.br.Discard(c.br.Buffered()) // nobody shall use it
		return c.insecure(fmt.Errorf("%d octets came before the handshake", n))
	}
	return c.secure(ctx)
}

// secure shakes hands and puts TLS between the line and everything else.
func (c *Conn) secure(ctx context.Context) error {
	config, err := c.opts.TLS.config(c.opts.Address)
	if err != nil {
		c.Close()
		return c.insecure(err)
	}
	limited, stop := c.line.bounded(ctx, or(c.opts.Handshake, 30*time.Second))
	defer stop()
	c.line.in.mode = quiet
	t := tls.Client(c.line, config)
	err = t.HandshakeContext(limited)
	c.line.in.mode = rated
	if err != nil {
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		c.Close()
		return c.insecure(err)
	}
	c.tls, c.top = t, t
	c.Gate(c.gate.kind)
	return nil
}

func (c *Conn) insecure(err error) error {
	if o := (*ours)(nil); errors.As(err, &o) { // the command ended before there was anybody to shake hands with
		return &Error{Doing: c.opts.connecting(), Err: o}
	}
	return &Error{Doing: "securing the connection to " + c.opts.Address, Secure: true, Err: err}
}

// State returns the TLS state; ok is false on a plain connection.
func (c *Conn) State() (s tls.ConnectionState, ok bool) {
	if c.tls == nil {
		return s, false
	}
	return c.tls.ConnectionState(), true
}

// Secure says whether octets are encrypted.
func (c *Conn) Secure() bool { return c.tls != nil }

// config returns the settings for a server at address. The server is judged in VerifyConnection, which the
// library calls for resumed sessions as well.
func (t TLS) config(address string) (*tls.Config, error) {
	name, err := t.name(address)
	if err != nil {
		return nil, err
	}
	roots, err := t.roots()
	if err != nil {
		return nil, err
	}
	pins, err := t.pins()
	if err != nil {
		return nil, err
	}
	judge := func(certs []*x509.Certificate) error { return t.judge(certs, name, roots, pins) }
	config := &tls.Config{
		ServerName: name,
		MinVersion: tls.VersionTLS12,
		// One record for what was gathered, rather than many small ones.
		DynamicRecordSizingDisabled: true,
		InsecureSkipVerify:          true, // verified below
		VerifyConnection:            func(s tls.ConnectionState) error { return judge(s.PeerCertificates) },
	}
	if t.Sessions != nil {
		settings, err := t.settings(address, name, pins)
		if err != nil {
			return nil, err
		}
		cache := &sessionCache{of: t.Sessions, settings: settings, judge: judge}
		config.ClientSessionCache = cache
		config.VerifyConnection = func(s tls.ConnectionState) error {
			err := judge(s.PeerCertificates)
			if err == nil {
				cache.certs = s.PeerCertificates
			}
			return err
		}
	}
	if t.Classic {
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}
	}
	if t.CertFile != "" {
		own, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// name is what the certificate has to be for.
func (t TLS) name(address string) (string, error) {
	if t.Name != "" {
		return t.Name, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", fmt.Errorf("no name is known for the certificate of %q", address)
	}
	host, _, _ = strings.Cut(host, "%") // the zone of an IPv6 literal
	return host, nil
}

// pins are the accepted digests, in lower case without colons.
func (t TLS) pins() (map[string]bool, error) {
	pins := make(map[string]bool)
	for _, p := range t.Pins {
		s := strings.ToLower(strings.ReplaceAll(p, ":", ""))
		if b, err := hex.DecodeString(s); err != nil || len(b) != sha256.Size {
			return nil, fmt.Errorf("pin %q is not a SHA-256 in hexadecimal", p)
		}
		pins[s] = true
	}
	return pins, nil
}

// Blind says whether any certificate is accepted: then whoever is at the other end may be anybody.
func (t TLS) Blind() bool { return t.Insecure && len(t.Pins) == 0 }

// judge says nil if the server may be trusted. RFC 9525 for names: only those of the subjectAltName count.
func (t TLS) judge(certs []*x509.Certificate, name string, roots *x509.CertPool, pins map[string]bool) error {
	if len(certs) == 0 {
		return errors.New("the server has no certificate")
	}
	sum := sha256.Sum256(certs[0].Raw)
	digest := hex.EncodeToString(sum[:])
	switch {
	case len(pins) > 0 && pins[digest], t.Blind():
		return nil
	case len(pins) > 0:
		return fmt.Errorf("the certificate is not the pinned one: its SHA-256 is %s", digest)
	}
	o := x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range certs[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := certs[0].Verify(o); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certs,
			Err: fmt.Errorf("%w (the certificate's SHA-256, for a pin if it is yours: %s)", err, digest)}
	}
	return nil
}
