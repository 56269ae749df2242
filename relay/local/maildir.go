package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A Maildir is where NewMaildir delivers.
type Maildir struct {
	Options
	// Path is a template: "/srv/mail/{domain}/{local}", "~/Maildir".
	Path string
	// Create says that a mailbox that is not there is made; else its recipient is unknown.
	Create bool
	// Keep puts mail into a subfolder that is called as the one it was collected from (Options.Folder).
	Keep bool
}

// NewMaildir makes a client that delivers into Maildirs.
func NewMaildir(o Maildir) (*Client, error) {
	return newClient(o.Options, func(c *Client) (box, error) {
		p, err := newPlace(o.Path)
		return &maildir{Client: c, place: p, create: o.Create, keep: o.Keep}, err
	})
}

type maildir struct {
	*Client
	place
	create, keep bool
}

func (b *maildir) whole() bool { return false }

// turn is none: each message is a file of its own.
func (b *maildir) turn(*target) string { return "" }

func (b *maildir) find(t *target) error { return b.settle(t, b.place, b.create) }

// look says whether the Maildir is there, or could be made.
func (b *maildir) look(t *target) error {
	return t.who.do(func() error {
		if err := t.standing(); err != nil {
			return err
		}
		fi, err := os.Stat(t.path)
		if err == nil && !fi.IsDir() {
			err = &fs.PathError{Op: "stat", Path: t.path, Err: syscall.ENOTDIR}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if link, e := os.Lstat(t.path); e == nil && link.Mode()&fs.ModeSymlink != 0 {
			return err // a link to what is not there now, perhaps on a disk that is not mounted: nobody is unknown
		}
		if b.create {
			return nil
		}
		return missing()
	})
}

// put writes into tmp, syncs, links into new under the name that the queue id gives, and syncs new. The
// link fails where the name is there, and readers see nothing before it.
func (b *maildir) put(_ context.Context, t *target, r io.Reader) error {
	r, stop := t.who.pumped(r)
	defer stop()
	return t.who.do(func() error {
		dir, err := b.open(t)
		if err != nil {
			return err
		}
		defer dir.Close()
		name := nameOf(t, b.host)
		if t.again {
			if there, err := delivered(dir, name); err != nil || there {
				return err
			}
		}
		sweep(dir, b.now())
		return deposit(dir, name, r)
	})
}

// open opens the Maildir of a target, and makes what is missing. Everything below is reached through it and
// never leaves it, whatever is exchanged for a link meanwhile.
func (b *maildir) open(t *target) (*os.Root, error) {
	if err := t.standing(); err != nil {
		return nil, err
	}
	if b.create {
		if err := makeAll(t.base, t.path); err != nil {
			return nil, err
		}
	}
	dir, err := os.OpenRoot(t.path)
	if err != nil {
		return nil, err
	}
	if err := b.furnish(dir); err != nil {
		dir.Close()
		return nil, err
	}
	sub := ""
	if b.keep {
		sub = folderName(t.words["folder"])
	}
	if sub == "" {
		return dir, nil
	}
	defer dir.Close()
	return b.sub(dir, sub)
}

// sub opens a folder of a Maildir++, a Maildir whose name begins with a dot, and makes it.
func (b *maildir) sub(dir *os.Root, name string) (*os.Root, error) {
	made, err := mkdir(dir, name)
	if err != nil {
		return nil, err
	}
	sub, err := dir.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	err = b.furnish(sub)
	if err == nil && made { // tells deliverers of Courier that the mailbox is one level up
		var f *os.File
		if f, err = sub.OpenFile("maildirfolder", os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			err = f.Close()
		}
	}
	if err != nil {
		sub.Close()
		return nil, err
	}
	return sub, nil
}

// furnish makes the three directories of a Maildir.
func (b *maildir) furnish(dir *os.Root) error {
	any := false
	for _, name := range []string{"tmp", "new", "cur"} {
		made, err := mkdir(dir, name)
		if err != nil {
			return err
		}
		any = any || made
	}
	if any {
		return syncDir(dir, ".")
	}
	return nil
}

// mkdir makes one directory, for its owner alone.
func mkdir(dir *os.Root, name string) (made bool, err error) {
	if fi, err := dir.Stat(name); err == nil && fi.IsDir() {
		return false, nil
	}
	err = dir.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return false, nil // somebody else made it, or it is something else: using it tells
	}
	return err == nil, err
}

// makeAll makes the directories from base down to path, each durable in the one above.
func makeAll(base, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if above := filepath.Dir(path); above != base && len(above) > len(base) {
		if err := makeAll(base, above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncPath(filepath.Dir(path))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil // may be entered and not read: nothing to sync it by
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func syncDir(dir *os.Root, name string) error {
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// deposit makes the message appear in new. After an error it is not there.
func deposit(dir *os.Root, name string, r io.Reader) error {
	tmp := filepath.Join("tmp", unique(name))
	f, err := dir.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer dir.Remove(tmp)
	sizes, err := fill(f, r)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	final := filepath.Join("new", name+sizes)
	if err := link(dir, tmp, final); err != nil {
		return err
	}
	if err := syncDir(dir, "new"); err != nil {
		dir.Remove(final)
		return err
	}
	return nil
}

// fill writes the message with LF, syncs it, and says the sizes as Maildir++ has them in names.
func fill(f *os.File, r io.Reader) (sizes string, err error) {
	u := &lf{to: f}
	n, err := io.CopyBuffer(struct{ io.Writer }{u}, struct{ io.Reader }{r}, make([]byte, 64<<10))
	if err == nil {
		err = u.end()
	}
	if err == nil {
		err = f.Sync()
	}
	return sizesOf(u.n, n), err
}

// link gives the file its name. Where the file system has no links it is renamed, which is as good as long
// as nobody else makes names out of our ids.
func link(dir *os.Root, from, to string) error {
	err := dir.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil // the same id and the same octets: it is this message
	}
	if !linkless(err) {
		return err
	}
	if _, err := dir.Lstat(to); err == nil {
		return nil
	}
	return dir.Rename(from, to)
}

// oldest is how long an unfinished delivery may lie in tmp, by the convention of Maildir.
const oldest = 36 * time.Hour

// sweep removes what deliveries have left in tmp that never came to their end. A Maildir that cannot be
// swept can be delivered into all the same, and one that cannot be delivered into says so itself.
func sweep(dir *os.Root, now time.Time) {
	f, err := dir.Open("tmp")
	if err != nil {
		return
	}
	defer f.Close()
	list, err := f.ReadDir(1000)
	if err != nil {
		return
	}
	for _, e := range list {
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() && now.Sub(fi.ModTime()) > oldest {
			_ = dir.Remove(filepath.Join("tmp", e.Name()))
		}
	}
}
