package yaml

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mailretr/conf"
)

const catchall = `maildrops:
  - name: a
    url: imaps://a@mail.example.org
    password: {env: A}
`

func TestMultidrop(t *testing.T) {
	c, problems, err := load(t, map[string]string{"mailretr.yaml": head + catchall + `    multidrop:
      envelope: [X-Envelope-To, Delivered-To 2, x-original-to all, Received by MX.isp.example, Received 3]
      strip_prefix: [mbox-user-, "kroon-"]
      domains: ["*.Example.org", "@example.net"]
      copies: Received 2
      map:
        info@example.net: [jaco@example.net, anna@example.net]
        "sales@*": anna@example.net
        "*@old.example": "*@example.net"
        "*@*.old.example": jaco@elsewhere.example
`})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	m := *c.Maildrops[0].Multidrop
	m.At = conf.Where{}
	for i := range m.Map {
		if m.Map[i].At.Line != 14+i {
			t.Errorf("%s is at %s", m.Map[i].From, m.Map[i].At)
		}
		m.Map[i].At = conf.Pos{}
	}
	if d := cmp.Diff(conf.Multidrop{
		Envelope: []conf.Envelope{{Field: "X-Envelope-To"}, {Field: "Delivered-To", Nth: 2},
			{Field: "x-original-to", All: true}, {Field: "Received", By: "mx.isp.example"}, {Field: "Received", Nth: 3}},
		StripPrefix: []string{"mbox-user-", "kroon-"},
		Domains:     []string{"*.example.org", "example.net"},
		Map: []conf.Alias{
			{From: "info@example.net", To: []string{"jaco@example.net", "anna@example.net"}},
			{From: "sales@*", To: []string{"anna@example.net"}},
			{From: "*@old.example", To: []string{"*@example.net"}},
			{From: "*@*.old.example", To: []string{"jaco@elsewhere.example"}},
		},
		Copies: conf.Envelope{Field: "Received", Nth: 2},
	}, m); d != "" {
		t.Error(d)
	}
	// What is shown can be read again, and is the same.
	var one, two bytes.Buffer
	if err := Show(&one, &c, false); err != nil {
		t.Fatal(err)
	}
	again, problems, err := load(t, map[string]string{"mailretr.yaml": one.String()})
	if err != nil || len(problems) != 0 {
		t.Fatalf("%v %v\n%s", err, problems, one.String())
	}
	if err := Show(&two, &again, false); err != nil || one.String() != two.String() {
		t.Errorf("%v\n%s", err, cmp.Diff(one.String(), two.String()))
	}
	if again.Maildrops[0].Fingerprint() != c.Maildrops[0].Fingerprint() {
		t.Error("the fingerprint depends on how it is written")
	}
}

// TestMapFile: more of the map stands in a file, which is read with the configuration.
func TestMapFile(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{
		"mailretr.yaml": head + catchall + "    multidrop: {envelope: X-To, domains: [example.org], " +
			"map: {info@example.org: jaco@example.org, file: who/map}}\n",
		"who/map!": "# a comment\n\nsales@* anna@example.org, jaco@example.org # and more\n\tboss@example.org\n" +
			"*@old.example:\t*@example.org\r\n#x@example.org y@example.org\na#b@example.org c#d@example.org",
	}
	c, problems, err := loadIn(t, dir, files)
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	m := c.Maildrops[0].Multidrop
	file := filepath.Join(dir, "who/map")
	at := func(line int) conf.Pos { return conf.Pos{File: file, Line: line, Column: 1} }
	if d := cmp.Diff([]conf.Alias{
		{At: m.Map[0].At, From: "info@example.org", To: []string{"jaco@example.org"}},
		{At: at(3), From: "sales@*", To: []string{"anna@example.org", "jaco@example.org", "boss@example.org"}},
		{At: at(5), From: "*@old.example", To: []string{"*@example.org"}},
		{At: at(7), From: "a#b@example.org", To: []string{"c#d@example.org"}},
	}, m.Map); d != "" {
		t.Error(d)
	}
	if list := Files(paths(dir), &c); !slices.Contains(list, file) {
		t.Errorf("a change of it would not be seen: %v", list)
	}
	var shown bytes.Buffer
	if err := Show(&shown, &c, false); err != nil || strings.Contains(shown.String(), "sales@") ||
		!strings.Contains(shown.String(), "file: "+file) {
		t.Errorf("%v\n%s", err, shown.String())
	}
	before := c.Maildrops[0].Fingerprint()
	files["who/map"] = strings.Replace(files["who/map!"], "anna", "anne", 1)
	delete(files, "who/map!")
	c, problems, err = loadIn(t, dir, files)
	if err != nil || len(problems) != 0 || c.Maildrops[0].Fingerprint() == before {
		t.Errorf("a change is none: %v %v", err, problems)
	}
}

