package signin

import (
	"context"
	"fmt"
	"strings"

	"mailretr/conf/ldap"
	"mailretr/store/mail"
)

// LDAPChanged are attributes that directories change with a password (OpenLDAP, Active Directory, FreeIPA, RFC 2307): where
// they may be read, who has got another one has to sign in again. Wanted of Login and Look, beside Name and Owner.
var LDAPChanged = []string{"pwdChangedTime", "pwdLastSet", "krbLastPwdChange", "shadowLastChange"}

// LDAP lets in who is in a directory and can log in there.
type LDAP struct {
	Login func(ctx context.Context, user, password string) (*ldap.Found, error) // of a ldap.Door
	Look  func(ctx context.Context, user string) (*ldap.Found, error)           // the same, without a password; nil: it is not asked
	Name  string                                                                // the attribute that says who it is, in lower case
	Owner string                                                                // that says whose maildrops are shown, in lower case
}

// Check is Checker.
func (l *LDAP) Check(ctx context.Context, user, password string) (Who, error) {
	if !Proper(user) || !Proper(password) {
		return Who{}, ErrRefused
	}
	found, err := l.Login(ctx, user, password)
	switch {
	case err != nil:
		return Who{}, away(err)
	case found == nil:
		return Who{}, ErrRefused
	}
	return l.who(user, found)
}

// who is who an entry is of.
func (l *LDAP) who(user string, found *ldap.Found) (Who, error) {
	names := found.Values[l.Name]
	if len(names) == 0 || !Proper(names[0]) {
		return Who{}, away(fmt.Errorf("the entry %s has no attribute %s", mail.Printable(found.DN, 200), l.Name))
	}
	who := Who{Name: names[0], Owners: found.Values[l.Owner], Admin: found.Marked}
	if len(who.Owners) == 0 {
		who.Owners = names
	}
	about := []string{found.DN}
	for _, a := range LDAPChanged {
		about = append(about, strings.Join(found.Values[strings.ToLower(a)], " "))
	}
	who.asked, who.mark = user, markOf(about...)
	return who, nil
}

// Recheck is Rechecker: whether the entry is still found, and is the one of then.
func (l *LDAP) Recheck(ctx context.Context, then Who) (Who, error) {
	if l.Look == nil {
		return Who{}, ErrUnasked
	}
	found, err := l.Look(ctx, then.asked)
	switch {
	case err != nil:
		return Who{}, away(err)
	case found == nil:
		return Who{}, ErrRefused
	}
	now, err := l.who(then.asked, found)
	if err != nil {
		return Who{}, err
	}
	return now, now.same(then)
}
