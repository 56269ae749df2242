package wire

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script plays a peer that answers what it is asked: each step reads exactly the octets that it expects.
type step struct{ expect, answer string }

func play(c net.Conn, steps []step) error {
	for _, s := range steps {
		got := make([]byte, len(s.expect))
		if _, err := io.ReadFull(c, got); err != nil {
			return err
		}
		if string(got) != s.expect {
			return errors.New("it was sent " + strings.ToUpper(string(got)))
		}
		if _, err := io.WriteString(c, s.answer); err != nil {
			return err
		}
	}
	return nil
}

// proxied dials through a scripted proxy and returns what came of it.
func proxied(t *testing.T, o Options, steps []step) (*Conn, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	var dialled string
	o.DialContext = func(_ context.Context, _, address string) (net.Conn, error) { dialled = address; return ours, nil }
	played := make(chan error, 1)
	go func() { played <- play(theirs, steps) }()
	c, err := Dial(t.Context(), o)
	if dialled != o.Proxy.Address {
		t.Errorf("dialled %s", dialled)
	}
	t.Cleanup(func() {
		ours.Close()
		if e := <-played; e != nil {
			t.Errorf("the proxy: %v", e)
		}
	})
	return c, err
}

func canary(context.Context) (string, error) { return "canary", nil }

