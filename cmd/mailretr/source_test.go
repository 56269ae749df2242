package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mailretr/conf"
	"mailretr/conf/source"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// A panel is a database with accounts, and a configuration that has it for a source.
type panel struct {
	*home
	db     string
	mu     sync.Mutex
	events []mail.Event
}

const accounts = `CREATE TABLE accounts (id INTEGER, name, host, user, password, tls, recipient, folders, port)`

func newPanel(t *testing.T) *panel {
	h := newHome(t)
	p := &panel{home: h, db: filepath.Join(filepath.Dir(h.path), "panel.db")}
	h.to(`{smtp: "127.0.0.1:1"}`)
	text, err := os.ReadFile(h.path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(filepath.Dir(h.path), "dsn"), p.db+"\n")
	write(t, h.path, string(text)+`sources:
  - sqlite: {dsn: {file: dsn}, name: panel, reach: any, query: "SELECT * FROM accounts ORDER BY id"}
`)
	p.do(accounts)
	return p
}

// do changes the database.
func (p *panel) do(statement string, args ...any) {
	p.Helper()
	db, err := sql.Open("sqlite", p.db)
	if err != nil {
		p.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement, args...); err != nil {
		p.Fatal(err)
	}
}

func (p *panel) add(id int, name, host string) {
	p.Helper()
	p.do(`INSERT INTO accounts VALUES (?, ?, ?, ?, ?, 'none', ?, NULL, 1)`, id, name, host, name, canary, name+"@kroon.co.za")
}

// serve opens the house as a daemon does.
func (p *panel) serve() *serving {
	d := p.open()
	d.around.observe = append(d.around.observe.(mail.Observers), mail.ObserverFunc(func(e mail.Event) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.events = append(p.events, e)
	}))
	d.sources.changed = d.resource
	d.poller.Set(p.Context(), d.drops())
	return d
}

func (p *panel) end(d *serving) {
	if err := d.close(); err != nil {
		p.Error(err)
	}
}

// alarms are the texts of the alarms since it was asked last.
func (p *panel) alarms() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Alarm {
			all = append(all, alarmed(e))
		}
	}
	p.events = nil
	return all
}

func names(d *serving) string {
	var all []string
	for _, m := range d.house.config.Load().Maildrops {
		all = append(all, m.Name)
	}
	return strings.Join(all, " ")
}

func (p *panel) names(d *serving, want string) {
	p.Helper()
	if got := names(d); got != want {
		p.Errorf("there are %q, want %q", got, want)
	}
}

func stateOf(d *serving, name string) (s status.Status) {
	for _, s := range d.status.List() {
		if s.Maildrop == name {
			return s
		}
	}
	return s
}

// Rows come and go while the daemon runs, and nobody else is disturbed.
func TestRowsTakeEffectWithoutRestart(t *testing.T) {
	p := newPanel(t)
	p.add(1, "a", "127.0.0.1")
	p.add(2, "b", "127.0.0.1")
	d := p.serve()
	defer p.end(d)
	p.names(d, "jaco")
	d.askSources(t.Context())
	p.names(d, "jaco a b")
	if got := strings.Join(d.poller.Names(), " "); got != "a b" {
		t.Errorf("the poller has %q", got)
	}
	a := d.maildrop("a").Row
	p.do(`UPDATE accounts SET password = 'other' WHERE id = 2`)
	p.add(3, "c", "127.0.0.1")
	d.askSources(t.Context())
	p.names(d, "jaco a b c")
	if d.maildrop("a").Row != a {
		t.Error("a row that did not change is another one")
	}
	if s, err := d.maildrop("b").Password.Resolve(t.Context()); s != "other" {
		t.Errorf("the password of b is %q, %v", s, err)
	}
	p.do(`DELETE FROM accounts WHERE id = 1`)
	d.askSources(t.Context())
	p.names(d, "jaco b c")
	if got := strings.Join(d.poller.Names(), " "); got != "b c" {
		t.Errorf("the poller has %q", got)
	}
	if list := p.alarms(); len(list) > 0 {
		t.Errorf("alarms: %q", list)
	}
}

