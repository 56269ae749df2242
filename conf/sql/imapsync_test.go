package sql

import (
	"strings"
	"testing"

	"mailretr/conf"
)

// What mailcow keeps for imapsync is done where there is an equal, and else it is said which is not.
func TestImapsync(t *testing.T) {
	for _, x := range []struct{ text, unmet, folders string }{
		{"", "", ""},
		{"--maxsize 1000 --folder INBOX --folder='Sent' --nofoldersizes", "", "INBOX Sent"},
		{"--maxsize=1000 --delete2duplicates --password1 geheim --passfile1=/etc/shadow", "--delete2duplicates; --password1; --passfile1", ""},
		{"--maxsize 1000 --<script> geheim --folder", "--folder", ""},
		{"--maxsize 1000 " + strings.Repeat("--x ", 50), strings.TrimSuffix(strings.Repeat("--x; ", 10), "; "), ""},
	} {
		m := conf.DefaultMaildrop()
		unmet := strings.Join(Imapsync(x.text, &m), "; ")
		var folders []string
		for _, f := range m.Folders {
			folders = append(folders, f.Name)
		}
		if unmet != x.unmet || strings.Join(folders, " ") != x.folders || x.text != "" && (m.Oversize == nil || m.Oversize.Above != 1001) {
			t.Errorf("%q: %s; %q %+v", x.text, unmet, folders, m.Oversize)
		}
	}
}
