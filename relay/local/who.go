package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"
)

// who is a user of this machine with whose rights something is done.
type who struct {
	name, home string
	uid, gid   int
	groups     []int
	more       int  // of them, the one that the destination has; 0: none
	self       bool // it is what we are: there is nothing to change
}

// root says whether we may take the rights of others.
func root() bool { return os.Geteuid() == 0 }

// ourselves is the user that we run as.
func ourselves(group string) (*who, error) {
	w, err := byNumber(os.Geteuid(), group)
	if err != nil {
		return nil, err
	}
	w.self = true
	return w, w.joined(group)
}

// joined says whether we are in the group of the destination, where we cannot become it.
func (w *who) joined(group string) error {
	if group == "" || root() {
		return nil
	}
	have, err := os.Getgroups()
	if err != nil {
		return err
	}
	if w.more == os.Getegid() || slices.Contains(have, w.more) {
		return nil
	}
	return lane("only root can deliver with another group", fmt.Errorf(
		"we are not in %s: run mailretr as root, put its user into that group, or take group: away", group))
}

// lookup finds a user by name. written says that the admin wrote the name itself, which may then be root.
func lookup(name, group string, written bool) (*who, error) {
	u, err := user.Lookup(name)
	var unknown user.UnknownUserError
	switch {
	case errors.As(err, &unknown) && written:
		return nil, lane("the user of the destination does not exist", err)
	case errors.As(err, &unknown):
		return nil, failed("5.1.1", "550 5.1.1 no such user here", err)
	case err != nil:
		return nil, deferred("4.3.0", "451 4.3.0 users cannot be looked up now", err)
	}
	w, err := account(u, group)
	switch {
	case err != nil:
		return nil, err
	case w.uid == 0 && !written:
		return nil, deferred("4.3.5", "451 4.3.5 mail is not delivered with the rights of root",
			errors.New("the recipient is root: give its mail to somebody else"))
	case w.uid == os.Geteuid():
		w.self = w.uid != 0 || group == ""
		return w, w.joined(group)
	case !root():
		const words = "only root can deliver for other users"
		why := fmt.Errorf("we are user %d and not %s: run mailretr as root, or take user: away", os.Geteuid(), u.Username)
		if written {
			return nil, lane(words, why)
		}
		return nil, deferred("4.3.5", "451 4.3.5 "+words, why) // one of them may be us
	}
	return w, nil
}

// byNumber finds a user by number; one without a name is good for files.
func byNumber(uid int, group string) (*who, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	var unknown user.UnknownUserIdError
	if errors.As(err, &unknown) {
		n := strconv.Itoa(uid)
		u, err = &user.User{Uid: n, Gid: n, Username: n}, nil
	}
	if err != nil {
		return nil, deferred("4.3.0", "451 4.3.0 users cannot be looked up now", err)
	}
	w, err := account(u, group)
	if err == nil && uid == os.Geteuid() {
		w.self = uid != 0 || group == ""
	}
	return w, err
}

// account makes numbers of names.
func account(u *user.User, group string) (*who, error) {
	fail := func(err error) (*who, error) {
		return nil, deferred("4.3.0", "451 4.3.0 users cannot be looked up now", err)
	}
	w := &who{name: u.Username, home: u.HomeDir}
	var err error
	if w.uid, err = strconv.Atoi(u.Uid); err != nil {
		return fail(err)
	}
	if w.gid, err = strconv.Atoi(u.Gid); err != nil {
		return fail(err)
	}
	w.groups = []int{w.gid}
	ids, err := u.GroupIds()
	if err != nil && u.Username != u.Uid {
		return fail(err)
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return nil, lane("the group of the destination does not exist", err)
		}
		if w.more, err = strconv.Atoi(g.Gid); err != nil {
			return fail(err)
		}
		ids = append(ids, g.Gid)
	}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return fail(err)
		}
		if !slices.Contains(w.groups, n) {
			w.groups = append(w.groups, n)
		}
	}
	return w, nil
}

// credential is what a program is started with; nil: as we are.
func (w *who) credential() *syscall.Credential {
	if w.self {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.gid)}
	for _, g := range w.groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

// ownerOf is the owner of a file; -1 where the system has none.
func ownerOf(fi fs.FileInfo) int {
	if s, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}
