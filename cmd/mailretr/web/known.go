package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// A browser in which somebody has signed in before is known by a cookie: what others guess does not keep him out there. It
// lets nobody in, and what is wrong in such a browser is counted for it alone. The cookie says until when it is good and is
// sealed with a key of ours, for the one name; nothing is kept of it here.

const (
	// knownFor is how long a browser is known after one has signed in there.
	knownFor = 90 * 24 * time.Hour
	sealLen  = sha256.Size
	// spaceWeb is where the key is kept, in the notes of the store, so that a restart does not make strangers of all.
	spaceWeb = "web"
	sealNote = "seal"
)

// A seal is the key. The zero value is ready; safe for concurrent use.
type seal struct {
	once sync.Once
	key  []byte
}

// of reads the key, and makes one where there is none.
func (x *seal) of(s *Server) []byte {
	x.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.life), checking)
		defer cancel()
		var err error
		if x.key, err = sealOf(ctx, s.House.Engine); err != nil {
			s.fault("browsers that are known now will not be after a restart", "err", mail.Printable(err.Error(), 500))
		}
	})
	return x.key
}

func sealOf(ctx context.Context, e store.Engine) ([]byte, error) {
	fresh := make([]byte, sealLen)
	_, _ = rand.Read(fresh) // never fails
	if e == nil {
		return fresh, nil
	}
	for n, err := range e.Notes(ctx, spaceWeb, sealNote) {
		if err != nil {
			return fresh, err
		}
		if len(n.Value) == sealLen {
			return n.Value, nil
		}
	}
	return fresh, e.Commit(ctx, &store.Batch{Notes: []store.Note{{Space: spaceWeb, Owner: sealNote, Key: "key", Value: fresh}}})
}

// knownCookie is the name of the cookie. It is sent where one signs in alone, which one named __Host- could not be.
func knownCookie(secure bool) string {
	if secure {
		return "__Secure-mailretr-known"
	}
	return "mailretr-known"
}

// head is when it ends and who it is of among browsers; the seal stands behind it.
const headLen = 8 + 16

func (v *visit) sealed(head []byte, user string) []byte {
	h := hmac.New(sha256.New, v.seal.of(v.Server))
	h.Write(head)
	h.Write([]byte(strings.ToLower(user)))
	return h.Sum(nil)
}

// setKnown lets the browser be known as one of who has signed in by this name.
func (v *visit) setKnown(user string) {
	head := make([]byte, headLen)
	binary.BigEndian.PutUint64(head, uint64(v.at.Add(knownFor).Unix()))
	_, _ = rand.Read(head[8:]) // never fails
	http.SetCookie(v.w, &http.Cookie{Name: knownCookie(v.secure), Path: "/sign-in", HttpOnly: true, Secure: v.secure,
		SameSite: http.SameSiteStrictMode, MaxAge: int(knownFor / time.Second),
		Value: base64.RawURLEncoding.EncodeToString(append(head, v.sealed(head, user)...))})
}

// knownAs says which browser this is, where who has signed in there before had this name; "": it is not known.
func (v *visit) knownAs(user string) string {
	c, err := v.r.Cookie(knownCookie(v.secure))
	if err != nil {
		return ""
	}
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(b) != headLen+sealLen || !hmac.Equal(b[headLen:], v.sealed(b[:headLen], user)) {
		return ""
	}
	if v.at.Unix() > int64(binary.BigEndian.Uint64(b)) {
		return ""
	}
	return string(b[8:headLen])
}
