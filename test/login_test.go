//go:build interop

package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailretr/fetch/oauthtest"
	"mailretr/test/real"
)

// TestLogins logs in to Dovecot by each mechanism, by POP3 and IMAP; by auto it is the strongest.
func TestLogins(t *testing.T) {
	d := real.StartDovecotAs(t, real.Setup{Extra: "auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256\n"})
	l := newLedger(t)
	sink := real.StartSink(t, false, l.take)
	method := map[string]string{"auto": "SCRAM-SHA-256", "password": "PLAIN", "plain": "PLAIN", "login": "LOGIN",
		"cram-md5": "CRAM-MD5", "scram-sha-1": "SCRAM-SHA-1", "scram-sha-256": "SCRAM-SHA-256"}
	var drops strings.Builder
	n := int64(0)
	for protocol, port := range map[string]int{"pop3s": d.POP3S, "imaps": d.IMAPS, "pop3": d.POP3, "imap": d.IMAP} {
		for auth := range method {
			user := protocol + "-" + auth
			d.Put(user, []byte(text(uint64(n), "small", 500)))
			fmt.Fprintf(&drops, "  - {name: %[1]s, url: \"%[2]s://%[1]s@localhost:%[3]d\", auth: %[4]s, tls: {ca: %[5]s}, "+
				"password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: delete}\n", user, protocol, port, auth, d.CAFile)
			n++
		}
	}
	p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
maildrops:
%s`, sink.Port, drops.String()))
	if out, talk, code := p.run("poll"); code != 0 {
		t.Fatalf("%d %s%s", code, out, talk)
	}
	sink.Until(t, n, time.Minute)
	for protocol := range map[string]bool{"pop3s": true, "imaps": true, "pop3": true, "imap": true} {
		for auth, want := range method {
			user := protocol + "-" + auth
			if auth == "login" && strings.HasPrefix(protocol, "imap") {
				want = "PLAIN" // the LOGIN command; Dovecot takes it for that
			}
			if !strings.Contains(d.Log(), "Login: user=<"+user+">, method="+want+",") {
				t.Errorf("%s did not log in by %s", user, want)
			}
			if left := d.Count(user); left != 0 {
				t.Errorf("%s: %d messages are left", user, left)
			}
		}
	}
	if t.Failed() {
		t.Log(d.Log())
	}
}

// oauthDovecot is a Dovecot that asks a provider whose an access token is.
func oauthDovecot(t *testing.T, provider *oauthtest.Server) *real.Dovecot {
	dir, err := os.MkdirTemp("", "dovecot-oauth") // one that Dovecot's own user can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "oauth2.conf")
	conf := fmt.Sprintf("introspection_url = %s\nintrospection_mode = post\nusername_attribute = username\n"+
		"active_attribute = active\nactive_value = true\nforce_introspection = yes\n", provider.IntrospectionURL())
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir, 0o755)
	return real.StartDovecotAs(t, real.Setup{Extra: fmt.Sprintf("auth_mechanisms = plain login oauthbearer xoauth2\n"+
		"passdb {\n  driver = oauth2\n  mechanisms = oauthbearer xoauth2\n  args = %s\n}\n", file)})
}

// TestTokens: `mailretr login` through a running daemon, by the device flow, and then mail comes by POP3 and by IMAP, by
// both mechanisms, from a Dovecot that asks the provider. When the provider withdraws the consent, the status says so.
func TestTokens(t *testing.T) {
	provider := oauthtest.New(t)
	d := oauthDovecot(t, provider)
	l := newLedger(t)
	sink := real.StartSink(t, false, l.take)
	for i := range 2 {
		d.Put("jaco", []byte(text(uint64(i), "small", 500)))
	}
	conf := func(auth string) string {
		return fmt.Sprintf(`
poll: 1s
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
oauth:
  ours: {client_id: %s, client_secret: {file: @DIR@/client}, token_url: "%s", device_url: "%s", scopes: [%s]}
maildrops:
  - {name: pop, url: "pop3s://jaco@localhost:%d", auth: %[7]s, tls: {ca: %[8]s}, oauth: ours, to: jaco@kroon.co.za}
  - {name: imap, url: "imaps://jaco@localhost:%[9]d", auth: %[7]s, tls: {ca: %[8]s}, oauth: ours, to: jaco@kroon.co.za}
`, sink.Port, oauthtest.ClientID, provider.TokenURL(), provider.DeviceURL(), strings.Join(oauthtest.Scopes, ", "),
			d.POP3S, auth, d.CAFile, d.IMAPS)
	}
	p := newProgram(t, conf("auto"))
	if err := os.WriteFile(filepath.Join(p.dir, "client"), []byte(oauthtest.ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.serve()
	eventually(t, time.Minute, "a daemon that wants somebody to sign in", func() bool {
		return strings.Count(p.logged(), "nobody has signed in yet") >= 2
	})
	p.signIn(provider, "pop")
	sink.Until(t, 4, time.Minute)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pop3-login: Info: Login: user=<jaco>, method=OAUTHBEARER",
		"imap-login: Info: Login: user=<jaco>, method=OAUTHBEARER"} {
		if !strings.Contains(d.Log(), want) {
			t.Errorf("no %q in %s", want, d.Log())
		}
	}
	p.configure(conf("xoauth2"))
	d.Put("jaco", []byte(text(2, "small", 500)))
	if out, talk, code := p.run("poll"); code != 0 {
		t.Fatalf("%d %s%s", code, out, talk)
	}
	sink.Until(t, 6, time.Minute)
	for _, want := range []string{"pop3-login: Info: Login: user=<jaco>, method=XOAUTH2",
		"imap-login: Info: Login: user=<jaco>, method=XOAUTH2"} {
		if !strings.Contains(d.Log(), want) {
			t.Errorf("no %q in %s", want, d.Log())
		}
	}
	if n := provider.Count(oauthtest.TokenPath); n > 4 {
		t.Errorf("%d tokens were asked for", n)
	}
	p.withdrawn(provider)
}

// signIn runs `mailretr login` and enters its code.
func (p *program) signIn(provider *oauthtest.Server, name string) {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(path, "--config", p.conf, "login", "--json", name)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var step struct {
			Code string
			Done bool
		}
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			p.t.Fatal(err)
		}
		if step.Code != "" {
			if err := provider.Enter(step.Code, true); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		p.t.Fatal(err)
	}
}

// withdrawn has the provider refuse the refresh token, and Dovecot the access token with it.
func (p *program) withdrawn(provider *oauthtest.Server) {
	p.t.Helper()
	provider.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/tokeninfo" {
			fmt.Fprint(w, `{"active":false}`)
			return true
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Token has been revoked."}`)
		return true
	})
	// The first session may find a token that was good for a while: then it is doubted, and the next visit asks.
	for range 2 {
		p.run("poll", "imap")
	}
	out, _, code := p.run("poll", "imap")
	if code != 77 || !strings.Contains(out, "mailretr login") {
		p.t.Errorf("%d %s", code, out)
	}
	out, _, _ = p.run("status", "-v")
	if !strings.Contains(out, "mailretr login") {
		p.t.Errorf("status: %s", out)
	}
}
