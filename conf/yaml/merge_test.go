package yaml

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailretr/conf"
)

func TestConfD(t *testing.T) {
	dir := t.TempDir()
	c, problems, err := loadIn(t, dir, map[string]string{
		"mailretr.yaml": head + "sources: [{yaml: more.yaml}]\n" + drop,
		"more.yaml":     "log: {level: debug}\n" + strings.ReplaceAll(drop, "a,", "m,"),
		"conf.d/20.yaml": "queue: {expire: 3d}\ndeliver: {office: {smtp: \"mx.example.org:587\"}}\n" +
			strings.NewReplacer("name: a", "name: b", "//a@", "//b@", "to: ", "deliver: office, to: ").Replace(drop),
		"conf.d/10.yaml":  "queue: {warn: 0}\n",
		"conf.d/ignored":  "nonsense",
		"conf.d/.x.yaml~": "nonsense",
	})
	// more.yaml names the same account as the file; that is told, and the rest goes on.
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Text, "the same account") {
		t.Fatal(err, said(dir, problems))
	}
	if len(c.Maildrops) != 2 || c.Maildrops[1].Deliver != "office" || c.Maildrops[0].Deliver != "default" {
		t.Errorf("%+v", c.Maildrops)
	}
	if c.Deliver[1].TLS.Mode != conf.ModeStartTLS || c.Log.Level != "debug" || c.Queue.Expire.Hours() != 72 {
		t.Errorf("%+v %+v %+v", c.Deliver, c.Log, c.Queue)
	}
	if len(c.Bad) != 1 || c.Bad[0].Name != "m" {
		t.Errorf("%+v", c.Bad)
	}
	if got := len(Files(paths(dir), &c)); got != 3 {
		t.Errorf("%d files are watched", got)
	}
}

func TestSourceTwice(t *testing.T) {
	_, problems, err := load(t, map[string]string{
		"mailretr.yaml": head + drop + "sources: [{yaml: mailretr.yaml}, {yaml: gone.yaml}]\n",
	})
	got := said("", problems)
	if err == nil || !strings.Contains(got, "is read twice") || !strings.Contains(got,
		"gone.yaml: no such file") {
		t.Error(err, got)
	}
}

func TestMissingFile(t *testing.T) {
	if _, _, err := load(t, nil); err == nil || !strings.Contains(err.Error(), "mailretr.yaml") {
		t.Error(err)
	}
}

