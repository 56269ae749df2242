package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailretr/store/mail"
)

// A place is the template of a path: what comes before the directory of its first word has to be there, the
// rest is made.
type place struct {
	template
	home bool // it begins with ~/
}

func newPlace(text string) (place, error) {
	rest, home := strings.CutPrefix(text, "~/")
	t, err := parse(rest, "path", pathWords)
	if err == nil && !home && !filepath.IsAbs(text) {
		err = fmt.Errorf("%q is no absolute path", text)
	}
	return place{t, home}, err
}

// of says where the mailbox of a recipient is, and how much of that is the admin's own.
func (p place) of(t *target) (path, base string, err error) {
	path, err = p.expand(t.words, nameSafe)
	if err == nil && p.hollow(path) {
		err = errors.New("the path would have an empty name in it")
	}
	if err != nil {
		return "", "", failed("5.1.1", "550 5.1.1 there is no mailbox for this address", err)
	}
	base = filepath.Dir(filepath.Clean("/" + path))
	if len(p.used) > 0 {
		base = "/"
		if len(p.list) > 0 && p.list[0].word == "" {
			text := p.list[0].text
			base = filepath.Clean("/" + text[:strings.LastIndexByte(text, '/')+1])
		}
	}
	path = filepath.Clean("/" + path)
	if p.home {
		if t.who.home == "" {
			return "", "", deferred("4.2.1", "451 4.2.1 the user has no home directory", nil)
		}
		path, base = filepath.Join(t.who.home, path), t.who.home
	}
	if len(path) > 4000 {
		return "", "", failed("5.1.1", "550 5.1.1 there is no mailbox for this address", errors.New("the path is too long"))
	}
	return path, base, nil
}

// hollow says whether a word without a value has left an empty name.
func (p place) hollow(path string) bool {
	return len(p.used) > 0 && (strings.Contains(path, "//") || strings.HasSuffix(path, "/"))
}

// standing says whether the admin's part of a path is there. Where it is not, a disk is not mounted, or the
// configuration has a mistake: nothing is made then. That a user has no home stops nobody else's mail.
func (t *target) standing() error {
	fi, err := os.Stat(t.base)
	if err == nil && fi.IsDir() || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = fmt.Errorf("%s is no directory: is a disk not mounted?", t.base)
	if t.home {
		return deferred("4.2.1", "451 4.2.1 the user's home directory is missing", err)
	}
	return lane("a directory of the mailboxes is missing", err)
}

// owner returns the owner of a path, or of the nearest directory above it that is there. A link that is not
// root's leads nowhere: whoever made it would choose whose rights we take. Each name is looked up in the
// directory that was looked at before, which nobody can exchange for a link meanwhile.
func owner(path string) (uid int, err error) {
	names := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	in, err := walk()
	if err != nil {
		return 0, err
	}
	defer func() { in.close() }()
	for i := 0; i < len(names) && names[0] != ""; i++ {
		at := "/" + strings.Join(names[:i+1], "/")
		found, link, err := in.enter(names[i])
		switch {
		case errors.Is(err, fs.ErrNotExist) && i > 0:
			return uid, nil
		case err != nil:
			return 0, &fs.PathError{Op: "open", Path: at, Err: err}
		}
		if uid = found; !link {
			continue
		}
		if uid != 0 {
			return 0, deferred("4.2.1", "451 4.2.1 the mailbox is behind a link", fmt.Errorf("%s is a link that is not root's", at))
		}
		to, err := filepath.EvalSymlinks(at)
		if err != nil {
			return 0, err
		}
		// What root has linked is looked at by its own name.
		return owner(filepath.Join(append([]string{to}, names[i+1:]...)...))
	}
	return uid, nil
}

// settle decides whose rights a delivery into a file has, and where the file is. create says that one that is
// missing would be made.
func (c *Client) settle(t *target, p place, create bool) error {
	w, err := c.named(t)
	if err != nil {
		return err
	}
	if w == nil && !root() {
		if w, err = ourselves(c.o.Group); err != nil {
			return err
		}
	}
	t.who, t.home = w, p.home
	switch {
	case w != nil:
		t.words["user"] = w.name
	case p.home || slices.Contains(p.used, "user"):
		return lane("it is not known whose mailbox it is", fmt.Errorf("no user is written for %s", p.text))
	}
	if t.path, t.base, err = p.of(t); err != nil || w != nil {
		return err
	}
	if err := t.standing(); err != nil {
		return err
	}
	uid, err := owner(t.path)
	if err != nil {
		return err
	}
	if uid == 0 {
		return roots(t, p, create)
	}
	t.who, err = byNumber(uid, c.o.Group)
	return err
}

// roots is the result where a mailbox would be root's. Who chooses it by an address stops nobody else's mail.
func roots(t *target, p place, create bool) error {
	const words = "mail is not delivered with the rights of root"
	why := fmt.Errorf("%s belongs to root, or would: no user is written for it", t.path)
	if len(p.used) == 0 {
		return lane(words, why)
	}
	if _, err := os.Lstat(t.path); errors.Is(err, fs.ErrNotExist) && !create {
		return missing()
	}
	return deferred("4.3.5", "451 4.3.5 "+words, why)
}

// missing is the result for a mailbox that is not there and is not to be made.
func missing() error {
	return &refusal{mail.Result{Outcome: mail.Failed, Enhanced: "5.1.1", Reply: "550 5.1.1 no such mailbox here"}}
}
