package passwd

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"slices"
	"strconv"
	"strings"
)

// aliases are other names of the same.
var aliases = map[string]string{"CLEAR": "PLAIN", "CLEARTEXT": "PLAIN", "SHA1": "SHA", "BCRYPT": "BLF-CRYPT"}

const (
	// MaxStored bounds what is kept of a password, in octets.
	MaxStored = 1024
	unknown   = "it is of no scheme that is known; write which one it is before it, e.g. {SHA512-CRYPT}"
)

// ParseStored reads what a database keeps of a password: all that [Parse] does, and what is not worth beginning with but
// is there: salted and plain digests, {MD5-CRYPT}, {PBKDF2} as Dovecot and passlib write it, $bcrypt-sha256$, and the
// password itself after {PLAIN}. The names of schemes are those of Dovecot. scheme is that of one that has none in braces
// before it; "" is CRYPT: the $…$ in it says what it is. No error shows it.
func ParseStored(s, scheme string) (Hash, error) {
	if len(s) > MaxStored {
		return nil, errors.New("it is too long")
	}
	s, scheme, encoding := split(s, scheme)
	switch scheme {
	case "PLAIN":
		return plain(s)
	case "SHA", "SSHA":
		return parseDigest(s, encoding, sha1.New, scheme == "SSHA")
	case "SHA256", "SSHA256":
		return parseDigest(s, encoding, sha256.New, scheme == "SSHA256")
	case "SHA512", "SSHA512":
		return parseDigest(s, encoding, sha512.New, scheme == "SSHA512")
	case "SCRAM-SHA-256":
		return parseScram(s)
	case "PBKDF2":
		if strings.HasPrefix(s, "$1$") {
			return parsePBKDF2(s)
		}
	case "", "CRYPT", "ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "MD5-CRYPT":
	default:
		return nil, errors.New(unknown)
	}
	return parseCrypt(s)
}

// split takes scheme and encoding, as in {SHA256.HEX}, from before what is kept.
func split(s, usual string) (rest, scheme, encoding string) {
	scheme = usual
	if strings.HasPrefix(s, "{") {
		if in, rest, ok := strings.Cut(s[1:], "}"); ok {
			scheme, s = in, rest
		}
	}
	scheme, encoding, _ = strings.Cut(strings.ToUpper(scheme), ".")
	if name, ok := aliases[scheme]; ok {
		scheme = name
	}
	return s, scheme, encoding
}

// parseCrypt reads what says itself what it is.
func parseCrypt(s string) (Hash, error) {
	switch {
	case strings.HasPrefix(s, "$1$"):
		return md5Crypt.parse(s, "MD5 of crypt(3)")
	case strings.HasPrefix(s, "$5$"):
		return sha256Crypt.parse(s, "SHA-256 of crypt(3)")
	case strings.HasPrefix(s, "$pbkdf2"):
		return passlib.parse(s, "PBKDF2 of passlib")
	case strings.HasPrefix(s, "$bcrypt-sha256$"):
		return bcryptSHA256.parse(s, "bcrypt of passlib")
	case strings.HasPrefix(s, "$"):
		return Parse(s)
	}
	return nil, errors.New(unknown)
}

// clear is a password that was kept as it is.
type clear string

func plain(s string) (Hash, error) {
	if s == "" {
		return nil, errors.New("it is empty")
	}
	return clear(s), nil
}

// Check compares digests, so that not even the length is told.
func (c clear) Check(password string) bool {
	a, b := sha256.Sum256([]byte(c)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// summed is a digest of a password, and of a salt behind it.
type summed struct {
	hash func() hash.Hash
	salt []byte
	sum  []byte
}

func parseDigest(s, encoding string, h func() hash.Hash, salted bool) (Hash, error) {
	var b []byte
	var err error
	switch {
	case encoding == "HEX" || encoding == "" && !salted && len(s) == hex.EncodedLen(h().Size()):
		b, err = hex.DecodeString(s)
	case encoding == "" || encoding == "B64" || encoding == "BASE64":
		b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	default:
		return nil, errors.New("its encoding is none of HEX and B64")
	}
	n := h().Size()
	if err != nil || len(b) < n || !salted && len(b) > n {
		return nil, errors.New("it is no digest of its scheme")
	}
	return &summed{h, slices.Clone(b[n:]), b[:n]}, nil
}

// Check is Hash.
func (d *summed) Check(password string) bool {
	h := d.hash()
	h.Write([]byte(password))
	h.Write(d.salt)
	return subtle.ConstantTimeCompare(h.Sum(nil), d.sum) == 1
}

// derived is PBKDF2 with SHA-1, as Dovecot keeps it: $1$salt$rounds$hexadecimal.
type derived struct {
	salt   string
	rounds int
	key    []byte
}

func parsePBKDF2(s string) (Hash, error) {
	bad := errors.New("the hash is no PBKDF2 of Dovecot")
	parts := strings.Split(s, "$") // "", 1, salt, rounds, key
	if len(parts) != 5 {
		return nil, bad
	}
	n, err := strconv.Atoi(parts[3])
	key, err2 := hex.DecodeString(parts[4])
	if err != nil || err2 != nil || n < 1 || n > maxIters || len(key) != sha1.Size {
		return nil, bad
	}
	return &derived{parts[2], n, key}, nil
}

// Check is Hash.
func (d *derived) Check(password string) bool {
	key, err := pbkdf2.Key(sha1.New, password, []byte(d.salt), d.rounds, len(d.key))
	return err == nil && subtle.ConstantTimeCompare(key, d.key) == 1
}