// What can never be found is worth a word.
func TestMapWithThePrefix(t *testing.T) {
	dir := t.TempDir()
	_, problems, err := loadIn(t, dir, map[string]string{"mailretr.yaml": head + catchall +
		"    multidrop: {envelope: X-To, domains: [a.example], strip_prefix: m-, map: {M-a@a.example: b@a.example, ma@a.example: c@d.example}}\n"})
	const want = `DIR/mailretr.yaml:8:79  warning  map: M-a@a.example is looked for without the prefix "m-"; write the address without it`
	if got := said(dir, problems); err != nil || strings.TrimSpace(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestCopies(t *testing.T) {
	for text, want := range map[string]conf.Envelope{
		"": {Field: "Received"}, ", copies: each": {}, ", copies: Received by MX.example": {Field: "Received", By: "mx.example"},
	} {
		c, problems, err := load(t, map[string]string{"mailretr.yaml": head + catchall +
			"    multidrop: {envelope: X-To, domains: [example.org]" + text + "}\n"})
		if err != nil || len(problems) != 0 || c.Maildrops[0].Multidrop.Copies != want {
			t.Errorf("%s: %+v, %v, %v", text, c.Maildrops, err, problems)
		}
	}
}

// TestMultidropMistakes has for each mistake its place and what to do.
func TestMultidropMistakes(t *testing.T) {
	const ok = "envelope: X-To, domains: [example.org]"
	for _, x := range []struct{ text, want string }{
		{"envelope: [X-To, Delivered-To second], domains: [example.org]",
			`:8:34  error    envelope: "Delivered-To second" is not known; write e.g. X-Envelope-To, Delivered-To 2`},
		{"envelope: Delivered-To 0, domains: [example.org]", `"Delivered-To 0" is not known`},
		{"envelope: X-To by mx.example, domains: [example.org]", "by is of Received only; write X-To alone"},
		{"envelope: Received by mx_1!, domains: [example.org]", `"mx_1!" is no host; write it as Received by mx.isp`},
		{"envelope: Received all, domains: [example.org]", "the sender's word too; write Received, Received 2"},
		{"envelope: [X-To, Cc], domains: [example.org]", ":8:17  error    envelope: Cc does not say who got the message"},
		{"envelope: Delivered-To 101, domains: [example.org]", "101 is out of range; write 0 to 100"},
		{"envelope: 'X-To:', domains: [example.org]", `"X-To:" is no header field; write the name alone`},
		{"domains: [example.org]", "envelope is missing; write the field in which the provider"},
		{"envelope: X-To, domains: ['*example.org']", `domains: "*example.org" is no domain; write it as example.org, or *.`},
		{"envelope: X-To, domains: [*.example.org]", "a value that begins with * or & needs quotes"},
		{ok + ", strip_prefix: [kroon-, 'a@b']", `strip_prefix: "a@b" cannot stand before the at sign; write what`},
		{ok + ", map: {file: none}", `:8:69  error    map: open DIR/none: no such file or directory; name a file that can be read`},
		{ok + ", map: {file: list}", `DIR/list:3:1  error    map: "anna" is no address; write user@example.org`},
		{ok + ", map: {file: latin1}", `DIR/latin1:2:3  error    there is a byte that is not UTF-8; save the file as UTF-8`},
		{ok + ", map: {file: blank}", `DIR/blank:2:2  error    map: this line goes on with one that is not there; begin the line`},
		{ok + ", map: {file: bare}", `DIR/bare:1:1  error    map: nobody gets the mail of a@b.example; write who gets its mail`},
		{ok + ", map: {file: twice}", `DIR/twice:2:1  error    map: A@b.example is already at DIR/twice:1:1`},
		{ok + ", copies: once", `copies: "once" is not known; write each, Received, Received 2, or Received by mx.isp`},
		{ok + ", copies: X-Copy 2", `copies: "X-Copy 2" is not known; write each`},
		{ok + ", copies: Received by a_!", `copies: "a_!" is no host; write it as Received by mx.isp.example`},
		{ok + ", copies: Received 101", `copies: 101 is out of range`},
		{ok + ", nth: 2", `:8:57  error    unknown key "nth"; it belongs into envelope:, as in envelope: Delivered-To 2`},
		{ok + ", map: jaco@example.org", `map: address: address is wanted, not "jaco@example.org"; write map: {`},
		{ok + ", map: {info: a@example.org}", `:8:63  error    map: "info" is no address; write user@example.org, user@*`},
		{ok + ", map: {'*@*': a@example.org}", `map: "*@*" is no address`},
		{ok + ", map: {a@b.example: c}", `:8:63  error    map: a@b.example: "c" is no mail address; write it as user@`},
		{ok + ", map: {a@b.example: '*@c.example'}", `only *@domain can stand for *@c.example; write the whole address`},
		{ok + ", map: {a@b.example: }", `map: is empty; write a value, or remove the key`},
		{ok + ", map: {a@b.example: []}", `nobody gets the mail of a@b.example; write who gets its mail`},
		{ok + ", map: {a@b.example: c@d.example, A@b.example: e@f.example}",
			":8:89  error    map: A@b.example is already at DIR/mailretr.yaml:8:63; write it once, with a list"},
		{ok + ", map: {\"a\\n@b.example\": c@d.example}", "map: has a control character (U+000A) inside"},
	} {
		dir := t.TempDir()
		text := head + catchall + "    multidrop: {" + x.text + "}\n"
		_, problems, _ := loadIn(t, dir, map[string]string{
			"mailretr.yaml": text, "list": "# who\na@b.example c@d.example\nanna x@d.example\n", "latin1": "# a\n# \xe9\n",
			"blank": "#\n a@b.example\n", "bare": "a@b.example\n", "twice": "a@b.example: x@d.example\nA@b.example y@d.example\n",
		})
		got := said(dir, problems)
		if n, _ := conf.Count(problems); n != 1 || !strings.Contains(got, x.want) {
			t.Errorf("%s:\n%swant %s", x.text, got, x.want)
		}
	}
}
