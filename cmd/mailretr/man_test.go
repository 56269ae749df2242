package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command has a page, that names each of its flags, and none is there that is no command's.
func TestManHasEveryCommand(t *testing.T) {
	dir := t.TempDir()
	if code, _, talk := call(t, "man", dir); code != 0 {
		t.Fatal(talk)
	}
	want := []string{}
	var each func(*cobra.Command)
	each = func(c *cobra.Command) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		want = append(want, name)
		page, err := os.ReadFile(filepath.Join(dir, "man1", name))
		if err != nil {
			t.Error(err)
			return
		}
		for _, part := range strings.Split(c.LocalFlags().FlagUsages(), "\n") {
			flag, _, _ := strings.Cut(strings.TrimSpace(part[strings.Index(part, "--")+1:]), " ")
			if strings.Contains(part, "--") && !bytes.Contains(page, []byte("-"+flag)) {
				t.Errorf("%s does not have %s", name, flag)
			}
		}
		for _, below := range documented(c) {
			each(below)
		}
	}
	root := wired(newApp(nil, nil, nil)).root()
	root.InitDefaultCompletionCmd()
	each(root)
	files, err := os.ReadDir(filepath.Join(dir, "man1"))
	if err != nil || len(files) != len(want) || len(want) < 40 {
		t.Error(err, len(files), len(want))
	}
	for _, f := range files {
		if !slices.Contains(want, f.Name()) {
			t.Errorf("%s is no command", f.Name())
		}
	}
}
