package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// TestAppend: mail goes from the folders of one account into those of another that are called alike, with its date and
// flags; what was left out of the answers of a server that cannot do more is missing, and nothing else.
func TestAppend(t *testing.T) {
	from, to := newMailserver(t, newServer, "Lists/Entwürfe"), newMailserver(t, oldServer)
	j := newJourney(t, from.url)
	j.hop = fmt.Sprintf(`{imap: {url: %q, folder: keep, flags: ['\Seen'], keep_flags: true}, password: secret}`, to.url+"/Else")
	from.put("INBOX", imap.FlagFlagged)
	from.put("Lists/Entwürfe")
	if remarks := j.visit(`folders: [INBOX, "Lists/*"]`, nil); len(remarks) > 0 {
		t.Errorf("remarks: %q", remarks)
	}
	if n, m := to.count("INBOX"), to.count("Lists/Entwürfe"); n != 1 || m != 1 || to.count("Else") > 0 {
		t.Fatalf("%d are in INBOX, %d in the other folder", n, m)
	}
	d, err := to.Status("INBOX", &imap.StatusOptions{NumUnseen: true})
	if err != nil || *d.NumUnseen != 0 {
		t.Errorf("%v, %v", d, err)
	}
	j.hop = fmt.Sprintf("{imap: %q, password: wrong}", to.url)
	from.put("INBOX")
	j.visit("after: keep", nil)
	if n := to.count("INBOX"); n != 1 {
		t.Errorf("%d are in INBOX after a login that was refused", n)
	}
	j.hop = fmt.Sprintf("{imap: %q, password: secret}", to.url)
	j.after = time.Hour
	j.visit("after: keep", nil)
	if n := to.count("INBOX"); n != 2 {
		t.Errorf("%d are in INBOX after the password was corrected", n)
	}
}
