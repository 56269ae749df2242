package conf

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A SecretKey encrypts the passwords of a source, so that who reads the database has none of them: "enc:" and the base64 of
// a nonce of 12 octets, the text in AES-256-GCM and its tag of 16. Host (in lower case), a line feed and user are what GCM
// calls additional data: a password that is copied into a row of another server or user opens nowhere. It shows itself in
// no formatting.
type SecretKey struct{ aead cipher.AEAD }

const (
	sealedPrefix  = "enc:"
	secretKeySize = 32
)

// ReadSecretKey reads a key: the base64 of 32 octets, as `openssl rand -base64 32` makes it. A secret that is not given has
// none: nil, with which Open says so.
func ReadSecretKey(ctx context.Context, s Secret) (*SecretKey, error) {
	if !s.Given() {
		return nil, nil
	}
	text, err := s.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != secretKeySize {
		return nil, fmt.Errorf("the key (%s) is not the base64 of %d octets; make one with: openssl rand -base64 32",
			s.Source(), secretKeySize)
	}
	block, err := aes.NewCipher(b)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &SecretKey{aead}, err
}

// Seal encrypts the password of a user at a host.
func (k *SecretKey) Seal(password, host, user string) string {
	return sealedPrefix + base64.StdEncoding.EncodeToString(k.aead.Seal(nil, nil, []byte(password), about(host, user)))
}

// Open returns the password that Seal has encrypted; its errors say nothing of it.
func (k *SecretKey) Open(text, host, user string) (string, error) {
	if k == nil {
		return "", errors.New("is encrypted, and the source has no key")
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, sealedPrefix))
	if err != nil {
		return "", errors.New("is not the base64 of something encrypted")
	}
	plain, err := k.aead.Open(nil, nil, b, about(host, user))
	if err != nil {
		return "", errors.New("cannot be decrypted: it is of another key, host or user")
	}
	return string(plain), nil
}

func about(host, user string) []byte { return []byte(strings.ToLower(host) + "\n" + user) }

// Format shows nothing, whatever the verb.
func (k *SecretKey) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }
