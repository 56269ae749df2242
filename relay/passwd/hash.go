package passwd

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// A Hash knows a password when it sees it. Safe for concurrent use.
type Hash interface {
	// Check says whether this is the password. It takes as long as whoever made the hash wanted: a tenth of a second, say.
	Check(password string) bool
}

// Parse reads a hash in one of the forms that tools write, a scheme in braces (Dovecot's) before it or
// not:
//
//	$argon2id$v=19$m=65536,t=3,p=1$salt$key    doveadm pw -s ARGON2ID
//	$2y$10$…                                   htpasswd -nB
//	$6$salt$…                                  openssl passwd -6
//	{SCRAM-SHA-256}4096,salt,stored,server     doveadm pw -s SCRAM-SHA-256
//
// No error shows it.
func Parse(s string) (Hash, error) {
	scheme := ""
	if strings.HasPrefix(s, "{") {
		if i := strings.IndexByte(s, '}'); i > 0 {
			scheme, s = strings.ToUpper(s[1:i]), s[i+1:]
		}
	}
	switch {
	case scheme == "SCRAM-SHA-256":
		return parseScram(s)
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon(s)
	case strings.HasPrefix(s, "$2"):
		if n, err := bcrypt.Cost([]byte(s)); err != nil || n > maxCost {
			return nil, fmt.Errorf("the hash is no bcrypt of a cost up to %d", maxCost)
		}
		return blowfish(s), nil
	case strings.HasPrefix(s, "$6$"):
		return sha512Crypt.parse(s, "SHA-512 of crypt(3)")
	}
	return nil, errors.New("the hash is of no known kind; make one with: htpasswd -nB NAME, doveadm pw -s " +
		"ARGON2ID, or openssl passwd -6")
}

type blowfish string

func (b blowfish) Check(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(b), []byte(password)) == nil
}

// argon is Argon2id (RFC 9106).
type argon struct {
	time, memory uint32 // memory in KiB
	threads      uint8
	salt, key    []byte
}

// The most that one login may cost: 1 GiB for some seconds. It is a mistake in the file that is bounded, no
// attack: clients choose nothing of it.
const (
	maxArgonMemory = 1 << 20
	maxArgonTime   = 64
)

func parseArgon(s string) (Hash, error) {
	bad := errors.New("the hash is no argon2id of version 19")
	parts := strings.Split(s, "$") // "", argon2id, v=19, m=…, salt, key
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, bad
	}
	a := &argon{}
	var n, extra int
	n, err := fmt.Sscanf(parts[3]+" 1", "m=%d,t=%d,p=%d %d", &a.memory, &a.time, &a.threads, &extra)
	if err != nil || n != 4 || a.memory < 8 || a.memory > maxArgonMemory || a.time < 1 ||
		a.time > maxArgonTime || a.threads < 1 {
		return nil, bad
	}
	var e1, e2 error
	a.salt, e1 = base64.RawStdEncoding.DecodeString(parts[4])
	a.key, e2 = base64.RawStdEncoding.DecodeString(parts[5])
	if e1 != nil || e2 != nil || len(a.key) < 16 || len(a.key) > 128 {
		return nil, bad
	}
	return a, nil
}

// usual is what Argon2id costs where nothing was said: as RFC 9106, 4 has it for where memory is dear.
func usual() *argon {
	a := &argon{time: 3, memory: 64 << 10, threads: 4, salt: make([]byte, 16)}
	rand.Read(a.salt)
	return a
}

// Nobody returns a hash that fits no password, and costs as much as those of [Make]: for users that are not there.
func Nobody() Hash {
	a := usual()
	a.key = make([]byte, 32)
	rand.Read(a.key)
	return a
}

// Make returns a hash of a password, with a salt of its own, as [Parse] reads it.
func Make(password string) string {
	a := usual()
	key := argon2.IDKey([]byte(password), a.salt, a.time, a.memory, a.threads, 32)
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", a.memory, a.time, a.threads, text(a.salt), text(key))
}

func (a *argon) Check(password string) bool {
	key := argon2.IDKey([]byte(password), a.salt, a.time, a.memory, a.threads, uint32(len(a.key)))
	return subtle.ConstantTimeCompare(key, a.key) == 1
}

// Scram is what a server keeps for SCRAM-SHA-256 (RFC 5803); a password can be tried against them too.
type Scram struct{ scram.StoredCredentials }

func parseScram(s string) (Hash, error) {
	bad := errors.New("the keys of SCRAM-SHA-256 are not: iterations,salt,stored key,server key")
	parts := strings.Split(s, ",")
	if len(parts) != 4 {
		return nil, bad
	}
	n, err := strconv.Atoi(parts[0])
	salt, e1 := base64.StdEncoding.DecodeString(parts[1])
	stored, e2 := base64.StdEncoding.DecodeString(parts[2])
	server, e3 := base64.StdEncoding.DecodeString(parts[3])
	if errors.Join(err, e1, e2, e3) != nil || n < 1 || n > 10_000_000 || len(stored) != sha256.Size ||
		len(server) != sha256.Size {
		return nil, bad
	}
	return &Scram{scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(salt), Iters: n},
		StoredKey: stored, ServerKey: server}}, nil
}

// Check implements [Hash], in constant time but for the iterations that the keys ask for.
func (k *Scram) Check(password string) bool {
	salted, err := pbkdf2.Key(sha256.New, password, []byte(k.Salt), k.Iters, sha256.Size)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, salted)
	mac.Write([]byte("Client Key"))
	stored := sha256.Sum256(mac.Sum(nil))
	return subtle.ConstantTimeCompare(stored[:], k.StoredKey) == 1
}
