package fetchmailrc

import (
	"regexp"
	"strings"
	"testing"

	"mailretr/conf/fetchmailrc/samples"
)

// The keywords of the tables in the manual of fetchmail 6.4 ("KEYWORD/OPTION SUMMARY"), with what it says elsewhere: the
// long and the short form, where brackets allow both. An exclamation mark is for what also stands behind no.
const (
	manualSet = `daemon postmaster bouncemail! spambounce! softbounce! logfile pidfile idfile syslog! properties invisible!
		showdots!`
	manualServer = `via proto protocol local localdomains port service auth authenticate timeout envelope! qvirtual aka
		interface monitor plugin plugout dns! checkalias! uidl! interval tracepolls! principal esmtpname esmtppassword
		bad-header`
	manualUser = `user username is to pass password ssl! sslcert sslcertck! sslcertfile sslcertpath sslcommonname
		sslfingerprint sslkey sslproto folder folders smtphost smtp fetchdomains smtpaddress smtpname antispam mda bsmtp lmtp
		preconnect postconnect keep! flush! limitflush! fetchall! rewrite! stripcr! forcecr! pass8bits! dropstatus!
		dropdelivered! mimedecode! idle! limit warnings batchlimit fetchlimit fetchsizelimit fastuidl expunge properties`
	manualVerbs = `poll skip server defaults set there here and with has wants options`
)

// Every keyword of the manual stands in one of the samples that are compared with fetchmail's own understanding, in each
// of its forms.
func TestSamplesHaveEveryKeyword(t *testing.T) {
	seen := map[string]bool{}
	all := samples.All()
	if len(all) < 200 {
		t.Errorf("only %d samples", len(all))
	}
	for _, s := range all {
		words := words(s)
		for j, w := range words {
			seen[w] = true
			if j > 0 && words[j-1] == "no" {
				seen["no "+w] = true
			}
			if bare, ok := strings.CutPrefix(w, "no"); ok {
				seen["no "+bare] = true
			}
		}
	}
	for _, w := range strings.Fields(manualSet + " " + manualServer + " " + manualUser + " " + manualVerbs) {
		w, no := strings.CutSuffix(w, "!")
		if !seen[w] {
			t.Errorf("no sample has %s", w)
		}
		if no && !seen["no "+w] {
			t.Errorf("no sample has no %s", w)
		}
	}
}

// words are the words of a sample, without comments and what is quoted.
func words(s string) []string {
	s = regexp.MustCompile(`"[^"]*"|'[^']*'|#[^\n]*`).ReplaceAllString(s, " ")
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\n,;:=", r) })
}
