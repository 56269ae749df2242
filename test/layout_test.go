package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// mayImport is the import table of the design: which package may know which of ours. It is kept as data and compared with
// what `go list` says, so that the shape cannot rot unseen. A pattern with "*" matches one path element. The first that
// matches counts.
var mayImport = []struct {
	pkg   string
	ofOur []string
}{
	{"store/mail", nil},
	{"relay/wire", nil},
	{"relay/domain", nil},
	{"relay/flag", nil},
	{"relay/utf7", nil},
	{"conf", []string{"relay/domain", "relay/flag"}},
	{"conf/fetchmailrc", []string{"conf", "conf/draft"}},
	{"conf/fetchmailrc/samples", nil},
	{"conf/getmailrc", []string{"conf", "conf/draft"}},
	{"conf/mpoprc", []string{"conf", "conf/draft"}},
	{"conf/*", []string{"conf"}},
	{"bounce", []string{"store/mail"}},
	{"store", []string{"store/mail"}},
	{"store/status", []string{"store/mail"}},
	{"store/badger", []string{"store", "store/mail"}},
	{"store/storetest", []string{"store", "store/mail"}},
	{"relay", []string{"store/mail", "relay/domain"}},
	{"relay/relaytest", []string{"store/mail"}},
	{"relay/sasl", []string{"store/mail"}},
	{"relay/imap", []string{"store/mail", "relay/wire", "relay/sasl", "relay/imapconn", "relay/flag", "relay/utf7"}},
	{"relay/local", []string{"store/mail", "relay/wire", "relay/sasl", "relay/utf7"}},
	{"relay/passwd", nil},
	{"relay/smtpd", []string{"store/mail", "relay/wire", "relay/sasl", "relay/passwd"}},
	{"relay/*", []string{"store/mail", "relay/wire", "relay/sasl"}},
	{"fetch", []string{"store/mail", "relay", "relay/domain", "fetch/budget"}},
	{"fetch/budget", []string{"store/mail"}},
	{"fetch/fetchtest", []string{"store/mail"}},
	{"fetch/oauthtest", nil},
	{"fetch/imap", []string{"store/mail", "relay/wire", "relay/sasl", "relay/imapconn", "relay/utf7"}},
	{"fetch/*", []string{"store/mail", "relay/wire", "relay/sasl", "relay/imapconn"}},
	{"cmd/mailretr", []string{"**"}},
	{"cmd/mailretr/footprint", nil},
	{"cmd/mailretr/idfile", nil},
	{"cmd/mailretr/notes", []string{"store", "store/mail", "fetch", "fetch/budget", "fetch/imap", "relay/wire"}},
	{"cmd/mailretr/*", []string{"**"}},
	{"test", []string{"**"}},
	{"test/*", []string{"**"}},
}

// topLevel is what may stand at the top: the tree is closed, everything else lives below one of these.
var topLevel = []string{"relay", "fetch", "store", "bounce", "cmd", "conf", "test", "go.mod", "go.sum", "README.md",
	"LICENSE", ".gitignore", ".gitattributes", ".ci", ".git"}

func TestImportTable(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "mailretr/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for dec.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		seen++
		for _, problem := range foreign(strings.TrimPrefix(p.ImportPath, "mailretr/"), p.Imports) {
			t.Error(problem)
		}
	}
	if seen < 10 {
		t.Errorf("go list named %d packages only", seen)
	}
}

// foreign names the imports that a package may not have.
func foreign(pkg string, imports []string) (problems []string) {
	for _, row := range mayImport {
		if ok, err := path.Match(row.pkg, pkg); err != nil || !ok {
			continue
		}
		if slices.Contains(row.ofOur, "**") {
			return nil
		}
		for _, i := range imports {
			ours, ok := strings.CutPrefix(i, "mailretr/")
			if ok && !slices.Contains(row.ofOur, ours) {
				problems = append(problems, fmt.Sprintf("%s imports %s; the table allows %q", pkg, ours, row.ofOur))
			}
		}
		return problems
	}
	return []string{pkg + " is in no row of the import table"}
}

func TestImportTableNotices(t *testing.T) {
	if len(foreign("store/mail", []string{"mailretr/store"})) != 1 || len(foreign("util", nil)) != 1 {
		t.Error("the table lets everything pass")
	}
}

func TestTopLevelIsClosed(t *testing.T) {
	list, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		ignored := exec.Command("git", "check-ignore", "-q", f.Name())
		ignored.Dir = ".."
		if !slices.Contains(topLevel, f.Name()) && ignored.Run() != nil {
			t.Errorf("%s is not part of the tree", f.Name())
		}
	}
}
