package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rows are the attacks and the bad luck that have hit programs like this one. A test that covers a row has its
// id in its name: TestR6_EndlessLine. R: collecting from a hostile or broken server; S: relaying and bounces;
// H: the house.
var rows = []struct{ id, what string }{
	{"R1", "TLS that is required is not there"},
	{"R2", "octets in front of the handshake"},
	{"R3", "answers before the questions"},
	{"R4", "silence at each step"},
	{"R5", "one octet now and then, for ever; and lines that are only slow"},
	{"R6", "endless lines and replies"},
	{"R7", "endless listings"},
	{"R8", "sizes that no number holds"},
	{"R9", "nesting without end"},
	{"R10", "sequence numbers that lie"},
	{"R11", "missing fields, wrong numbers"},
	{"R12", "unique-ids that are none"},
	{"R13", "UIDs that change their meaning"},
	{"R14", "dots and line ends"},
	{"R15", "the end of a message forged in its body"},
	{"R16", "mail without header, empty, with NUL and 8-bit"},
	{"R17", "server text that leaves its line of the log"},
	{"R18", "authentication: APOP, challenges, SCRAM, downgrade"},
	{"R19", "certificates that are not the server's"},
	{"R20", "commands in the configuration"},
	{"R21", "names of folders"},
	{"R22", "compressed data that is a bomb"},
	{"R23", "lock-out, and the reasons for a refused login told apart"},
	{"R24", "deletions that did not happen, and foreign mail"},
	{"R25", "the disk or a limit in the middle of a body"},
	{"S1", "smuggling, on the way in"},
	{"S2", "smuggling, on the way out"},
	{"S3", "commands in front of the handshake"},
	{"S4", "long lines, 8-bit, sizes"},
	{"S5", "recipients from a header"},
	{"S6", "an MTA that talks nonsense"},
	{"S7", "recipients that get different answers"},
	{"S8", "silence after the final dot"},
	{"S9", "refusals and cuts at each stage"},
	{"S10", "a report into which somebody wants to write"},
	{"S11", "who must not get a report"},
	{"S12", "reports to senders who have sent nothing"},
	{"S13", "loops"},
	{"S14", "a report that cannot be queued"},
	{"S15", "odd octets in what is written to the spool"},
	{"H1", "links in the state directory"},
	{"H2", "permissions"},
	{"H3", "secrets where they can be read"},
	{"H4", "OAuth: pages that echo, tokens lost between use and disk, redirects, http"},
	{"H5", "words of others on a page"},
	{"H6", "a page that others have our browser ask, and sessions that are not ours"},
	{"H7", "a server's name that leads inside"},
	{"H8", "rows and entries that want to be SQL or a filter, or are nonsense"},
	{"H9", "a source of maildrops that is away, empty, or has half of its rows"},
	{"H10", "YAML"},
	{"H11", "a listener: an open relay, clients without end"},
	{"H12", "names that become labels of metrics"},
}

// A test, or a subtest, whose name begins so.
var (
	namedTest = regexp.MustCompile(`(?m)^func Test([RSH][0-9]+)_(\w+)\(`)
	namedRun  = regexp.MustCompile(`\.Run\("([RSH][0-9]+)[_ ]([^"]*)"`)
)

// meansState: S6 is a state of a message too, and the store's tests of that name mean it.
func meansState(id, dir string) bool { return id == "S6" && strings.HasPrefix(dir, "store") }

// TestEachRowHasItsTest fails where a row has no test that names it. With -v it prints who covers what.
func TestEachRowHasItsTest(t *testing.T) {
	found := map[string][]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))[len("../"):]
		for _, m := range namedTest.FindAllStringSubmatch(string(text), -1) {
			if !meansState(m[1], dir) {
				found[m[1]] = append(found[m[1]], dir+" Test"+m[1]+"_"+m[2])
			}
		}
		for _, m := range namedRun.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = append(found[m[1]], dir+" "+m[1]+" "+m[2])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		slices.Sort(found[r.id])
		if len(found[r.id]) == 0 {
			t.Errorf("%s has no test: %s", r.id, r.what)
		}
		t.Logf("%-4s%s\n        %s", r.id, r.what, strings.Join(found[r.id], "\n        "))
	}
}
