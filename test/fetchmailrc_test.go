//go:build interop

package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailretr/conf/fetchmailrc"
	"mailretr/conf/fetchmailrc/samples"
)

// TestFetchmailReadsTheSame compares what fetchmail itself understands of each sample with what we do.
func TestFetchmailReadsTheSame(t *testing.T) {
	compared := 0
	for i, text := range samples.All() {
		file := filepath.Join(t.TempDir(), "rc")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		cmd := exec.CommandContext(ctx, "fetchmail", "-f", file, "--configdump")
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C")
		var talk strings.Builder
		cmd.Stderr = &talk
		out, err := cmd.Output()
		cancel()
		f, bad := fetchmailrc.Parse("rc", []byte(text))
		refused := strings.Contains(talk.String(), "syntax error") || strings.Contains(talk.String(), "server option after")
		if refused || len(bad) > 0 {
			t.Errorf("%d: fetchmail says %s, we %v\n%s", i, talk.String(), bad, text)
			continue
		}
		if err != nil || !strings.Contains(string(out), "fetchmailrc") {
			continue // a check behind the grammar: idle with several folders, lmtp without a port
		}
		if strings.Contains(string(out), `\0x`) {
			continue // what it writes for octets beyond ASCII is not their value
		}
		d := dump{rest: string(out[strings.Index(string(out), "fetchmailrc = ")+len("fetchmailrc = "):])}
		compareDump(t, fmt.Sprintf("%d:\n%s", i, text), d.value().(map[string]any), &f)
		compared++
	}
	t.Logf("%d of %d samples were compared", compared, len(samples.All()))
	if compared < 100 {
		t.Errorf("only %d samples were compared", compared)
	}
}

// compareDump compares entry by entry. Names that fetchmail fills in itself are not ours.
func compareDump(t *testing.T, name string, d map[string]any, f *fetchmailrc.File) {
	t.Helper()
	i := 0
	for _, s := range d["servers"].([]any) {
		server := s.(map[string]any)
		for _, u := range server["users"].([]any) {
			if i == len(f.Entries) {
				t.Errorf("fetchmail has more entries than our %d in %s", i, name)
				return
			}
			e := &f.Entries[i]
			i++
			if theirs, ours := dumped(server, u.(map[string]any), e), understood(e); theirs != ours {
				t.Errorf("fetchmail: %s\nwe:        %s\nin %s", theirs, ours, name)
			}
		}
	}
	if i != len(f.Entries) {
		t.Errorf("fetchmail has %d entries, we %d in %s", i, len(f.Entries), name)
	}
}

// What is compared: keys of the dump with our names, by what their values are.
var (
	dumpTexts = [][2]string{{"via", "via"}, {"qvirtual", "qvirtual"}, {"interface", "interface"}, {"monitor", "monitor"},
		{"plugin", "plugin"}, {"plugout", "plugout"}, {"principal", "principal"}, {"password", "password"}, {"mda", "mda"},
		{"bsmtp", "bsmtp"}, {"preconnect", "preconnect"}, {"postconnect", "postconnect"}, {"sslkey", "sslkey"},
		{"sslcert", "sslcert"}, {"sslcertfile", "sslcertfile"}, {"sslcertpath", "sslcertpath"}, {"properties", "properties"},
		{"sslcommonname", "sslcommonname"}, {"sslfingerprint", "sslfingerprint"}, {"smtpaddress", "smtpaddress"},
		{"smtpname", "smtpname"}}
	dumpFlags = []string{"fetchall", "keep", "flush", "limitflush", "pass8bits", "dropstatus", "dropdelivered", "mimedecode",
		"idle", "lmtp", "ssl", "uidl"}
	dumpCounts = []string{"limit", "fetchlimit", "batchlimit", "expunge", "interval"}
	dumpLists  = [][2]string{{"aka", "aka"}, {"localdomains", "localdomains"}, {"mailboxes", "folder"},
		{"fetchdomains", "fetchdomains"}, {"smtphunt", "smtphost"}}
)

