package conf

import (
	"strings"
	"testing"
)

// What a row says of its server is looked at before anybody looks it up: forms of addresses that are none here, names that
// are denied, ports. The address is looked at when it is dialled; see relay/wire.
func TestH7_WhatARowMayName(t *testing.T) {
	place := func(s string) Place {
		p, err := ParsePlace(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	outside := Reach{}
	some := Reach{Hosts: []Place{place("*.isp.example"), place("Mail.Other.example.")}, Deny: []Place{place("bad.isp.example")},
		Ports: []int{993, 1143}}
	for _, x := range []struct {
		reach      Reach
		host, port string
		want       string
	}{
		{outside, "mail.isp.example", "", ""},
		{outside, "2130706433", "", `"2130706433" is neither a name nor an address`},
		{outside, "0x7f000001", "", "is neither a name nor an address"},
		{outside, "0177.0.0.1", "", "is neither a name nor an address"},
		{outside, "127.1", "", "is neither a name nor an address"},
		{outside, "0x7f.1.", "", "is neither a name nor an address"},
		{outside, "mail.isp.example", "25", "reach: port 25 is not allowed, only 110, 143, 993, 995"},
		{outside, "mail.isp.example", "6379", "port 6379 is not allowed"},
		{some, "pop.isp.example", "", ""},
		{some, "POP.ISP.example.", "1143", ""},
		{some, "mail.other.example", "", ""},
		{some, "isp.example", "", `"isp.example" is not among the servers that may be used here; use one of: *.isp.example, mail.other.example`},
		{some, "evilisp.example", "", "is not among the servers"},
		{some, "198.51.100.7", "", "is not among the servers"},
		{some, "bad.isp.example", "", `"bad.isp.example" may not be used here`},
		{some, "pop.isp.example", "143", "port 143 is not allowed, only 993, 1143"},
		{Reach{Any: true}, "0x7f.1", "25", ""},
	} {
		s := panelSource()
		s.Reach = x.reach
		r := row("1", "host", x.host, "port", x.port, "tls", "implicit")
		_, problems := base().With(t.Context(), []Set{{Source: s, Rows: []*Row{r}}})
		var text []string
		for _, p := range problems {
			text = append(text, p.String())
		}
		got := strings.Join(text, "\n")
		if x.want == "" && got != "" || !strings.Contains(got, x.want) {
			t.Errorf("%s %s: %s; want %s", x.host, x.port, got, x.want)
		}
		if x.want != "" && !strings.Contains(got, "panel row 1, column ") {
			t.Errorf("%s names no column", got)
		}
	}
}

// A row is data: nothing in it names a file, a command, a variable or a proxy.
func TestH7_ARowIsData(t *testing.T) {
	for _, password := range []string{"{file}/etc/passwd", "{command}id", "{env}HOME", "{credential}x", "`id`", "$(id)", "file:/etc/passwd",
		"command: [id]"} {
		m, problems := panelSource().Maildrop(row("1", "password", password), nil)
		kind, _ := m.Password.Form()
		if got, err := m.Password.Resolve(t.Context()); got != password || kind != "plain" || err != nil {
			t.Errorf("%q is %s %q, %v, %v", password, kind, got, err, problems)
		}
	}
	r := row("1")
	for _, column := range []string{"proxy", "dial", "preconnect", "oauth", "reach", "trace", "source", "multidrop", "after", "check"} {
		r.Set(column, "any") // a reader refuses such a column; here nobody looks at it
	}
	m, _ := panelSource().Maildrop(r, nil)
	if m.Proxy.Kind != ProxyUnset || len(m.Dial)+len(m.Preconnect) > 0 || m.OAuth != "" || m.Reach == nil || m.Trace || m.Source != "" ||
		m.Multidrop != nil || !m.Check || m.After.Act != Keep {
		t.Errorf("%+v", m)
	}
}

// The line's proxy is ours: rows use it, and wire has it asked for addresses.
func TestRowsUseTheProxyOfTheLine(t *testing.T) {
	c := base()
	c.Line.Proxy = Proxy{Kind: ProxySOCKS5, Host: "proxy.example", Port: 1080}
	all, problems := c.With(t.Context(), []Set{{Source: panelSource(), Rows: []*Row{row("1")}}})
	if len(problems) > 0 || !all.Maildrops[0].Proxy.Used() || all.Maildrops[0].Reach == nil {
		t.Errorf("%v", problems)
	}
}
