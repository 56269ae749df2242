package oauth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Key encrypts consents (AES-256-GCM). It shows itself in no formatting.
type Key struct {
	aead cipher.AEAD
	old  cipher.AEAD // opens what was sealed before there was a credential; nil: nothing was
}

const (
	// KeyFile is the name of the key in the state directory.
	KeyFile = "oauth.key"
	// Credential is the name of the systemd credential that is used instead, where there is one.
	Credential = "mailretr-oauth-key"

	keySize = 32
)

// LoadKey reads the key: the systemd credential in the directory credentials ("": there is none), else the
// file in the state directory, which is made with mode 0600 where there is none. A credential may be of any
// form, with at least 32 octets.
func LoadKey(state, credentials string) (Key, error) {
	if credentials != "" {
		b, err := os.ReadFile(filepath.Join(credentials, Credential))
		switch {
		case err == nil && len(b) < keySize:
			return Key{}, fmt.Errorf("the credential %s has less than %d octets", Credential, keySize)
		case err == nil:
			return replacing(b, filepath.Join(state, KeyFile))
		case !errors.Is(err, fs.ErrNotExist):
			return Key{}, fmt.Errorf("the key of the consents: %w", err)
		}
	}
	path := filepath.Join(state, KeyFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = makeKey(path)
	}
	switch {
	case err != nil:
		return Key{}, fmt.Errorf("the key of the consents: %w", err)
	case len(b) != keySize:
		return Key{}, fmt.Errorf("%s is damaged: it has to have %d octets; bring it back from a backup, or "+
			"remove it and sign in again everywhere", path, keySize)
	}
	if fi, err := os.Stat(path); err == nil && fi.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("others can read %s (mode %04o): chmod 600 it", path, fi.Mode().Perm())
	}
	return derive(b)
}

// replacing returns the key of a credential, which also opens what a file's key has sealed, if there is one.
func replacing(credential []byte, file string) (Key, error) {
	k, err := derive(credential)
	if b, missing := os.ReadFile(file); err == nil && missing == nil && len(b) == keySize {
		var old Key
		old, err = derive(b)
		k.old = old.aead
	}
	return k, err
}

// makeKey makes a file that is whole, or is not there; where somebody was faster, his key is taken. Its name
// is durable before anything is encrypted with it.
func makeKey(path string) ([]byte, error) {
	b := make([]byte, keySize)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), KeyFile+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return b, errors.Join(d.Sync(), d.Close())
}

func derive(material []byte) (Key, error) {
	b, err := hkdf.Key(sha256.New, material, nil, "mailretr oauth 1", keySize)
	if err != nil {
		return Key{}, err
	}
	block, err := aes.NewCipher(b)
	if err != nil {
		return Key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return Key{aead: aead}, err
}

// String shows nothing.
func (Key) String() string { return "***" }

// GoString shows nothing.
func (Key) GoString() string { return "***" }

// version is the first octet of what is sealed.
const version = 1

// Seal encrypts what is to be kept under a name; it opens under that name alone. Others who keep secrets in the state have
// names that begin with a word of theirs.
func (k Key) Seal(name string, plain []byte) []byte {
	return k.aead.Seal([]byte{version}, nil, plain, []byte(name))
}

// Open returns what Seal has encrypted under the same name.
func (k Key) Open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < 1 || sealed[0] != version {
		return nil, errors.New("it is of another version")
	}
	plain, err := k.aead.Open(nil, nil, sealed[1:], []byte(name))
	if err != nil && k.old != nil {
		return k.old.Open(nil, nil, sealed[1:], []byte(name))
	}
	return plain, err
}