// dumped is what fetchmail says of an entry.
func dumped(server, user map[string]any, e *fetchmailrc.Entry) string {
	get := func(key string) any {
		if v, ok := user[key]; ok {
			return v
		}
		return server[key]
	}
	var b strings.Builder
	fmt.Fprint(&b, server["pollname"], " ", server["active"])
	if e.Remote != "" {
		fmt.Fprint(&b, " ", user["remote"])
	}
	if len(e.Local) > 0 {
		fmt.Fprint(&b, " ", user["localnames"])
	}
	for _, x := range dumpTexts {
		if s, _ := get(x[0]).(string); s != "" && (s != user["remote"] || x[1] != "password") {
			fmt.Fprintf(&b, " %s=%q", x[1], s)
		}
	}
	for _, x := range dumpFlags {
		if get(x) == 1 {
			b.WriteString(" " + x)
		}
	}
	for _, x := range dumpCounts {
		if get(x) != 0 {
			fmt.Fprintf(&b, " %s=%v", x, get(x))
		}
	}
	for _, x := range dumpLists {
		if l, _ := get(x[0]).([]any); len(l) > 0 && (x[0] != "smtphunt" || e.Last("smtphost") != nil) {
			fmt.Fprintf(&b, " %s=%v", x[1], l)
		}
	}
	return b.String()
}

// understood is what we say of it, in the same form.
func understood(e *fetchmailrc.Entry) string {
	var b strings.Builder
	active := 1
	if e.Skip {
		active = 0
	}
	fmt.Fprint(&b, e.Server, " ", active)
	if e.Remote != "" {
		fmt.Fprint(&b, " ", e.Remote)
	}
	if len(e.Local) > 0 {
		var names []any
		for _, n := range e.Local {
			if n.There != "" && n.There != n.Here {
				names = append(names, []any{n.There, n.Here})
			} else {
				names = append(names, n.Here)
			}
		}
		if e.All {
			names = append(names, "*")
		}
		fmt.Fprint(&b, " ", names)
	}
	for _, x := range dumpTexts {
		if s := e.Text(x[1]); s != "" {
			fmt.Fprintf(&b, " %s=%q", x[1], s)
		}
	}
	for _, x := range dumpFlags {
		if e.On(x) {
			b.WriteString(" " + x)
		}
	}
	for _, x := range dumpCounts {
		if n, err := strconv.Atoi(e.Text(x)); err == nil && n != 0 {
			fmt.Fprintf(&b, " %s=%d", x, n)
		}
	}
	for _, x := range dumpLists {
		if l := e.List(x[1]); len(l) > 0 {
			fmt.Fprintf(&b, " %s=%v", x[1], l)
		}
	}
	return b.String()
}

// A dump reads what fetchmail writes: literals of Python.
type dump struct{ rest string }

func (d *dump) blanks() {
	for {
		d.rest = strings.TrimLeft(d.rest, " \t\n,")
		if !strings.HasPrefix(d.rest, "#") {
			return
		}
		_, d.rest, _ = strings.Cut(d.rest, "\n")
	}
}

func (d *dump) value() any {
	d.blanks()
	switch c := d.rest[0]; c {
	case '{':
		d.rest = d.rest[1:]
		m := map[string]any{}
		for d.blanks(); d.rest[0] != '}'; d.blanks() {
			key := d.value().(string)
			d.blanks()
			d.rest = strings.TrimPrefix(d.rest, ":")
			m[key] = d.value()
		}
		d.rest = d.rest[1:]
		return m
	case '[', '(':
		d.rest = d.rest[1:]
		l := []any{}
		for d.blanks(); d.rest[0] != ']' && d.rest[0] != ')'; d.blanks() {
			l = append(l, d.value())
		}
		d.rest = d.rest[1:]
		return l
	case '"', '\'':
		return d.text(c)
	}
	i := strings.IndexAny(d.rest, ", \t\n])}")
	word := d.rest[:i]
	d.rest = d.rest[i:]
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	return map[string]any{"TRUE": 1, "FALSE": 0, "None": nil}[word]
}

// text reads a text with the escapes that fetchmail writes.
func (d *dump) text(quote byte) string {
	var b []byte
	i := 1
	for ; d.rest[i] != quote; i++ {
		if d.rest[i] != '\\' {
			b = append(b, d.rest[i])
			continue
		}
		i++
		switch c := d.rest[i]; {
		case c == 'n':
			b = append(b, '\n')
		case c == 't':
			b = append(b, '\t')
		case c == 'r':
			b = append(b, '\r')
		case c == 'b':
			b = append(b, '\b')
		default:
			b = append(b, c)
		}
	}
	d.rest = d.rest[i+1:]
	return string(b)
}