// H9: the source is away, empty, or has lost more than half: the last good set goes on, after a restart too, with an alarm
// once; somebody may accept what it says.
func TestH9_TheLastGoodSetGoesOn(t *testing.T) {
	p := newPanel(t)
	for i := range 5 {
		p.add(i, fmt.Sprintf("u%d", i), "127.0.0.1")
	}
	all := "jaco u0 u1 u2 u3 u4"
	d := p.serve()
	d.askSources(t.Context())
	p.do(`DELETE FROM accounts WHERE id > 1`)
	d.askSources(t.Context())
	d.askSources(t.Context())
	p.names(d, all)
	if list := p.alarms(); len(list) != 1 || !strings.Contains(list[0], "mailretr source accept panel") {
		t.Errorf("alarms: %q", list)
	}
	if err := os.Rename(p.db, p.db+".away"); err != nil {
		t.Fatal(err)
	}
	d.askSources(t.Context())
	p.names(d, all)
	if list := p.alarms(); len(list) != 1 || !strings.Contains(list[0], "panel: its last good set, 5 rows, goes on") {
		t.Errorf("alarms: %q", list)
	}
	since := d.sources.states()[0].Since
	p.end(d)

	d = p.serve()
	p.names(d, all)
	d.askSources(t.Context())
	p.names(d, all)
	if s := d.sources.states()[0]; s.Wrong == "" || !s.Since.Equal(since) || s.Rows != 5 {
		t.Errorf("after a restart: %+v", s)
	}
	if s, err := d.maildrop("u3").Password.Resolve(t.Context()); s != canary {
		t.Errorf("the password is %q, %v", s, err)
	}
	if err := os.Rename(p.db+".away", p.db); err != nil {
		t.Fatal(err)
	}
	if _, err := d.accept(t.Context(), "panel"); err != nil {
		t.Fatal(err)
	}
	p.names(d, "jaco u0 u1")
	if s := d.sources.states()[0]; s.Wrong != "" || s.Rows != 2 {
		t.Errorf("accepted: %+v", s)
	}
	p.end(d)
	quietly(t, filepath.Dir(p.path), p.db)
}

// A key that cannot be read is an alarm of the source. Nobody's maildrop goes for that, but after a restart, and then it comes
// back with the key.
func TestKeyOfASourceIsAway(t *testing.T) {
	p := newPanel(t)
	text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	file := filepath.Join(filepath.Dir(p.path), "key")
	write(t, file, text)
	config, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.path, strings.Replace(string(config), "name: panel,", "name: panel, key: {file: key},", 1))
	key, err := conf.ReadSecretKey(t.Context(), conf.SecretPlain(text))
	if err != nil {
		t.Fatal(err)
	}
	p.add(1, "a", "127.0.0.1")
	p.add(2, "b", "127.0.0.1")
	p.do(`UPDATE accounts SET password = ? WHERE id = 1`, key.Seal(canary, "127.0.0.1", "a"))
	d := p.serve()
	d.askSources(t.Context())
	p.names(d, "jaco a b")
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	p.do(`UPDATE accounts SET password = 'other' WHERE id = 2`)
	d.askSources(t.Context())
	d.resource(t.Context()) // as when another source has changed
	p.names(d, "jaco a b")
	if list := p.alarms(); len(list) != 1 || !strings.Contains(list[0], "the key of its passwords") {
		t.Errorf("alarms: %q", list)
	}
	p.end(d)
	d = p.serve()
	defer p.end(d)
	d.askSources(t.Context())
	p.names(d, "jaco b")
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	d.askSources(t.Context())
	p.names(d, "jaco a b")
	if s, err := d.maildrop("a").Password.Resolve(t.Context()); s != canary {
		t.Errorf("%q, %v", s, err)
	}

	// Another key comes after the rows that it is for.
	text = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("l", 32)))
	if key, err = conf.ReadSecretKey(t.Context(), conf.SecretPlain(text)); err != nil {
		t.Fatal(err)
	}
	p.do(`UPDATE accounts SET password = ? WHERE id = 1`, key.Seal(canary, "127.0.0.1", "a"))
	d.askSources(t.Context())
	p.names(d, "jaco b")
	write(t, file, text)
	d.askSources(t.Context())
	p.names(d, "jaco a b")
}

