package passwd

import (
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"
)

// shaCrypt is the $6$ of crypt(3), which every system can make and no library of ours has.
// Its description is "Unix crypt using SHA-256 and SHA-512" (akkadia.org/drepper/SHA-crypt.txt); the comments
// name the steps there.
type shaCrypt struct {
	rounds int
	salt   string
	sum    string
}

func parseSHACrypt(s string) (Hash, error) {
	bad := errors.New("the hash is no SHA-512 of crypt(3)")
	parts := strings.Split(s, "$") // "", 6, perhaps rounds=…, salt, sum
	h := &shaCrypt{rounds: 5000}
	if len(parts) == 5 && strings.HasPrefix(parts[2], "rounds=") {
		n, err := strconv.Atoi(parts[2][len("rounds="):])
		if err != nil || n < 1000 || n > 5_000_000 {
			return nil, bad
		}
		h.rounds, parts = n, append(parts[:2:2], parts[3:]...)
	}
	if len(parts) != 4 || len(parts[2]) > 16 || len(parts[3]) != 86 {
		return nil, bad
	}
	h.salt, h.sum = parts[2], parts[3]
	return h, nil
}

func (h *shaCrypt) Check(password string) bool {
	sum := h.digest([]byte(password), []byte(h.salt))
	return subtle.ConstantTimeCompare([]byte(crypt64(sum)), []byte(h.sum)) == 1
}

func (h *shaCrypt) digest(key, salt []byte) []byte {
	b := sha512.New() // 4-8
	b.Write(key)
	b.Write(salt)
	b.Write(key)
	alt := b.Sum(nil)

	a := sha512.New() // 1-3, 9-12
	a.Write(key)
	a.Write(salt)
	a.Write(repeated(alt, len(key)))
	for n := len(key); n > 0; n >>= 1 {
		if n&1 != 0 {
			a.Write(alt)
		} else {
			a.Write(key)
		}
	}
	sum := a.Sum(nil)

	p := sha512.New() // 13-16
	for range key {
		p.Write(key)
	}
	ps := repeated(p.Sum(nil), len(key))
	d := sha512.New() // 17-20
	for range 16 + int(sum[0]) {
		d.Write(salt)
	}
	ss := repeated(d.Sum(nil), len(salt))

	for i := range h.rounds { // 21
		c := sha512.New()
		first, last := ps, sum
		if i%2 == 0 {
			first, last = sum, ps
		}
		c.Write(first)
		if i%3 != 0 {
			c.Write(ss)
		}
		if i%7 != 0 {
			c.Write(ps)
		}
		c.Write(last)
		sum = c.Sum(sum[:0:0])
	}
	return sum
}

// repeated is n octets of b, over and over.
func repeated(b []byte, n int) []byte {
	out := make([]byte, 0, n)
	for len(out) < n {
		out = append(out, b[:min(len(b), n-len(out))]...)
	}
	return out
}

// crypt64 writes a digest in the order and the alphabet of crypt(3): step 22.
func crypt64(sum []byte) string {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out strings.Builder
	put := func(v uint32, n int) {
		for ; n > 0; n-- {
			out.WriteByte(alphabet[v&63])
			v >>= 6
		}
	}
	i, j, k := 0, 21, 42
	for range 21 {
		put(uint32(sum[i])<<16|uint32(sum[j])<<8|uint32(sum[k]), 4)
		i, j, k = j+1, k+1, i+1
	}
	put(uint32(sum[63]), 2)
	return out.String()
}
