package smtpd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// H11: who guesses passwords at a unix socket shuts out himself, and no other user of the machine.
func TestH11_UsersOfAUnixSocket(t *testing.T) {
	s := &Server{}
	now := time.Unix(1_700_000_000, 0)
	one, two, unknown := (&client{uid: 1000}).party(), (&client{uid: 1001}).party(), (&client{uid: -1}).party()
	for range mostTries {
		s.loggedIn(one, false, now)
	}
	if s.mayLogIn(one, now) || !s.mayLogIn(two, now) || !s.mayLogIn(unknown, now) {
		t.Error("one user's failures are counted against another, or against nobody")
	}
	if !s.mayLogIn(one, now.Add(forgiveness+time.Second)) {
		t.Error("it is never forgiven")
	}
}

// The kernel says who is at the other end.
func TestUserOfAUnixSocket(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	want := int64(-1)
	if runtime.GOOS == "linux" {
		want = int64(os.Geteuid())
	}
	if got := userOf(in); got != want {
		t.Errorf("user %d, want %d", got, want)
	}
	if a, _ := net.Pipe(); userOf(a) != -1 {
		t.Error("a pipe has a user")
	}
}

// H11: strangers, however many, leave room for those who are ours.
func TestH11_RoomForFriends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Domains: []string{"y.test"}, Limits: Limits{Connections: 20, PerClient: -1}})
		for range 18 {
			w.dial("192.0.2.1").want("220")
		}
		w.dial("192.0.2.2").want("421 4.7.0 mx.test has too many connections,")
		w.dial("").want("220")
		w.dial("").want("220")
		w.dial("").want("421 4.7.0 mx.test has too many connections,")
		w.shut()
	})
}

// H11: ten thousand who come at once, each from elsewhere, are turned away beyond the limit, and nothing is kept of them.
func TestH11_TenThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Domains: []string{"y.test"}, Limits: Limits{Connections: 50}})
		for i := range 10_000 {
			want := "220"
			if i >= 45 {
				want = "421 4.7.0 mx.test has too many connections,"
			}
			c := w.dial(fmt.Sprintf("198.18.%d.%d", i/256, i%256))
			if c.want(want); i >= 45 {
				c.c.Close()
			}
		}
		w.dial("").want("220")
		w.server.mu.Lock()
		n, per := len(w.server.clients), len(w.server.per)
		w.server.mu.Unlock()
		if n != 46 || per != 46 {
			t.Errorf("%d clients, %d parties", n, per)
		}
		w.shut()
	})
}