func TestDestinations(t *testing.T) {
	c, problems, err := load(t, map[string]string{"mailretr.yaml": strings.Replace(head,
		`{smtp: "localhost:25"}`, `
  local: {lmtp: "unix:/run/dovecot/lmtp", tls: none}
  isp: {smtp: "smtp.isp.example:465", user: me, password: {env: P}, tls: {pin: `+strings.Repeat("ab", 32)+`}}
  mx: {smtp: mx.example.org, retry: [1m, 2m], expire: 1d, hello: "[192.0.2.1]"}
  box: {maildir: box}`, 1) + drop})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	type brief struct {
		Kind, Network, Address string
		Mode                   conf.Mode
	}
	var got []brief
	for _, d := range c.Deliver {
		got = append(got, brief{d.Kind, d.Network, d.Address[strings.LastIndexByte(d.Address, '/')+1:], d.TLS.Mode})
	}
	want := []brief{
		{"lmtp", "unix", "lmtp", conf.ModeNone}, {"smtp", "tcp", "smtp.isp.example:465", conf.ModeImplicit},
		{"smtp", "tcp", "mx.example.org:25", conf.ModeStartTLS}, {"maildir", "", "box", conf.ModeStartTLS},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestWriteRoundTrip: what Write and Show write is read again as the same configuration.
func TestWriteRoundTrip(t *testing.T) {
	c := conf.Default()
	c.Hostname = "mail.example.org"
	d := conf.DefaultDestination()
	d.Kind = "smtp"
	if err := d.SetAddress("localhost:25"); err != nil {
		t.Fatal(err)
	}
	c.Deliver = []conf.Destination{d}
	c.Bounce.FromName, c.Bounce.From, c.Bounce.Postmaster = `Mail, "the" System`, "m@example.org", "p@example.org"
	c.Bounce.Policy = conf.Policy{{Code: "5.7.*", Fate: conf.FateKeep}, {Code: "550", Fate: conf.FateDiscard}}
	c.Bounce.Hourly, c.Bounce.ExpireTo = 5, "rescue@example.org"
	c.Queue.Warn = 4 * time.Hour
	c.Queue.Hold = []conf.HoldRule{{Above: 50 << 20, Sender: "*@x.example"}, {Maildrop: "a"}}
	m := conf.DefaultMaildrop()
	m.Name = "a"
	if err := m.SetURL("pop3://a%3Ab%25@c@[::1]:1110"); err != nil {
		t.Fatal(err)
	}
	m.Password = conf.SecretCommand("pass", "a b", "no")
	m.To = []string{"a@example.org"}
	m.First, m.After = conf.First{Mode: conf.FirstNew}, conf.After{Act: conf.Delete}
	m.TLS.Mode = conf.ModeNone
	c.Maildrops = []*conf.Maildrop{&m}

	var b bytes.Buffer
	if err := Write(&b, &c); err != nil {
		t.Fatal(err)
	}
	want := `hostname: mail.example.org
deliver:
  smtp: localhost:25
bounce:
  from: '"Mail, \"the\" System" <m@example.org>'
  postmaster: p@example.org
  hourly: 5
  policy: {5.7.*: keep, "550": discard}
  expire_to: rescue@example.org
queue:
  warn: 4h
  hold: [{above: 50M, sender: '*@x.example'}, {maildrop: a}]
maildrops:
  - name: a
    url: pop3://a%3Ab%25@c@[::1]:1110
    password: {command: [pass, a b, no]}
    tls: none
    to: [a@example.org]
    first: new
    after: delete
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	same(t, b.String(), c)
	for _, origin := range []bool{false, true} {
		b.Reset()
		if err := Show(&b, &c, origin); err != nil {
			t.Fatal(err)
		}
		same(t, b.String(), c)
	}
	c.Maildrops[0].Password = conf.SecretPlain("x")
	if err := Write(&b, &c); err == nil {
		t.Error("a password was written")
	}
}

// same loads a file and compares it with c, places aside.
func same(t *testing.T, text string, c conf.Config) {
	t.Helper()
	got, problems, err := load(t, map[string]string{"mailretr.yaml": text})
	if err != nil {
		t.Fatal(err, problems, text)
	}
	c.Deliver = append([]conf.Destination(nil), c.Deliver...)
	drops := c.Maildrops
	c.Maildrops = nil
	for _, m := range drops { // what is made complete is a copy
		own := *m
		c.Maildrops = append(c.Maildrops, &own)
	}
	c.Complete(paths("/d"))
	opt := cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().Type() == reflect.TypeFor[conf.Where]() || p.Last().String() == ".index"
	},
		cmp.Ignore())
	if d := cmp.Diff(c, got, opt); d != "" {
		t.Error(d)
	}
}

func TestShowOrigin(t *testing.T) {
	c, _, err := load(t, map[string]string{"mailretr.yaml": head + drop})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Show(&b, &c, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"hostname: mail.example.org # /", "mailretr.yaml:1:11", "poll: 5m # default"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// A destination that somebody has put together by its kind alone is written, and not the end of the process.
func TestWriteWithoutASection(t *testing.T) {
	for kind, want := range map[string]string{"maildir": "  maildir: /srv/{local}\n", "mbox": "  mbox: /srv/{local}\n",
		"command": "  command: [/bin/true]\n", "imap": ""} {
		c := conf.Default()
		d := conf.DefaultDestination()
		d.Kind, d.Address, d.Local, d.IMAP = kind, "/srv/{local}", nil, nil
		if kind == "command" {
			d.Address, d.Command = "", []string{"/bin/true"}
		}
		c.Deliver = []conf.Destination{d}
		var b bytes.Buffer
		if err := Write(&b, &c); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%s: %v\n%s", kind, err, b.String())
		}
	}
}
