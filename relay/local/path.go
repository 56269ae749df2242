package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
		if t.who == nil || t.who.home == "" {
			return "", "", failed("5.1.1", "550 5.1.1 there is no mailbox for this address", errors.New("no home directory"))
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
// configuration has a mistake: nothing is made then.
func standing(base string) error {
	fi, err := os.Stat(base)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !fi.IsDir() {
		return lane("a directory of the mailboxes is missing", fmt.Errorf("%s is no directory: is a disk not mounted?", base))
	}
	return err
}

// owner returns the owner of a path, or of the nearest directory above it that is there. A link that is not
// root's leads nowhere: whoever made it would choose whose rights we take.
func owner(path string) (uid int, err error) {
	names := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	at := "/"
	for i := 0; ; i++ {
		fi, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && i > 0:
			return uid, nil
		case err != nil:
			return 0, err
		}
		uid = ownerOf(fi)
		if fi.Mode()&fs.ModeSymlink != 0 {
			if uid != 0 {
				return 0, lane("a mailbox is behind a link that is not root's", fmt.Errorf("%s is a link", at))
			}
			to, err := filepath.EvalSymlinks(at)
			if err != nil {
				return 0, err
			}
			if at != to { // what root has linked is looked at by its own name
				return owner(filepath.Join(append([]string{to}, names[i:]...)...))
			}
		}
		if i == len(names) {
			return uid, nil
		}
		at = filepath.Join(at, names[i])
	}
}

// settle decides whose rights a delivery into a file has, and where the file is.
func (c *Client) settle(t *target, p place) error {
	w, err := c.named(t)
	if err != nil {
		return err
	}
	if w == nil && !root() {
		if w, err = ourselves(c.o.Group); err != nil {
			return err
		}
	}
	t.who = w
	if w != nil {
		t.words["user"] = w.name
	}
	if t.path, t.base, err = p.of(t); err != nil || w != nil {
		return err
	}
	if err := standing(t.base); err != nil {
		return err
	}
	uid, err := owner(t.path)
	if err != nil {
		return err
	}
	if uid == 0 {
		return lane("mail is not delivered with the rights of root", fmt.Errorf("%s belongs to root: no user is written for it", t.path))
	}
	t.who, err = byNumber(uid, c.o.Group)
	return err
}

// missing is the result for a mailbox that is not there and is not to be made.
func missing() error {
	return &refusal{mail.Result{Outcome: mail.Failed, Enhanced: "5.1.1", Reply: "550 5.1.1 no such mailbox here"}}
}
