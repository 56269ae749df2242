package smtpd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"mailretr/relay/passwd"
	"mailretr/store/mail"
)

// Users are those who may log in, from a file with one user a line: a name, a colon, and a hash of the
// password (see [passwd.Parse]). Empty lines and those that begin with # are left out. The file is read again
// when it has changed; while it has a mistake, the users of before go on. Safe for concurrent use.
type Users struct {
	path string
	busy chan struct{} // hashing takes memory: a few at a time

	mu    sync.Mutex
	stamp stamp
	users map[string]passwd.Hash
	err   error
}

// A stamp tells a file from what it was before.
type stamp struct {
	at   time.Time
	size int64
}

const (
	maxUsers  = 1 << 20 // octets of the file
	hashing   = 2       // at once
	maxSecret = 1024    // octets of a name or password; bcrypt looks at 72
)

// NewUsers reads the file. It is an error where it cannot be read or has a mistake, which it names by line.
func NewUsers(path string) (*Users, error) {
	u := &Users{path: path, busy: make(chan struct{}, hashing)}
	u.refresh()
	return u, u.err
}

// Err is what is wrong with the file as it is now.
func (u *Users) Err() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refresh()
	return u.err
}

// refresh reads the file if it has changed. u.mu is held, or u not shared yet.
func (u *Users) refresh() {
	fi, err := os.Stat(u.path)
	if err != nil {
		u.err = err
		return
	}
	now := stamp{fi.ModTime(), fi.Size()}
	if now == u.stamp && u.err == nil {
		return
	}
	f, err := os.Open(u.path)
	if err != nil {
		u.err = err
		return
	}
	defer f.Close()
	users, err := readUsers(io.LimitReader(f, maxUsers))
	if u.err = err; err == nil {
		u.users, u.stamp = users, now
	} else {
		u.err = fmt.Errorf("%s: %w", u.path, err)
	}
}

func readUsers(r io.Reader) (map[string]passwd.Hash, error) {
	users := make(map[string]passwd.Hash)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, text, _ := strings.Cut(line, ":")
		h, err := passwd.Parse(text)
		switch {
		case name == "" || len(name) > maxSecret:
			err = errors.New("the line has no name of a user before a colon")
		case users[name] != nil:
			err = fmt.Errorf("the user %q is there twice", mail.Printable(name, 100))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		users[name] = h
	}
	return users, lines.Err()
}

// find returns the hash of a user, nil where there is none, and some other one, to be busy with as long.
func (u *Users) find(name string) (h, other passwd.Hash) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refresh()
	if h = u.users[name]; h != nil {
		return h, h
	}
	for _, other = range u.users {
		return nil, other
	}
	return nil, nil
}

// Check says whether this is the user's password. It takes as long for a user that is not there.
func (u *Users) Check(name, password string) bool {
	// HMAC, and so SCRAM, cannot tell a password from one with NUL behind it.
	if len(name) > maxSecret || len(password) > maxSecret || strings.IndexByte(password, 0) >= 0 {
		return false
	}
	h, other := u.find(name)
	if other == nil {
		return false
	}
	u.busy <- struct{}{}
	defer func() { <-u.busy }()
	return other.Check(password) && h != nil
}

// mechanisms are those of RFC 4954: SCRAM only where the file has keys for it.
func (u *Users) mechanisms() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refresh()
	all := []string{"PLAIN", "LOGIN"}
	for _, h := range u.users {
		if _, ok := h.(*passwd.Scram); ok {
			return append([]string{"SCRAM-SHA-256"}, all...)
		}
	}
	return all
}
