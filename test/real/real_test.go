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

func TestPostfixWorks(t *testing.T) {
	p := StartPostfix(t, "")
	err := smtp.SendMail(fmt.Sprintf("127.0.0.1:%d", p.Port), nil, "a@example.org", []string{"jaco@kroon.co.za"}, []byte("Subject: x\r\n\r\nbody\r\n"))
	defer func() {
		if t.Failed() {
			t.Log(p.Log())
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	Wait(t, 10*time.Second, "delivered by Postfix", func() bool { return len(p.Delivered()) == 1 })
}
