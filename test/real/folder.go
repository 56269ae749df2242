package real

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A folder of a Dovecot's user is named as the file system has it: modified UTF-7, with dots between the
// parts; "" is INBOX.

// PutIn puts a message into a folder of a user, which is made where it is missing. flags are those of
// Maildir: "S" seen, "T" marked as deleted; in order of the alphabet.
func (d *Dovecot) PutIn(user, folder, flags string, octets []byte) {
	d.t.Helper()
	d.User(user)
	dir := d.folder(user, folder)
	for _, sub := range []string{"", "new", "cur", "tmp"} {
		d.own(filepath.Join(dir, sub), os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	if folder != "" {
		mark := filepath.Join(dir, "maildirfolder")
		d.own(mark, os.WriteFile(mark, nil, 0o600))
	}
	name := fmt.Sprintf("%d.M%dP1.host", time.Now().Unix(), d.count.Add(1))
	tmp := filepath.Join(dir, "tmp", name)
	d.own(tmp, os.WriteFile(tmp, octets, 0o600))
	if err := os.Rename(tmp, filepath.Join(dir, "cur", name+":2,"+flags)); err != nil {
		d.t.Fatalf("%v", err)
	}
}

// own gives a file that was made to the user's owner.
func (d *Dovecot) own(path string, err error) {
	d.t.Helper()
	uid, gid := owner()
	if err == nil {
		err = os.Chown(path, uid, gid)
	}
	if err != nil {
		d.t.Fatalf("%v", err)
	}
}

func (d *Dovecot) folder(user, folder string) string {
	dir := filepath.Join(d.Dir, "mail", user)
	if folder != "" {
		dir = filepath.Join(dir, "."+folder)
	}
	return dir
}

// In returns the flags of the messages of a folder, by their Subject; nil: there is no such folder.
func (d *Dovecot) In(user, folder string) map[string]string {
	d.t.Helper()
	if _, err := os.Stat(d.folder(user, folder)); err != nil {
		return nil
	}
	found := map[string]string{}
	for _, sub := range []string{"new", "cur"} {
		dir := filepath.Join(d.folder(user, folder), sub)
		list, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			d.t.Fatalf("%v", err)
		}
		for _, f := range list {
			b, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				d.t.Fatalf("%v", err)
			}
			_, subject, _ := strings.Cut(string(b), "Subject: ")
			subject, _, _ = strings.Cut(strings.ReplaceAll(subject, "\r", ""), "\n")
			_, flags, _ := strings.Cut(f.Name(), ":2,")
			found[subject] = flags
		}
	}
	return found
}

// Flag gives another set of flags to a message, as another program would.
func (d *Dovecot) Flag(user, folder, subject, flags string) {
	d.t.Helper()
	dir := filepath.Join(d.folder(user, folder), "cur")
	list, err := os.ReadDir(dir)
	if err != nil {
		d.t.Fatalf("%v", err)
	}
	for _, f := range list {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		name, _, _ := strings.Cut(f.Name(), ":2,")
		if err == nil && strings.Contains(string(b), "Subject: "+subject+"\r\n") {
			err = os.Rename(filepath.Join(dir, f.Name()), filepath.Join(dir, name+":2,"+flags))
		}
		if err != nil {
			d.t.Fatalf("%v", err)
		}
	}
}
