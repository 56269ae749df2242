package wire

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/proxy"
)

// A Proxy reaches servers for us, and looks up their names: nothing of the server is asked of the resolver
// here.
type Proxy struct {
	Kind     ProxyKind
	Address  string                                // host:port
	User     string                                // "": no login
	Password func(context.Context) (string, error) // asked at each connection; nil: the empty one
}

// A ProxyKind is a protocol to talk to a proxy.
type ProxyKind uint8

const (
	SOCKS5 ProxyKind = iota // RFC 1928, with the login of RFC 1929
	HTTP                    // CONNECT (RFC 9110, 9.3.6), with the login of RFC 7617
)

// String returns the scheme as it stands in a URL.
func (k ProxyKind) String() string {
	if k == HTTP {
		return "http"
	}
	return "socks5"
}

// The head of a proxy's answer is bounded; real ones have some ten lines.
const maxProxyLines = 100

// through has a proxy connect to the server. It takes at most Options.Connect.
func (c *Conn) through(ctx context.Context, p *Proxy) error {
	limited, stop := c.line.bounded(ctx, or(c.opts.Connect, 30*time.Second))
	defer stop()
	defer c.Watch(limited)()
	err := c.ask(limited, p)
	if err == nil && limited.Err() == nil {
		return nil
	}
	if limited.Err() != nil {
		err = context.Cause(limited)
	}
	var own *Error
	if errors.As(err, &own) && own.Doing == "reading" {
		err = own.Err
	}
	return &Error{Doing: c.opts.connecting(), Err: &ours{"proxy", err}}
}

func (c *Conn) ask(ctx context.Context, p *Proxy) error {
	host, _, err := net.SplitHostPort(c.opts.Address)
	if err != nil || strings.ContainsFunc(host, notInAHost) {
		return fmt.Errorf("%q is no host and port", c.opts.Address)
	}
	password := ""
	if p.User != "" && p.Password != nil {
		if password, err = p.Password(ctx); err != nil {
			return err
		}
	}
	if p.Kind == HTTP {
		return c.askHTTP(p.User, password)
	}
	return c.askSOCKS(ctx, p, password)
}

// notInAHost: these would end the line in which the host stands.
func notInAHost(r rune) bool { return r <= ' ' || r == 0x7f }

// askSOCKS talks below the buffer: the library reads exactly what belongs to the proxy's answers, each of
// which has at most 262 octets.
func (c *Conn) askSOCKS(ctx context.Context, p *Proxy, password string) error {
	var login *proxy.Auth
	if p.User != "" {
		login = &proxy.Auth{User: p.User, Password: password}
	}
	d, err := proxy.SOCKS5("tcp", p.Address, login, already{c.line})
	if err != nil {
		return err
	}
	// What it returns is c.line with an address around it.
	_, err = d.(proxy.ContextDialer).DialContext(ctx, "tcp", c.opts.Address)
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = &brief{strings.TrimPrefix(op.Err.Error(), "unknown error "), err}
	}
	return err
}

// already is a dialler of a connection that is there.
type already struct{ net.Conn }

func (a already) Dial(string, string) (net.Conn, error) { return a.Conn, nil }

func (a already) DialContext(context.Context, string, string) (net.Conn, error) { return a.Conn, nil }

// askHTTP reads no octet behind the answer out of the buffer: POP3, IMAP and SMTP servers speak first.
func (c *Conn) askHTTP(user, password string) error {
	fmt.Fprintf(c, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n", c.opts.Address)
	discreet := strings.NewReplacer()
	if user != "" {
		sent := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		c.Hide(user, password)
		c.Mask(true)
		fmt.Fprintf(c, "Proxy-Authorization: Basic %s\r\n", sent)
		c.Mask(false)
		if discreet = strings.NewReplacer(sent, "***"); len(password) >= 4 { // what is very short would only tear words apart
			discreet = strings.NewReplacer(sent, "***", password, "***")
		}
	}
	if _, err := c.Write([]byte("\r\n")); err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return err
	}
	status := ""
	for n := range maxProxyLines {
		b, err := c.ReadLine(MaxLine)
		switch {
		case err != nil:
			return err
		case n == 0:
			status = discreet.Replace(string(b)) // some quote what they refuse
		case len(b) == 0:
			return accepted(status)
		}
		if n == 0 && !strings.HasPrefix(status, "HTTP/1.") {
			return fmt.Errorf("it is no HTTP proxy: it said %s", printable([]byte(status), 80))
		}
	}
	return fmt.Errorf("its answer has more than %d lines", maxProxyLines)
}

// accepted says what a status line means (RFC 9110, 9.3.6: any 2xx).
func accepted(status string) error {
	_, said, _ := strings.Cut(status, " ")
	if len(said) >= 3 && said[0] == '2' && (len(said) == 3 || said[3] == ' ') {
		return nil
	}
	return fmt.Errorf("the proxy said: %s", printable([]byte(said), 200))
}

// bounded is ctx that ends when d has passed, not counting the time in which the line has waited for its
// turn.
func (l *line) bounded(ctx context.Context, d time.Duration) (limited context.Context, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	began, held := time.Now(), l.held.Load()
	late := fmt.Errorf("not done within %v: %w", d, os.ErrDeadlineExceeded)
	var timer *time.Timer
	again := make(chan struct{})
	timer = time.AfterFunc(d, func() {
		<-again
		if left := d + time.Duration(l.held.Load()-held) - time.Since(began); left > 0 {
			timer.Reset(left)
			return
		}
		cancel(late)
	})
	close(again)
	return limited, func() { timer.Stop(); cancel(nil) }
}
