package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"mailretr/cmd/mailretr/signin"
)

// A session is what is known of a browser. Its secret is in the cookie alone.
type session struct {
	who   signin.Who
	began time.Time
	used  time.Time
	asked time.Time // whether who would still come in; before: the time before that

	before time.Time
}

// sessions are those of all browsers, by the hash of their secrets: who reads the memory cannot become somebody. They end
// with the process. The zero value is ready; safe for concurrent use.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

const (
	// idle is how long a browser may be silent; what a script asks for by itself does not count.
	idle = 2 * time.Hour
	// maxSessions bounds all, perUser those of one name: the one that was used longest ago ends.
	maxSessions = 20_000
	perUser     = 32
)

// begin makes a session with a secret that nobody has chosen.
func (s *sessions) begin(who signin.Who, now time.Time) (secret string) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[[sha256.Size]byte]*session{}
	}
	s.make(who.Name)
	s.all[keyOf(secret)] = &session{who: who, began: now, used: now, asked: now}
	return secret
}

func keyOf(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// make makes room. s.mu is held.
func (s *sessions) make(name string) {
	var oldest, own [sha256.Size]byte
	n := 0
	for k, x := range s.all {
		if o := s.all[oldest]; o == nil || x.used.Before(o.used) {
			oldest = k
		}
		if x.who.Name == name {
			n++
			if o := s.all[own]; o == nil || x.used.Before(o.used) {
				own = k
			}
		}
	}
	if n >= perUser {
		delete(s.all, own)
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest)
	}
}

// of returns whose session a secret is of, if it goes on. used: a person has asked.
func (s *sessions) of(secret string, now time.Time, most time.Duration, used bool) (signin.Who, bool) {
	key := keyOf(secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[key]
	if x == nil {
		return signin.Who{}, false
	}
	if now.Sub(x.began) > most || now.Sub(x.used) > idle {
		delete(s.all, key)
		return signin.Who{}, false
	}
	if used {
		x.used = now
	}
	return x.who, true
}

// end ends one session.
func (s *sessions) end(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, keyOf(secret))
}

// endOf ends all sessions of a name.
func (s *sessions) endOf(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, x := range s.all {
		if x.who.Name == name {
			delete(s.all, k)
		}
	}
}

func (s *sessions) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = nil
}

// cookieOf is the name of our cookie. Behind TLS its prefix keeps others on the same domain from setting it (RFC 6265bis,
// 4.1.3.2).
func cookieOf(secure bool) string {
	if secure {
		return "__Host-mailretr"
	}
	return "mailretr"
}

// setCookie gives the browser the secret; "" takes it away.
func (v *visit) setCookie(secret string) {
	c := &http.Cookie{
		Name: cookieOf(v.secure), Value: secret, Path: "/", HttpOnly: true, Secure: v.secure, SameSite: http.SameSiteLaxMode,
	}
	if secret == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// secret is what the browser has.
func (v *visit) secret() string {
	c, err := v.r.Cookie(cookieOf(v.secure))
	if err != nil {
		return ""
	}
	return c.Value
}
