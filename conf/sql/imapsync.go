package sql

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"mailretr/conf"
)

// Imapsync does to a maildrop what the parameters of imapsync say that mailcow keeps in custom_params and columns of their own,
// and returns what of it is not done here, a phrase each.
func Imapsync(text string, m *conf.Maildrop) (unmet []string) {
	words, folders := strings.Fields(text), []string(nil)
	for i := 0; i < len(words); i++ {
		name, value, joined := strings.Cut(words[i], "=")
		takes := slices.Contains([]string{"--maxsize", "--folder", "--maxage", "--maxbytespersecond"}, name)
		if takes && !joined && i+1 < len(words) {
			i++
			value = words[i]
		}
		switch n, err := strconv.ParseInt(value, 10, 62); {
		case name == "--maxsize" && err == nil && n > 0:
			m.Oversize = &conf.Oversize{Above: n + 1, Then: conf.ThenLeave}
		case name == "--maxage" && err == nil && n > 0 && n <= mostDays: // what comes later is younger
			if m.First.Mode != conf.FirstNew {
				m.First = conf.First{Mode: conf.FirstSince, Within: time.Duration(n) * 24 * time.Hour}
			}
		case name == "--maxbytespersecond" && err == nil && n >= leastRate:
			m.Rate = n
		case name == "--folder" && strings.Trim(value, `"'`) != "":
			folders = append(folders, strings.Trim(value, `"'`))
		case strings.HasPrefix(name, "--nofoldersizes"), name == "--usecache", name == "--useuid": // how imapsync works
		case strings.HasPrefix(name, "--") && parameter(name) && len(unmet) < 10:
			unmet = append(unmet, name)
		}
	}
	if len(folders) > 0 {
		m.Folders = conf.Named(folders...)
	}
	return unmet
}

// What a configuration may say: 100 years, and octets per second.
const mostDays, leastRate = 36500, 512

// parameter says whether this is a name as parameters have, and nothing that is not to be shown.
func parameter(s string) bool {
	return len(s) <= 40 && strings.Trim(s, "-abcdefghijklmnopqrstuvwxyz0123456789") == ""
}
