package signin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"mailretr/relay/passwd"
)

// SQL lets in who is in a table with a password, as mail servers and panels have one.
//
// The query finds the rows of a user, in columns of these names, of which the first two are needed: user is the name as the
// table has it, which counts from then on and not what was typed, since databases take an é for an e, and blanks at the end
// for nothing; password is what is kept of the password; owner is whose maildrops are shown, several in several rows or with
// commas, without it the user's; admin is true for an admin. Two rows with different users or passwords let nobody in.
type SQL struct {
	// Find returns the rows for a name that was typed: a sql.Lookup does.
	Find   func(ctx context.Context, user string) ([]map[string]string, error)
	Scheme string // of passwords without one; see passwd.ParseStored

	bench bench
	last  atomic.Pointer[passwd.Hash] // that was in the table: to be as busy with for who is not
}

// NewSQL returns such a back end.
func NewSQL(find func(context.Context, string) ([]map[string]string, error), scheme string) *SQL {
	return &SQL{Find: find, Scheme: scheme, bench: newBench()}
}

// Check is Checker.
func (s *SQL) Check(ctx context.Context, user, password string) (Who, error) {
	who, kept, err := s.look(ctx, user)
	if errors.Is(err, ErrRefused) {
		return s.nobody(ctx, password)
	}
	if err != nil {
		return Who{}, err
	}
	h, err := passwd.ParseStored(kept, s.Scheme)
	if err != nil {
		return Who{}, away(fmt.Errorf("the password of %q cannot be used: %w", who.Name, err))
	}
	s.last.Store(&h)
	right, err := s.bench.check(ctx, h, password)
	switch {
	case err != nil:
		return Who{}, err
	case !right:
		return Who{}, ErrRefused
	}
	return who, nil
}

// look asks the table for a user, and what is kept of the password. ErrRefused: there is none, or one without a password.
func (s *SQL) look(ctx context.Context, user string) (who Who, kept string, err error) {
	rows, err := s.Find(ctx, user)
	if err != nil {
		return Who{}, "", away(err)
	}
	if len(rows) == 0 {
		return Who{}, "", ErrRefused
	}
	who, kept, err = s.read(rows)
	if err != nil {
		return Who{}, "", away(err)
	}
	if locked(kept) {
		return Who{}, "", ErrRefused
	}
	who.asked, who.mark = user, markOf(kept)
	return who, kept, nil
}

// Recheck is Rechecker.
func (s *SQL) Recheck(ctx context.Context, then Who) (Who, error) {
	now, _, err := s.look(ctx, then.asked)
	if err != nil {
		return Who{}, err
	}
	return now, now.same(then)
}

// nobody is what becomes of a user that is not there.
func (s *SQL) nobody(ctx context.Context, password string) (Who, error) {
	if h := s.last.Load(); h != nil {
		if _, err := s.bench.check(ctx, *h, password); err != nil {
			return Who{}, err
		}
	}
	return Who{}, ErrRefused
}

// read says who the rows are of, and what is kept of the password.
func (s *SQL) read(rows []map[string]string) (who Who, kept string, err error) {
	who.Name, kept = rows[0]["user"], rows[0]["password"]
	if _, ok := rows[0]["user"]; !ok || !Proper(who.Name) {
		return Who{}, "", errors.New("the query finds no user; name a column so (AS)")
	}
	for _, row := range rows {
		if row["user"] != who.Name || row["password"] != kept {
			return Who{}, "", errors.New("the query finds several users")
		}
		for one := range strings.SplitSeq(row["owner"], ",") {
			if one = strings.TrimSpace(one); one != "" && !slices.Contains(who.Owners, one) {
				who.Owners = append(who.Owners, one)
			}
		}
		who.Admin = who.Admin || truth(row["admin"])
	}
	if who.Owners == nil {
		who.Owners = []string{who.Name}
	}
	return who, kept, nil
}

// truth says what databases say.
func truth(s string) bool {
	return slices.Contains([]string{"1", "t", "true", "y", "yes"}, strings.ToLower(s))
}

// locked says whether this is no password but a sign that there is none: NULL, nothing, or what shadow(5) has.
func locked(kept string) bool { return kept == "" || strings.ContainsRune("!*", rune(kept[0])) }