// quietly looks for the password in all files of a directory but one.
func quietly(t *testing.T, dir, but string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || path == but {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), canary) {
			t.Errorf("the password is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// H8: rows with nonsense are left out, each with a status that names row and column; the others work. A row that takes the
// name of a maildrop does it no harm.
func TestH8_NonsenseInRows(t *testing.T) {
	p := newPanel(t)
	p.add(1, "a", "127.0.0.1")
	p.add(2, "jaco", "192.0.2.1") // the file's
	p.add(3, "a", "192.0.2.2")    // the first row's
	p.add(4, "long", strings.Repeat("h", 1<<20))
	p.add(5, "nul", "x\x00y")
	p.add(6, "drop", "'; DROP TABLE accounts; --")
	p.add(7, "ldap*)(uid=*", "192.0.2.3")
	p.do(`INSERT INTO accounts VALUES (8, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
	p.do(`INSERT INTO accounts VALUES (9, 'wrong', 'h.example', 'u', ?, 'maybe', 'x y', 'A', 'port')`, canary)
	p.do(`INSERT INTO accounts VALUES (9, 'twice', 'h.example', 'v', x'ff00fe', 'none', 'x@y.example', NULL, NULL)`)
	p.add(10, "z", "127.0.0.1")
	d := p.serve()
	defer p.end(d)
	d.askSources(t.Context())
	p.names(d, "jaco a z")
	for name, want := range map[string]string{
		"panel row 2": `panel row 2, column name  error    name: "jaco" is already at ` + p.path,
		"panel row 3": `name: "a" is already at panel row 1, column name`,
		"long":        "panel row 4, column host  error    host: is longer than 4096 octets",
		"nul":         "panel row 5, column host  error    host: has a control character inside",
		"drop":        "panel row 6, column host  error",
		"panel row 7": "panel row 7, column name  error",
		"panel-8":     "panel row 8, column",
		"wrong":       "panel row 9, column",
		"twice":       "panel row 9 (2), column password  error    password: is not UTF-8",
	} {
		s := stateOf(d, name)
		if s.State != status.Local || !strings.Contains(s.Cause, want) {
			t.Errorf("%s: %s, %q; want %q", name, s.State, s.Cause, want)
		}
		if strings.Contains(fmt.Sprintf("%+v", s), canary) {
			t.Errorf("%s tells the password", name)
		}
	}
	if s := stateOf(d, "jaco"); s.State == status.Local {
		t.Errorf("jaco: %+v", s)
	}
	p.do(`UPDATE accounts SET host = '127.0.0.1' WHERE id = 6`)
	d.askSources(t.Context())
	p.names(d, "jaco a z drop")
	if list := p.alarms(); len(list) != 9 {
		t.Errorf("%d alarms: %q", len(list), list)
	}
}

// A reload keeps what a source said that has not changed, and forgets one that is gone.
func TestReloadWithSources(t *testing.T) {
	p := newPanel(t)
	p.add(1, "a", "127.0.0.1")
	d := p.serve()
	defer p.end(d)
	d.life = t.Context()
	ctx, stop := context.WithCancel(t.Context())
	d.life = ctx
	defer d.sources.work.Wait()
	defer stop()
	d.askSources(t.Context())
	row := d.maildrop("a").Row
	text, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	kept := func() (n int) {
		for _, err := range d.store.Notes(t.Context(), spaceSource, "") {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	if kept() == 0 {
		t.Error("no set is kept")
	}
	write(t, p.path, strings.Replace(string(text), "name: jaco", "name: piet", 1))
	if err := d.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.names(d, "piet a")
	if d.maildrop("a").Row != row {
		t.Error("the row is another one")
	}
	d.resource(t.Context())
	p.names(d, "piet a")
	write(t, p.path, string(text[:strings.Index(string(text), "sources:")]))
	if err := d.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.names(d, "jaco")
	if len(d.sources.states()) != 0 || kept() != 0 {
		t.Errorf("%+v, %d notes are kept of it", d.sources.states(), kept())
	}
}

var _ source.Store = sets{}
