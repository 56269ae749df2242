package yaml

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mailretr/conf"
)

const oneDrop = `maildrops:
  - name: a
    url: imaps://a@mail.example.org
    password: {env: A}
    to: a@example.org
`

func TestLine(t *testing.T) {
	c, problems, err := load(t, map[string]string{"mailretr.yaml": head + oneDrop + `    rate: 8K
    tls: {postquantum: on}
  - name: b
    url: pop3s://b@mail.example.org
    password: {env: A}
    to: b@example.org
    proxy: none
    source: 2001:db8::1
    reach: any
    preconnect: [sh, -c, "true"]
  - name: c
    url: imap://c@mail.example.org
    password: {env: A}
    to: c@example.org
    tls: none
    dial: [cat, -u]
line:
  rate: 64K
  burst: 1M
  source: 192.0.2.1
  proxy: {url: "http://us%3Aer@[::1]:8080", password: {env: CANARY}}
`})
	// %3A in the user of an HTTP proxy is a mistake of its own.
	if err == nil || len(problems) != 1 || !strings.Contains(problems[0].String(), "cannot have a colon") {
		t.Fatal(err, problems)
	}
	want := conf.Line{Cap: conf.Default().Line.Cap, Rate: 64 << 10, Burst: 1 << 20, Source: "192.0.2.1", At: c.Line.At, Proxy: conf.Proxy{
		Kind: "http", Host: "::1", Port: 8080, User: "us:er", Password: conf.SecretEnv("CANARY"), At: c.Line.Proxy.At}}
	if d := cmp.Diff(want, c.Line); d != "" {
		t.Error(d)
	}
	a, b, x := c.Maildrops[0], c.Maildrops[1], c.Maildrops[2]
	if a.Rate != 8<<10 || a.Proxy.URL() != "http://us%3Aer@[::1]:8080" || a.Source != "192.0.2.1" || a.TLS.PostQuantum != conf.On {
		t.Errorf("%+v", a)
	}
	if b.Proxy.Used() || b.Source != "2001:db8::1" || len(b.Preconnect) != 3 || b.TLS.PostQuantum != conf.Auto {
		t.Errorf("%+v", b)
	}
	if x.Proxy.Used() || x.Source != "" || x.Dial[1] != "-u" {
		t.Errorf("%+v", x)
	}
}

// What is shown can be read again, and is the same; no password is shown.
func TestLineIsShown(t *testing.T) {
	c, problems, err := load(t, map[string]string{"mailretr.yaml": head + oneDrop + `    proxy: socks5://proxy.example
  - name: b
    url: pop3s://b@mail.example.org
    password: {env: A}
    to: b@example.org
    tls: {postquantum: off, name: x.example}
    proxy: {url: "socks5://us%3Aer@proxy.example:1", password: canary}
    preconnect: sh
line: {proxy: {url: "http://jaco@proxy.example:8080", password: {command: [cat, x]}}}
`})
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), "stands in the configuration itself") {
		t.Fatal(err, problems)
	}
	var one, two bytes.Buffer
	if err := Show(&one, &c, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(one.String(), "canary") {
		t.Error(one.String())
	}
	again, _, err := load(t, map[string]string{"mailretr.yaml": one.String()})
	if err != nil {
		t.Fatal(err, one.String())
	}
	if err := Show(&two, &again, false); err != nil || one.String() != two.String() {
		t.Errorf("%v\n%s", err, cmp.Diff(one.String(), two.String()))
	}
	if err := Write(&two, &c); err == nil {
		t.Error("a password was written")
	}
}

func TestLineMistakes(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"proxy: socks4://x.example:1", `:8:12  error    proxy: it does not begin with socks5:// or http://; write it as`},
		{"proxy: http://x.example", `proxy: "x.example" has no port`},
		{"proxy: socks5://a:canary@x.example", "proxy: a password does not belong into the url; use proxy: {url"},
		{"proxy: socks5://x.example/path", "nothing may follow the host and port"},
		{"proxy: socks5://x_!.example", `:8:12  error    url: "x_!.example" is no host`},
		{"proxy: {url: socks5://x.example, password: {env: A}}", ":8:38  error    proxy: password without a user; write the user"},
		{"proxy: {password: {env: A}}", "proxy: the url is missing"},
		{"proxy: {uri: x}", `unknown key "uri"; did you mean "url"?`},
		{"source: 0.0.0.0", `:8:13  error    source: "0.0.0.0" is no address to come from; write an IP address`},
		{"source: eth0", `source: "eth0" is no address`},
		{"rate: 100", ":8:11  error    rate: 100 is out of range; write octets, e.g. 64K, at least 512"},
		{"rate: fast", `rate: "fast" is no size`},
		{"dial: []", ":8:5  error    dial: the list is empty; write dial: [program, argument]"},
		{`preconnect: [sh, "a\nb"]`, "preconnect: has a control character (U+000A) inside"},
		{"dial: [sh]\n    proxy: socks5://x.example", "dial excludes proxy and source"},
		{"preconnect: [/nowhere/x]", ":8:5  warning  preconnect: the command cannot be run now"},
		{"reach: inside", `:8:12  error    reach: "inside" is not known; write any or outside`},
		{"reach: outside\n    dial: [cat]", ":8:12  error    reach: excludes proxy, dial and preconnect"},
		{"reach: outside\n    proxy: socks5://x.example", "reach: excludes proxy, dial and preconnect"},
		{"reach: {hosts: [x.example]}", `6:10  error    reach: "mail.example.org" is not among the servers that may be used here; use one of: x.example`},
		{"reach: {hosts: [1.2.3.4, 'mail.example.org']}", ":8:13  error    hosts: 1.2.3.4 is no name"},
		{"reach: {deny: ['*.Example.org.']}", `reach: "mail.example.org" may not be used here`},
		{"reach: {deny: [10.1.2.3/8], allow: [10.0.0.0/8]}", "deny: 10.0.0.0/8 is in allow: too"},
		{"reach: {allow: [a/b]}", `:8:21  error    allow: "a/b" is no server; write mail.example.org`},
		{"reach: {allow: ['::ffff:10.0.0.0/104']}", "is an IPv4 network in the form of IPv6"},
		{"reach: {ports: [143]}", ":6:10  error    reach: port 993 is not allowed, only 143"},
		{"reach: {ports: [0993]}", `ports: "0993" is no port`},
		{"reach: {port: 993}", `unknown key "port"; did you mean "ports"?`},
		{"tls: {postquantum: maybe}", `:8:24  error    postquantum: "maybe" is not known; write auto, on or off`},
		{"to: b@example.org\nline: {burst: 1M}", "burst: there is no rate of which it is an exception"},
		{"to: b@example.org\nline: {proxy: socks5://x y}", "9:15  error    url: \"x y\" is no host"},
	} {
		dir := t.TempDir()
		text := head + strings.TrimSuffix(oneDrop, "    to: a@example.org\n") + "    " + x.text + "\n"
		if !strings.Contains(x.text, "to:") {
			text += "    to: a@example.org\n"
		}
		_, problems, _ := loadIn(t, dir, map[string]string{"mailretr.yaml": text})
		got := said(dir, problems)
		if len(problems) != 1 || !strings.Contains(got, x.want) || strings.Contains(got, "canary") {
			t.Errorf("%s:\n%swant %s", x.text, got, x.want)
		}
	}
}
