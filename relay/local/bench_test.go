package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/store/mail"
)

// BenchmarkDeliver delivers messages of 5 KB, each synced, one after the other: as ourselves, and with the rights of
// another user where we are root.
func BenchmarkDeliver(b *testing.B) {
	users := map[string]string{"ourselves": me(b)}
	if os.Geteuid() == 0 {
		users["another"] = "nobody"
	}
	for who, name := range users {
		dir := b.TempDir()
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			must(b, os.Chmod(d, 0o777))
		}
		o := options(b)
		o.User = name
		for kind, c := range map[string]*Client{
			"maildir": open(b)(NewMaildir(Maildir{Options: o, Path: dir + "/maildir", Create: true})),
			"mbox":    open(b)(NewMbox(Mbox{Options: o, Path: dir + "/mbox", Create: true})),
			"command": open(b)(NewCommand(Command{Options: o, Argv: []string{"/bin/cat"}})),
		} {
			b.Run(kind+" as "+who, func(b *testing.B) {
				text := "Subject: x\r\n\r\n" + strings.Repeat("a line of a message, as they come\r\n", 150)
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					m := message(text, "one@x.example")
					m.ID = mail.NewID(m.Queued, nil)
					if r := c.Deliver(b.Context(), m); !r.Done(1) {
						b.Fatal(r)
					}
				}
			})
		}
	}
}
