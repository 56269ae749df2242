package sql

import (
	"strings"
	"testing"
	"time"

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

// Columns of mailcow that are parameters: old mail stays there, and the line is not taken by one of many.
func TestImapsync_Columns(t *testing.T) {
	day := 24 * time.Hour
	for _, x := range []struct {
		text, unmet string
		source      conf.FirstMode
		first       conf.First
		rate        int64
	}{
		{"--maxage 30 --maxbytespersecond 20000 --subscribeall", "--subscribeall", conf.FirstAll, conf.First{Mode: conf.FirstSince, Within: 30 * day}, 20000},
		{"--maxage 30", "", conf.FirstNew, conf.First{Mode: conf.FirstNew}, 0},
		{"--maxage 40000000 --maxbytespersecond 1", "--maxage; --maxbytespersecond", conf.FirstAll, conf.First{}, 0},
	} {
		m := conf.DefaultMaildrop()
		m.First.Mode = x.source
		unmet := strings.Join(Imapsync(x.text, &m), "; ")
		if unmet != x.unmet || m.First != x.first || m.Rate != x.rate {
			t.Errorf("%q: %s; %+v %d", x.text, unmet, m.First, m.Rate)
		}
	}
}
