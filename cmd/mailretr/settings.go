package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path/filepath"

	"mailretr/conf"
	"mailretr/relay/wire"
)

// What is remembered of a maildrop whose login was refused holds a hash of its settings, so that a change of them is noticed at
// once, after a restart too. Its password is a part of that, and people have passwords that can be guessed. So the hash has a
// key of its own, which no backup has: who reads one learns nothing of the password.

// settingsKeyFile is that key, in the state directory.
const settingsKeyFile = "settings.key"

// settingsKey reads it, or makes it. Where it is lost or damaged a new one does: to each maildrop whose login is refused at the
// time its password then looks like another one, and is tried once.
func settingsKey(state string) (key [32]byte, err error) {
	return keyFile(filepath.Join(state, settingsKeyFile), nil)
}

// fickle says whether the secret changes by itself: an access token that a file or a command gives. Those that we get
// ourselves are no part of the settings; what is, is the consent, which a person gives.
func fickle(m *conf.Maildrop) bool { return m.OAuth == "" && tokenOf(m) }

// fingerprint is a hash of everything that decides whether a session can work, but for the password.
func fingerprint(m *conf.Maildrop) string {
	sum := m.Fingerprint()
	return hex.EncodeToString(sum[:8])
}

// secretOf is a hash of the password as it is now, "" where it cannot be read: that it can be read again is a change. Equal
// passwords of two maildrops cannot be told by it.
func (h *house) secretOf(ctx context.Context, m *conf.Maildrop) string {
	own := hmac.New(sha256.New, h.sealing[:])
	io.WriteString(own, "settings\x00"+m.Name)
	sum, err := m.Password.Hash(ctx, own.Sum(nil))
	if err != nil {
		return ""
	}
	return hex.EncodeToString(sum[:8])
}

// mark is another one after each consent.
func (h *house) mark(ctx context.Context, m *conf.Maildrop) string {
	if a := h.consentOf(m, wire.Options{}); a != nil {
		return a.Mark(ctx)
	}
	return ""
}
