package signin

import (
	"context"
	"fmt"

	"mailretr/conf/ldap"
	"mailretr/store/mail"
)

// LDAP lets in who is in a directory and can log in there.
type LDAP struct {
	Login func(ctx context.Context, user, password string) (*ldap.Found, error) // of a ldap.Door
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
	names := found.Values[l.Name]
	if len(names) == 0 || !Proper(names[0]) {
		return Who{}, away(fmt.Errorf("the entry %s has no attribute %s", mail.Printable(found.DN, 200), l.Name))
	}
	who := Who{Name: names[0], Owners: found.Values[l.Owner], Admin: found.Marked}
	if len(who.Owners) == 0 {
		who.Owners = names
	}
	return who, nil
}