func TestSOCKS5(t *testing.T) {
	meter := &Meter{}
	o := Options{Address: "mail.test:110", TLS: TLS{Mode: Plain}, Meter: meter,
		Proxy: &Proxy{Address: "proxy.test:1080", User: "jaco", Password: canary}}
	c, err := proxied(t, o, []step{
		{"\x05\x02\x00\x02", "\x05\x02"},
		{"\x01\x04jaco\x06canary", "\x01\x00"},
		// The name goes to the proxy as it is: nothing is looked up here.
		{"\x05\x01\x00\x03\x09mail.test\x00\x6e", "\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34+OK ready\r\n"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := c.ReadLine(100); err != nil || string(b) != "+OK ready" {
		t.Fatalf("%q, %v", b, err)
	}
	if up, down := c.Octets(); up != 33 || down != 25 || meter.Up.Load() != up || meter.Down.Load() != down {
		t.Errorf("%d up, %d down: what is said to a proxy crosses the line too", up, down)
	}
}

func TestHTTPProxy(t *testing.T) {
	var log bytes.Buffer
	o := Options{Address: "mail.test:110", TLS: TLS{Mode: Plain},
		Trace: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Proxy: &Proxy{Kind: HTTP, Address: "proxy.test:8080", User: "jaco", Password: canary}}
	secret := base64.StdEncoding.EncodeToString([]byte("jaco:canary"))
	c, err := proxied(t, o, []step{{
		"CONNECT mail.test:110 HTTP/1.1\r\nHost: mail.test:110\r\nProxy-Authorization: Basic " + secret + "\r\n\r\n",
		"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n+OK ready\r\n",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := c.ReadLine(100); err != nil || string(b) != "+OK ready" {
		t.Fatalf("%q, %v", b, err)
	}
	if strings.Contains(log.String(), secret) || strings.Contains(log.String(), "canary") {
		t.Errorf("the trace has the password: %s", log.String())
	}
}

// H3: a proxy that quotes what it was sent shows the password to nobody.
func TestH3_ProxyQuotesThePassword(t *testing.T) {
	sent := base64.StdEncoding.EncodeToString([]byte("jaco:canary"))
	o := Options{Address: "mail.test:110", TLS: TLS{Mode: Plain},
		Proxy: &Proxy{Kind: HTTP, Address: "proxy.test:8080", User: "jaco", Password: canary}}
	for _, answer := range []string{"HTTP/1.1 407 not " + sent + " nor canary\r\n\r\n", "Basic " + sent + " canary?\r\n"} {
		_, err := proxied(t, o, []step{{"CONNECT mail.test:110 HTTP/1.1\r\nHost: mail.test:110\r\n" +
			"Proxy-Authorization: Basic " + sent + "\r\n\r\n", answer}})
		if err == nil || strings.Contains(err.Error(), sent) || strings.Contains(err.Error(), "canary") {
			t.Error(err)
		}
	}
}

func TestProxyRefusesOrIsNone(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	for what, x := range map[string]struct {
		kind          ProxyKind
		answers, says string
	}{
		"SOCKS, wants a login":  {SOCKS5, "\x05\xff", "no acceptable authentication methods"},
		"SOCKS, wrong password": {SOCKS5, "\x05\x02\x01\x01", "authentication failed"},
		"SOCKS, refused":        {SOCKS5, "\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00", "connection refused"},
		"SOCKS, version 4":      {SOCKS5, "\x04\x5a", "version"},
		"SOCKS, ends":           {SOCKS5, "", "EOF"},
		"HTTP, wants a login":   {HTTP, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy said: 407 Proxy"},
		"HTTP, 2000":            {HTTP, "HTTP/1.1 2000 Odd\r\n\r\n", "the proxy said: 2000"},
		"HTTP, escapes":         {HTTP, "HTTP/1.1 500 \x1b[2J\x00\r\n\r\n", `500 \x1b[2J\x00`},
		"HTTP, a mail server":   {HTTP, "+OK \x1b ready\r\n", `it is no HTTP proxy: it said +OK \x1b ready`},
		"HTTP, a long line":     {HTTP, "HTTP/1.1 200 " + long, "longer than"},
		"HTTP, many lines":      {HTTP, "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 200), "more than 100 lines"},
		"HTTP, ends":            {HTTP, "HTTP/1.1 200 OK\r\n", "EOF"},
	} {
		t.Run(what, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			go func() {
				go io.Copy(io.Discard, theirs)
				io.WriteString(theirs, x.answers)
				theirs.Close()
			}()
			c, err := Dial(t.Context(), Options{Address: "mail.test:995", TLS: TLS{Mode: Implicit},
				Proxy:       &Proxy{Kind: x.kind, Address: "proxy.test:1", User: "jaco", Password: canary},
				DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
			if err == nil {
				c.Close()
				t.Fatal("no error")
			}
			var e *Error
			want := "connecting to mail.test:995 through the proxy " + x.kind.String() + "://proxy.test:1: "
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), x.says) ||
				e.TLS() || e.Protocol() || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestR4_SilentProxy(t *testing.T) {
	for _, kind := range []ProxyKind{SOCKS5, HTTP} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			began := time.Now()
			_, err := Dial(t.Context(), Options{Address: "mail.test:995", Proxy: &Proxy{Kind: kind, Address: "proxy.test:1"},
				DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
			if d := time.Since(began); err == nil || d != 30*time.Second || !strings.Contains(err.Error(), "not done within 30s") {
				t.Errorf("%v: %v after %v", kind, err, d)
			}
			theirs.Close()
		})
	}
}

func TestR2_InjectedBehindTheAnswerOfAProxy(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() {
		bufio.NewReader(theirs).ReadString('\n')
		go io.Copy(io.Discard, theirs)
		io.WriteString(theirs, "HTTP/1.1 200 OK\r\n\r\n+OK evil\r\n")
	}()
	_, err := Dial(t.Context(), Options{Address: "mail.test:995", TLS: TLS{Mode: Implicit},
		Proxy:       &Proxy{Kind: HTTP, Address: "proxy.test:1"},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
	var e *Error
	if !errors.As(err, &e) || !e.TLS() || !strings.Contains(err.Error(), "10 octets came before the handshake") {
		t.Errorf("%v", err)
	}
}

func TestR20_NothingBreaksOutOfARequestToAProxy(t *testing.T) {
	for _, address := range []string{"mail.test\r\nEvil: x:995", "mail test:995", "mail.test", "\x00:995"} {
		for _, kind := range []ProxyKind{SOCKS5, HTTP} {
			ours, theirs := net.Pipe()
			sent := make(chan string, 1)
			go func() { b, _ := io.ReadAll(theirs); sent <- string(b) }()
			_, err := Dial(t.Context(), Options{Address: address, Proxy: &Proxy{Kind: kind, Address: "proxy.test:1"},
				DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
			if err == nil || !strings.Contains(err.Error(), "is no host and port") {
				t.Errorf("%q: %v", address, err)
			}
			if s := <-sent; s != "" {
				t.Errorf("%q: the proxy was sent %q", address, s)
			}
		}
	}
}

// TLS goes through to the server, and it is the server's name that the certificate has to have.
func TestR19_TLSThroughAProxy(t *testing.T) {
	ca := newAuthority(t)
	dial, _ := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					if s, err := r.ReadString('\n'); err != nil || s == "\r\n" {
						break
					}
				}
				server, err := dial(t.Context(), "tcp", "")
				if err != nil {
					return
				}
				defer server.Close()
				io.WriteString(c, "HTTP/1.0 200 go\r\n\r\n")
				go io.Copy(c, server)
				io.Copy(server, r)
			}()
		}
	}()
	for address, ok := range map[string]bool{"mail.test:995": true, "other.test:995": false} {
		_, err := meet(Options{Address: address, TLS: TLS{Mode: Implicit, Roots: ca.pool},
			Proxy: &Proxy{Kind: HTTP, Address: l.Addr().String()}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestSourceAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Dial(t.Context(), Options{Address: l.Addr().String(), TLS: TLS{Mode: Plain}, Source: addr("127.0.0.2")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if from := theirs.RemoteAddr().(*net.TCPAddr).IP.String(); from != "127.0.0.2" {
		t.Errorf("it came from %s", from)
	}
	_, err = Dial(t.Context(), Options{Address: l.Addr().String(), TLS: TLS{Mode: Plain}, Source: addr("192.0.2.1")})
	if err == nil || !strings.Contains(err.Error(), "cannot assign requested address") {
		t.Errorf("an address that is not ours: %v", err)
	}
}
