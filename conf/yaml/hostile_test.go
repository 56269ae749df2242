package yaml

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mailretr/conf"
)

// TestH10_Values is about values that mean something else in other versions of YAML.
func TestH10_Values(t *testing.T) {
	c, problems, err := load(t, map[string]string{"mailretr.yaml": head + `maildrops:
  - name: no
    url: pop3s://mail.example.org
    user: 012
    password: {command: [echo, 1_000]}
    to: 0x10@example.org
    check: off
    enabled: yes
    poll: 90m
`})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	m := c.Maildrops[0]
	if m.Name != "no" || m.User != "012" || m.To[0] != "0x10@example.org" || m.Check || !m.Enabled {
		t.Errorf("%+v", m)
	}
	if s, err := m.Password.Resolve(t.Context()); s != "1_000" || err != nil {
		t.Errorf("password %q, %v", s, err)
	}
}

func TestH10_Mistakes(t *testing.T) {
	deep := strings.Repeat("[", 20000)
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+p+",", 9) + "]\n"
	}
	for name, x := range map[string]struct{ text, want string }{
		"duplicate key":   {head + "poll: 5m\npoll: 6m\n", "poll is already at DIR/mailretr.yaml:4:7"},
		"same hostname":   {head + "hostname: b.example.org\n", "hostname is already at"},
		"alias bomb":      {head + bomb, `unknown key "a"`},
		"bomb as value":   {head + bomb + "maildrops: *j\n", "a maildrop is wanted here, not a list"},
		"alias of itself": {head + "maildrops: &m [*m]\n", "a maildrop is wanted here, not a list"},
		"unknown anchor":  {head + "poll: *hunter2\n", "a value that begins with * needs quotes"},
		"deep":            {head + "maildrops: " + deep, "not YAML"},
		"tab":             {head + "limits:\n\tlarge: 2\n", "DIR/mailretr.yaml:5:1  error    this is not YAML"},
		"NUL":             {head + "poll: \"5m\\0\"\n", "is no duration"},
		"NUL in name": {head + strings.Replace(drop, "name: a", `name: "a\0"`, 1),
			"control character (U+0000)"},
		"raw NUL":        {head + "poll: 5\x00m\n", "not YAML"},
		"list on top":    {"- a\n", "settings are wanted here, not a list"},
		"text on top":    {"hello\n", `settings are wanted here, not "hello"`},
		"empty value":    {head + "poll:\n", "poll: is empty"},
		"null":           {head + "poll: ~\n", "poll: is empty"},
		"binary tag":     {head + "poll: !!binary NW0=\n", "begins with ! is a tag"},
		"complex key":    {head + "? [a, b]\n: c\n", "cannot be a key"},
		"merge key":      {head + "<<: {poll: 5m}\n", "write the settings out"},
		"negative":       {head + "limits: {large: -1}\n", "-1 is out of range; write 1 to 1000"},
		"huge":           {head + "queue: {reserve: 99999999999999999999G}\n", "is no size"},
		"too large":      {head + "queue: {reserve: 9999999999T}\n", "is too large"},
		"float":          {head + "limits: {large: 1e3}\n", "is not a number"},
		"sexagesimal":    {head + "limits: {large: 1:30}\n", "is not a number"},
		"empty":          {"", "hostname is missing"},
		"only a comment": {"# nothing\n", "deliver is missing"},
		"too many marks": {head + "maildrops: [" + strings.Repeat("[],", 300000) + "]", "more than 100000 of"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, problems, err := loadIn(t, dir, map[string]string{"mailretr.yaml": x.text})
			if got := said(dir, problems); !strings.Contains(got, x.want) {
				t.Errorf("want %q, got %v:\n%s", x.want, err, got)
			}
			for _, p := range problems {
				if p.Pos.File == "" {
					t.Errorf("no place: %s", p)
				}
				if strings.Contains(p.Text+p.Hint, "hunter2") {
					t.Errorf("shows what may be a password: %s", p)
				}
			}
		})
	}
}

