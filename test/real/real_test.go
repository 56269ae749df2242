//go:build interop

package real

import (
	"fmt"
	"net/smtp"
	"testing"
	"time"
)

func TestServersWork(t *testing.T) {
	d := StartDovecot(t)
	d.Put("jaco", []byte("Subject: x\n\nbody\n"))
	if d.Count("jaco") != 1 {
		t.Error("not one message")
	}
	e := StartExim(t, Rules{})
	err := smtp.SendMail(fmt.Sprintf("127.0.0.1:%d", e.Port), nil, "a@example.org", []string{"jaco@kroon.co.za"}, []byte("Subject: x\r\n\r\nbody\r\n"))
	if err != nil {
		t.Fatal(err, e.Log())
	}
	defer func() {
		if t.Failed() {
			t.Log(e.Log())
		}
	}()
	Wait(t, 10*time.Second, "delivered by Exim", func() bool { return len(e.Delivered("jaco")) == 1 })
	t.Log(e.Delivered("jaco")[0])
}
