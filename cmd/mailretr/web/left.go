package web

import (
	"slices"

	"mailretr/bounce"
	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store"
	"mailretr/store/mail"
)

// A left is a message that stays in the maildrop for a reason.
type left struct {
	UID, Kind, Word, Why string
	Todo                 string // what to do, or that there is nothing to do
	Subject              string // "": it is not shown
	Size                 int64
	Since, Next          moment
	Tries                int
	Button               bool // it may be fetched
}

// asides are the messages that are left in a maildrop for a reason, the oldest first.
func (v *visit) asides(name string) (all []left, more bool, err error) {
	m := v.maildrop(name)
	if m == nil {
		return nil, false, nil
	}
	account := accountOf(m)
	for a, err := range v.House.Queue.Asides(v.r.Context(), account) {
		switch {
		case err != nil:
			return nil, false, err
		case !v.mayRead(&a, name):
			continue
		case len(all) == maxWaiting:
			return all, true, nil
		}
		all = append(all, v.left(&a))
	}
	slices.SortFunc(all, func(a, b left) int { return a.Since.At.Compare(b.Since.At) })
	return all, false, nil
}

func accountOf(m *conf.Maildrop) mail.Account { return mail.AccountOf(m.Protocol, m.Host, m.User) }

// mayRead says whether a note of the account of a maildrop, which is his to see, is his as well. Notes belong to an account,
// and whoever writes an entry can name that of somebody else, with a password that is wrong. So it is what he has left himself:
// by this maildrop or another one of his. What was left under a name that nobody has any more is his where this maildrop has
// listed the account, and so has proved the password.
func (v *visit) mayRead(a *store.Aside, name string) bool {
	switch {
	case v.who.Admin || a.Maildrop == name:
		return true
	case v.maildrop(a.Maildrop) != nil || v.index().bad[a.Maildrop] != nil:
		return v.owns(a.Maildrop)
	}
	return v.House.Poller != nil && v.House.Poller.Listed(name) == a.Account
}

// ownerFetches are the kinds of notes that an owner may end. What waits for a budget costs what an admin has to allow.
var ownerFetches = []string{
	fetch.AsideRefused, fetch.AsideNotice, fetch.AsideBroken, fetch.AsideCut, fetch.AsideDeferred, fetch.AsideMute,
	fetch.AsideSender, fetch.AsideEnvelope,
}

func (v *visit) left(a *store.Aside) left {
	t := v.texts
	l := left{
		UID: string(a.UID), Kind: a.Kind, Why: a.Why, Size: a.Size, Since: v.moment(a.Since), Next: v.future(a.Next),
		Tries: a.Tries, Word: t.first("left."+a.Kind, "left.other"), Todo: t.first("lefttodo."+a.Kind, "lefttodo.other"),
		Button: a.Kind != store.AsideWanted && (v.who.Admin || slices.Contains(ownerFetches, a.Kind)),
	}
	if v.web.Subjects || v.who.Admin {
		l.Subject = bounce.Subject(a.Header)
	}
	return l
}