// TestH10_Size: what is too large is not read, and the largest hostile file that is read takes at most 192 MB in all, of
// which it has some 50 at once.
func TestH10_Size(t *testing.T) {
	if _, _, err := load(t, map[string]string{"mailretr.yaml": strings.Repeat("#\n", MaxFile)}); err == nil ||
		!strings.Contains(err.Error(), "larger than 1M") {
		t.Error(err)
	}
	const most = 192 << 20
	one := `{name: a, url: "imap://a@h", password: {env: A}, to: b@c}`
	text := head + "x: &x " + one + "\nmaildrops: [" + strings.Repeat("*x,", maxMarks/2-50) + "]\n"
	if cost := costOf(func() { load(t, map[string]string{"mailretr.yaml": text}) }); cost > most {
		t.Errorf("%d maildrops by alias take %d MB", maxMarks/2, cost>>20)
	}
	text = head + "maildrops: [" + strings.Repeat("[],", maxMarks/3-50) + "]\n"
	if cost := costOf(func() { load(t, map[string]string{"mailretr.yaml": text}) }); cost > most {
		t.Errorf("%d lists take %d MB", maxMarks/3, cost>>20)
	}
}

// TestH3_PasswordsAreNotShown writes a password where a password may come to stand by mistake.
func TestH3_PasswordsAreNotShown(t *testing.T) {
	const canary = "hunter2xyz"
	for _, password := range []string{
		canary, `"` + canary + `\n"`, "{" + canary + "}", "[" + canary + "]", "*" + canary, "!" + canary, "&" +
			canary,
		"{plain: " + canary + "}", "{env: A, " + canary + ": x}", `"` + canary + "\x01\"",
	} {
		text := head + strings.Replace(drop, "{env: A}", password, 1)
		c, problems, err := load(t, map[string]string{"mailretr.yaml": text})
		var b bytes.Buffer
		if len(c.Maildrops) > 0 {
			if err := Show(&b, &c, true); err != nil {
				t.Error(err)
			}
		}
		all := said("", problems) + b.String()
		if err != nil {
			all += err.Error()
		}
		if strings.Contains(all, canary) {
			t.Errorf("password: %s is shown:\n%s", password, all)
		}
	}
	url := head + strings.Replace(drop, "imaps://a@", "imap5://a:"+canary+"@", 1)
	if _, problems, _ := load(t, map[string]string{"mailretr.yaml": url}); strings.Contains(said("", problems),
		canary) {
		t.Error(said("", problems))
	}
}

// TestH2_Modes: a password in the file itself needs a file that others cannot read.
func TestH2_Modes(t *testing.T) {
	plain := head + strings.Replace(drop, "{env: A}", "hunter2", 1)
	c, problems, err := load(t, map[string]string{"mailretr.yaml": plain})
	if err != nil || len(c.Maildrops) != 1 || len(problems) != 1 || problems[0].Severity != conf.Warning {
		t.Errorf("mode 600: %v %v", err, problems)
	}
	c, problems, err = load(t, map[string]string{"mailretr.yaml!": plain})
	if err != nil || len(c.Maildrops) != 0 || len(c.Bad) != 1 || !strings.Contains(said("", problems),
		"mode 0644") {
		t.Errorf("mode 644: %v %v", err, problems)
	}
	dir := t.TempDir()
	file := strings.Replace(drop, "{env: A}", "{file: a.pass}", 1)
	_, problems, _ = loadIn(t, dir, map[string]string{"mailretr.yaml": head + file, "a.pass!": "x\n"})
	if !strings.Contains(said(dir, problems), "everybody can read the password in DIR/a.pass (mode 0644)") {
		t.Error(said(dir, problems))
	}
	if err := os.Chmod(filepath.Join(dir, "mailretr.yaml"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, problems, _ = Load(t.Context(), paths(dir))
	if !strings.Contains(said(dir, problems), "others than its owner may change it") {
		t.Error(said(dir, problems))
	}
}

// FuzzLoad: whatever is in the file, there is an answer, and every problem has a place.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"design.yaml", "describe.yaml", "broken/mailretr.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(head + "maildrops: &m [*m, {name: x, <<: *m}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := &loader{cfg: conf.Default(), wrong: make(map[conf.Pos]bool), elsewhere: places()}
		l.cfg.At.Self.File = "f"
		d := &decoder{loader: l, file: "f", mode: 0o600, budget: maxMarks}
		if root := d.parse(text); root != nil {
			section(d, root, top, &l.cfg, &l.cfg.At)
		}
		l.cfg.Complete(paths("/d"))
		for _, p := range append(l.problems, l.cfg.Validate()...) {
			if p.Pos.File == "" || strings.Contains(p.String(), "\n") {
				t.Errorf("%#v", p)
			}
		}
	})
}

// costOf returns how many octets f takes from the heap, all together: more than it ever has at once, however seldom the
// collector runs, and the same on a machine that is busy.
func costOf(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
