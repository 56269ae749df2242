package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/relaytest"
)

// R23: what is remembered of a refused login holds nothing by which the password can be guessed with the help of a backup. A
// password that changed is tried at once; a key that was lost costs each refused login one more try, and others nothing.
func TestR23_SettingsKeepThePassword(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Password = "tulip"
	h, mta, server := newHome(t), relaytest.New(t, relaytest.Script{}), s.Listen(t)
	poll := func(password string, want int, when string) {
		t.Helper()
		write(t, h.path, fmt.Sprintf(`hostname: mail.kroon.co.za
state: state
socket: run/s
watch: false
deliver: %s
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: "pop3://jaco@%s", password: %q, to: jaco@kroon.co.za, tls: none}
`, short(mta), server, password))
		d := h.open()
		d.poller.Set(t.Context(), d.drops())
		for range 2 {
			d.poller.Poll(t.Context())
		}
		if n := s.Count("PASS"); n != want {
			t.Errorf("%s: %d logins, want %d", when, n, want)
		}
		content, err := os.ReadFile(filepath.Join(filepath.Dir(h.path), "state", contentKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		for note, err := range d.store.Notes(t.Context(), "poller", "") {
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range [][]byte{nil, []byte("settings"), content} {
				m := hmac.New(sha256.New, key)
				m.Write([]byte(password))
				if bytes.Contains(note.Value, []byte(hex.EncodeToString(m.Sum(nil)[:8]))) {
					t.Errorf("%s: a hash by the key %q is in %s", when, key, note.Value)
				}
			}
		}
		if err := d.close(); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(filepath.Dir(h.path), "state", settingsKeyFile)
	poll("rose", 1, "refused")
	poll("rose", 1, "after a restart")
	if fi, err := os.Stat(key); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", fi, err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	poll("rose", 2, "without the key")
	if err := os.WriteFile(key, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	poll("rose", 3, "the key is damaged")
	poll("rose", 3, "a new key")
	poll("tulip", 5, "another password") // which is right, so that each visit logs in
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	poll("tulip", 7, "nothing was refused")
}
