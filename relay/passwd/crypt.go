package passwd

import (
	"errors"
	"regexp"
	"strconv"
	"sync"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/md5crypt"
	"github.com/go-crypt/crypt/algorithm/pbkdf2"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// digest is a hash that github.com/go-crypt/crypt computes.
type digest struct{ algorithm.Digest }

func (d digest) Check(password string) bool { return d.Match(password) }

// A form is one that crypt(3) or passlib writes. It is looked at before the library does: the number in its first group,
// where it has one, is what it costs.
type form struct {
	form   func() *regexp.Regexp
	most   int
	decode func(string) (algorithm.Digest, error)
}

const (
	maxRounds = 5_000_000  // of the SHAs of crypt(3): some seconds
	maxIters  = 10_000_000 // of PBKDF2: the same
	maxCost   = 16         // of bcrypt: the same; each more is twice the time
)

var (
	sha512Crypt  = form{once(`^\$6\$(?:rounds=(\d{4,7})\$)?[^$:]{0,16}\$[./0-9A-Za-z]{86}$`), maxRounds, shacrypt.Decode}
	sha256Crypt  = form{once(`^\$5\$(?:rounds=(\d{4,7})\$)?[^$:]{0,16}\$[./0-9A-Za-z]{43}$`), maxRounds, shacrypt.Decode}
	md5Crypt     = form{once(`^\$1\$[^$:]{0,8}\$[./0-9A-Za-z]{22}$`), 0, md5crypt.Decode}
	passlib      = form{once(`^\$pbkdf2(?:-sha256|-sha512)?\$(\d{1,8})\$[./0-9A-Za-z]{0,128}\$[./0-9A-Za-z]{27,128}$`), maxIters, pbkdf2.Decode}
	bcryptSHA256 = form{once(`^\$bcrypt-sha256\$v=2,t=2b,r=(\d{1,2})\$[./0-9A-Za-z]{22}\$[./0-9A-Za-z]{31}$`), maxCost, bcrypt.Decode}
)

// once compiles a pattern when it is needed: few programs meet such a hash, and all would pay at their start.
func once(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// parse reads a hash of this form.
func (f form) parse(s, what string) (Hash, error) {
	bad := errors.New("the hash is no " + what)
	m := f.form().FindStringSubmatch(s)
	if m == nil {
		return nil, bad
	}
	if len(m) > 1 && m[1] != "" {
		if n, err := strconv.Atoi(m[1]); err != nil || n < 1 || n > f.most {
			return nil, errors.New("the hash costs too much")
		}
	}
	d, err := f.decode(s)
	if err != nil {
		return nil, bad // what the library says shows parts of it
	}
	return digest{d}, nil
}
