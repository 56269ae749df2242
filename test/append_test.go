//go:build interop

package test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/relay/imap"
	"mailretr/relay/imapconn"
	"mailretr/relay/relaytest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// TestAppendContract: the whole contract of a deliverer, with Dovecot as the destination.
func TestAppendContract(t *testing.T) {
	d := real.StartDovecot(t)
	n := 0
	user := func(n int) string { return fmt.Sprintf("user%d", n) }
	for i := range 30 { // before the first login: Dovecot looks at its users once a second
		d.User(user(i))
	}
	relaytest.Run(t, func(t *testing.T) relaytest.Harness {
		n++
		user := user(n)
		address := fmt.Sprintf("localhost:%d", d.IMAPS)
		return relaytest.Harness{
			Can: relaytest.Can{Many: true, Null: true, Lane: true},
			Deliverer: func(t testing.TB) mail.Deliverer {
				c, err := imap.New(imap.Options{Options: imapconn.Options{
					Dial: wire.Options{Address: address, TLS: wire.TLS{Mode: wire.Implicit, CAFile: d.CAFile}},
					User: user, Password: func(context.Context) (string, error) { return "secret", nil },
				}})
				if err != nil {
					t.Fatal(err)
				}
				return c
			},
			Arrived: func(t testing.TB) (all []relaytest.Arrival) {
				for _, b := range maildirOf(t, filepath.Join(d.Dir, "mail", user)) {
					all = append(all, relaytest.Arrival{Data: b})
				}
				return all
			},
			// Dovecot keeps lines with LF, and gives them out with CRLF; normal form has no other.
			Strip: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) },
		}
	})
}

// maildirOf returns the messages of a Maildir.
func maildirOf(t testing.TB, dir string) (all [][]byte) {
	for _, sub := range []string{"new", "cur"} {
		list, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, f := range list {
			b, err := os.ReadFile(filepath.Join(dir, sub, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b)
		}
	}
	return all
}

// TestAppendFolders: folders are made, flags and dates arrive, and what Dovecot may have taken without our hearing of it
// is there once.
func TestAppendFolders(t *testing.T) {
	d := real.StartDovecot(t)
	d.User("jaco")
	deliver := func(m *mail.Message, folder string) {
		t.Helper()
		c, err := imap.New(imap.Options{Options: imapconn.Options{
			Dial: wire.Options{Address: fmt.Sprintf("localhost:%d", d.IMAP), TLS: wire.TLS{Mode: wire.StartTLS, CAFile: d.CAFile}},
			User: "jaco", Password: func(context.Context) (string, error) { return "secret", nil },
		}, Folder: folder, Keep: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if r := c.Deliver(t.Context(), m); !r.Done(1) {
			t.Errorf("%+v", r)
		}
	}
	for i, folder := range []string{"INBOX", "Entwürfe.tief", "a \"b\\ & c"} {
		m := &mail.Message{ID: mail.NewID(mail.ID{}.Time(), nil), Origin: mail.Origin{Flags: []string{`\Seen`, `\Flagged`}}}
		m.Envelope.Recipients = []mail.Recipient{{Forward: "jaco@kroon.co.za"}}
		text := fmt.Sprintf("Received: by x (mailretr)\r\n\tid %s\r\nSubject: mail %d\r\n\r\n%s\r\n", m.ID, i,
			strings.Repeat("x\r\n", i*500_000))
		m.Content = relaytest.Of([]byte(text))
		deliver(m, folder)
		m.Content, m.Attempts = relaytest.Of([]byte(text)), 1 // the answer was lost, let us say
		deliver(m, folder)
	}
	for folder, subject := range map[string]string{"": "mail 0", "Entw&APw-rfe.tief": "mail 1", `a "b\ &- c`: "mail 2"} {
		if got := d.In("jaco", folder); len(got) != 1 || got[subject] != "FS" {
			t.Errorf("%q holds %v", folder, got)
		}
	}
	if n := len(maildirOf(t, filepath.Join(d.Dir, "mail", "jaco"))); n != 1 {
		t.Errorf("INBOX has %d messages", n)
	}
}
