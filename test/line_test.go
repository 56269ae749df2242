//go:build interop

package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailretr/test/real"
)

// TestEmptyPollByTLS counts what polls of an empty maildrop cost by TLS, each in a process of its own: TLS
// sessions are resumed across restarts.
func TestEmptyPollByTLS(t *testing.T) {
	d := real.StartDovecot(t)
	d.User("jaco")
	for protocol, x := range map[string]struct {
		port int
		most int64
	}{"pop3s": {d.POP3S, 2839 / 2}, "imaps": {d.IMAPS, 2500}} { // fetchmail by POP3 needs 2,839
		t.Run(protocol, func(t *testing.T) {
			line := real.StartLine(t, x.port, 0)
			p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:1"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: "%s://jaco@localhost:%d", tls: {ca: %s}, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, check: off}
`, protocol, line.Port, d.CAFile))
			var cost []string
			var last int64
			for range 4 {
				up, down := line.Up.Load(), line.Down.Load()
				if out, talk, code := p.run("poll"); code != 0 {
					t.Fatalf("%d %s%s", code, out, talk)
				}
				up, down = line.Up.Load()-up, line.Down.Load()-down
				last = up + down
				cost = append(cost, fmt.Sprintf("%d + %d = %d", up, down, last))
			}
			t.Logf("octets up and down: %s", strings.Join(cost, "; "))
			if last > x.most {
				t.Errorf("an empty poll costs %d octets, at most %d are wanted", last, x.most)
			}
		})
	}
}

// TestProxies collects through a SOCKS5 and an HTTP proxy, by TLS, and is told where they refuse.
func TestProxies(t *testing.T) {
	d := real.StartDovecot(t)
	socks := real.StartSOCKS(t, "kroon", "secret")
	http := real.StartHTTPProxy(t, "kroon", "secret", d.POP3S, d.IMAPS)
	for _, x := range []struct {
		name, proxy, url, wrong string
	}{
		{"socks5 pop3s", fmt.Sprintf("socks5://kroon@127.0.0.1:%d", socks), fmt.Sprintf("pop3s://jaco@localhost:%d", d.POP3S), "authentication failed"},
		{"socks5 imaps", fmt.Sprintf("socks5://kroon@127.0.0.1:%d", socks), fmt.Sprintf("imaps://jaco@localhost:%d", d.IMAPS), "authentication failed"},
		{"http pop3s", fmt.Sprintf("http://kroon@127.0.0.1:%d", http), fmt.Sprintf("pop3s://jaco@localhost:%d", d.POP3S), "the proxy said: 401"},
		{"http imaps", fmt.Sprintf("http://kroon@127.0.0.1:%d", http), fmt.Sprintf("imaps://jaco@localhost:%d", d.IMAPS), "the proxy said: 401"},
	} {
		t.Run(x.name, func(t *testing.T) {
			l := newLedger(t)
			sink := real.StartSink(t, false, l.take)
			d.Empty("jaco")
			p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
line: {proxy: {url: "%s", password: {file: @DIR@/proxy}}}
maildrops:
  - {name: jaco, url: "%s", tls: {ca: %s}, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: delete}
`, sink.Port, x.proxy, x.url, d.CAFile))
			password := func(s string) {
				if err := os.WriteFile(filepath.Join(p.dir, "proxy"), []byte(s+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			l.fillMore(d, "jaco", 20, 7)
			password("canary")
			out, talk, code := p.run("poll")
			if code != 75 || !strings.Contains(out, x.wrong) || !strings.Contains(out, "through the proxy "+strings.Split(x.proxy, "kroon@")[0]) {
				t.Errorf("with the wrong password: %d %s%s", code, out, talk)
			}
			if strings.Contains(out+talk, "canary") {
				t.Errorf("the password is shown: %s%s", out, talk)
			}
			password("secret")
			if out, talk, code := p.run("poll"); code != 0 {
				t.Fatalf("%d %s%s", code, out, talk)
			}
			eventually(t, time.Minute, "all messages at the MTA", func() bool { return l.missing() == 0 })
			if n := d.Count("jaco"); n != 0 {
				t.Errorf("%d are left", n)
			}
			l.judge(0)
		})
	}
}
