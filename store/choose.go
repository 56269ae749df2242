package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"mailretr/store/mail"
)

// First says what to do with mail that is already there when a maildrop is collected from for the first time.
type First uint8

const (
	FirstAll  First = iota // collect it
	FirstNew               // leave it where it is
	FirstSome              // leave what Listing.Old says
)

// A Listing is what a session found, and what the configuration says of the maildrop.
type Listing struct {
	Maildrop string // its name in the configuration
	Account  mail.Account
	UIDs     []mail.UID
	Complete bool     // the server's own count agrees
	Folders  []string // IMAP: the folders that the listing covers; nil where there are none
	Copies   bool     // one message may be listed under several UIDs (labels): a new UID proves nothing

	First First
	Old   func(mail.UID) bool // FirstSome: it is too old to be wanted; nil: nothing is

	Lets     bool                 // what was taken is let go of (after: delete, or move), else it is kept
	Stays    bool                 // letting go leaves it there (after: seen): see [Queue.Stay]
	Days     int                  // not before so many whole days; 0: at once
	Above    int64                // octets; smaller ones are kept; 0: none is
	Size     func(mail.UID) int64 // as announced now; negative: not known. nil: never known
	Settings string               // hash of what aside notes depend on
	Hasten   string               // aside notes of this kind do not hold

	renumbered bool // nothing of what is kept is named: a UID proves nothing
}

// Chosen says what a session shall do and why the rest is left.
type Chosen struct {
	mail.Choice

	// Pause says that nothing may be collected until somebody has decided: a sentence for people. Ask says
	// what.
	Pause string
	Ask   Ask

	Known, Kept int     // left: not meant to be collected; collected and kept
	Later       int     // left: taken, and to be let go of when its days are over
	Confirm     int     // of Kept: to be let go of as soon as somebody says so, see [Queue.Follow]
	Aside       []Aside // left, each with its reason
	Fresh       bool    // this was the first contact
}

// Ask is what somebody has to decide.
type Ask uint8

const (
	AskNothing Ask = iota
	AskAdopt       // the account of a maildrop is another: mailretr seen adopt
	AskAccept      // the database was rebuilt: mailretr seen accept
	AskAgain       // the first listing was incomplete: the next session decides
)

// contact is what is known of an account, besides its marks.
type contact struct {
	Maildrop string               `cbor:"1,keyasint"`
	First    time.Time            `cbor:"2,keyasint"`
	Listed   time.Time            `cbor:"3,keyasint"` // last complete listing that was noted
	Former   []mail.Account       `cbor:"4,keyasint,omitempty"`
	Doubt    time.Time            `cbor:"5,keyasint,omitempty"`  // until then a UID alone proves nothing
	Spaces   map[string]time.Time `cbor:"6,keyasint,omitempty"`  // folder/uidvalidity; until when it is doubted
	Follow   bool                 `cbor:"7,keyasint,omitempty"`  // what was kept may be let go of
	Short    int                  `cbor:"8,keyasint,omitempty"`  // first listings that were incomplete
	Accepted time.Time            `cbor:"9,keyasint,omitempty"`  // seen accept
	Left     bool                 `cbor:"10,keyasint,omitempty"` // mail was left at first contact
}

const (
	keyContact = "contact"
	keyAccount = "account"

	// forgetAfter is how long a mark is kept that complete listings do not name, and how long a UID is
	// doubted.
	forgetAfter = 30 * 24 * time.Hour
	// shortTries is how many incomplete first listings are waited out before old mail is told from new by
	// one of them.
	shortTries = 3
)

// A Rebuilder (optional on an Engine) says whether it has ever lost its database and built it again, and
// when.
type Rebuilder interface {
	Rebuilt() (at time.Time, ok bool)
}

// Choose sorts a listing by the marks into what to fetch, what to let go of and what to leave. It notes the
// first contact with an account, and forgets marks that complete listings have not named for 30 days. The
// answer may lead to deletions only after [Queue.Confirm].
func (q *Queue) Choose(ctx context.Context, l Listing) (Chosen, error) {
	c, known, err := q.contact(ctx, l.Account)
	if err != nil {
		return Chosen{}, local(err, "")
	}
	q.memory.reset(l.Account, c.Former, l.Folders)
	pause, ask, err := q.paused(ctx, &l, &c, known)
	switch {
	case err != nil:
		return Chosen{}, local(err, "")
	case ask != AskNothing:
		return Chosen{Pause: pause, Ask: ask}, nil
	}
	marks, err := q.Engine.Marks(ctx, l.Account, l.UIDs)
	if err != nil {
		return Chosen{}, local(err, "")
	}
	if !known && !l.Complete && l.First != FirstAll && c.Short < shortTries {
		return q.short(ctx, &l, c)
	}
	if !known || c.strange(&l) {
		if err := q.first(ctx, &l, &c, marks); err != nil {
			return Chosen{}, local(err, "")
		}
	}
	fresh := c.spaces(&l, q.now())
	q.memory.met(l.Account, c.once(&l))
	if c.Follow && (!l.Lets || l.Stays) { // what is kept from now on was not meant
		c.Follow, fresh = false, true
	}
	if l.renumbered, err = q.renumbered(ctx, &l, marks); err != nil {
		return Chosen{}, local(err, "")
	}
	all, err := q.sort(ctx, &l, &c, marks)
	if err != nil {
		return Chosen{}, local(err, "")
	}
	all.Fresh = !known
	if err := q.recallLeft(ctx, &l, &c, len(all.Check) > 0); err != nil {
		return Chosen{}, local(err, "")
	}
	if err := q.listed(ctx, &l, &c, marks, fresh); err != nil {
		return Chosen{}, local(err, "")
	}
	return all, nil
}

// paused says whether somebody has to decide before anything is collected.
func (q *Queue) paused(ctx context.Context, l *Listing, c *contact, known bool) (string, Ask, error) {
	if e, ok := q.Engine.(Rebuilder); ok {
		// What is new in the configuration half a year after a rebuild has nothing to do with it.
		at, ok := e.Rebuilt()
		stays := !l.Lets || l.First != FirstAll
		if ok && stays && at.After(c.Accepted) && at.After(c.First) && q.now().Sub(at) < 6*forgetAfter {
			return "the database was rebuilt; what this maildrop leaves upstream might be collected again: " +
				"look at its marks, then say: mailretr seen accept " + l.Maildrop, AskAccept, nil
		}
	}
	if known {
		return "", 0, nil
	}
	former, err := q.accountOf(ctx, l.Maildrop)
	if err != nil || former == "" || former == l.Account {
		return "", 0, err
	}
	return "this maildrop had another server or user before: if it holds the same mail, say: " +
		"mailretr seen adopt " + l.Maildrop + "; if it is another one, give it another name", AskAdopt, nil
}

// short notes that a first listing was incomplete. Old mail cannot be told from new by it.
func (q *Queue) short(ctx context.Context, l *Listing, c contact) (Chosen, error) {
	c.Short++
	err := q.commit(ctx, &Batch{Notes: []Note{contactNote(l.Account, &c)}})
	if err != nil {
		return Chosen{}, local(err, "")
	}
	const why = "the first listing is incomplete, so old mail cannot be told from new; it is tried again"
	return Chosen{Ask: AskAgain, Pause: why}, nil
}

// strange says whether a maildrop whose old mail is not all wanted lists folders of a known account that
// nobody has listed before: another maildrop has others of it. After an Accept or Adopt nothing follows from
// that.
func (c *contact) strange(l *Listing) bool {
	if l.First == FirstAll || len(c.Spaces) == 0 || !c.Accepted.IsZero() || !l.Complete {
		return false
	}
	met := c.folders()
	return slices.ContainsFunc(l.Folders, func(f string) bool { return !met[f] })
}

// folders are those that were listed with something in them.
func (c *contact) folders() map[string]bool {
	met := map[string]bool{}
	for s := range c.Spaces {
		met[folderOf(s)] = true
	}
	return met
}

// folderOf returns the folder of folder/uidvalidity.
func folderOf(space string) string { return space[:max(strings.LastIndexByte(space, '/'), 0)] }

// first makes the first contact, with an account or with a folder of it: marks what is not wanted, and the
// note that it was made, in one commit.
func (q *Queue) first(ctx context.Context, l *Listing, c *contact, marks []Seen) error {
	c.Maildrop = l.Maildrop
	if c.First.IsZero() {
		c.First = q.now()
	}
	met := c.folders()
	b := &Batch{Notes: []Note{maildropNote(l.Maildrop, l.Account)}}
	today := day(q.now())
	for i := range marks {
		if s := spaceOf(l.UIDs[i], l.Folders); s != "" && met[folderOf(s)] {
			continue
		}
		old := l.First == FirstNew || l.First == FirstSome && l.Old != nil && l.Old(l.UIDs[i])
		if marks[i].Mark != Unseen || !old {
			continue
		}
		marks[i] = Seen{Account: l.Account, UID: l.UIDs[i], Mark: Known, Day: today, Spot: marks[i].Spot}
		b.Seen = append(b.Seen, marks[i])
		c.Left = true
	}
	for _, u := range l.UIDs {
		if s := spaceOf(u, l.Folders); s != "" {
			c.space(s, time.Time{})
		}
	}
	b.Notes = append(b.Notes, contactNote(l.Account, c))
	return q.commit(ctx, b)
}

// sort applies the marks.
func (q *Queue) sort(ctx context.Context, l *Listing, c *contact, marks []Seen) (all Chosen, err error) {
	asides, sum := map[mail.UID]Aside{}, pile{}
	for a, err := range q.Asides(ctx, l.Account) {
		if err != nil {
			return all, err
		}
		asides[a.UID] = a
		sum.add(&a)
	}
	q.memory.piled(l.Account, sum)
	now := q.now()
	have := make(map[mail.UID]bool, len(l.UIDs))
	for i, u := range l.UIDs {
		if u == "" || have[u] {
			continue // no identity: kinds make one of the content
		}
		have[u] = true
		if a, ok := asides[u]; ok {
			q.memory.aside(l.Account, u)
			hastened := l.Hasten != "" && a.Kind == l.Hasten
			if a.Settings == l.Settings && a.waits(now) && marks[i].Mark == Unseen && !hastened {
				all.Aside = append(all.Aside, a)
				if all.Next.IsZero() || a.Next.Before(all.Next) {
					all.Next = a.Next
				}
				continue
			}
			if a.Kind == AsideWanted && marks[i].Mark == Unseen {
				all.Wanted = append(all.Wanted, u)
			}
			if len(a.Header) > 0 {
				all.paid(u, a)
			}
		}
		q.one(&all, l, c, u, marks[i], now)
	}
	return all, nil
}

// paid passes on what is here of a message already.
func (c *Chosen) paid(u mail.UID, a Aside) {
	if c.Headers == nil {
		c.Headers = map[mail.UID]mail.Head{}
	}
	c.Headers[u] = mail.Head{Octets: a.Header, Size: a.Size}
}

// one decides about one message.
func (q *Queue) one(all *Chosen, l *Listing, c *contact, u mail.UID, m Seen, now time.Time) {
	other := l.Size != nil && m.Size > 0 && l.Size(u) >= 0 && l.Size(u) != m.Size
	switch {
	case m.Mark == Unseen && !l.Copies && !l.renumbered && !byContent(u) && !c.doubts(spaceOf(u, l.Folders), now):
		all.Fetch = append(all.Fetch, u)
	case m.Mark == Unseen, other, m.Mark == LetGo && !u.Derived():
		q.memory.doubts(l.Account, u, m.Size)
		all.Fetch = append(all.Fetch, u)
		all.Check = append(all.Check, u)
	case m.Mark == Known:
		all.Known++
	case !l.Lets, l.Above > 0 && m.Size < l.Above, m.Mark == Kept && l.Stays:
		all.Kept++
	case m.Mark == Kept && !c.Follow:
		all.Kept++
		all.Confirm++
	case l.Days > 0 && int(day(now)-m.Day) <= l.Days: // the hour is not known: it may have been the last one of its day
		all.Later++
		all.ripe(m.Day + int32(l.Days) + 1)
	default:
		all.Release = append(all.Release, u)
	}
}

// byContent says whether a UID was made from the content, of the first of equal messages: the message may
// have had a unique-id before, which another one has got as well since.
func byContent(u mail.UID) bool { return u.Derived() && !strings.Contains(string(u), ".") }

// fewest is how many new unique-ids at once may be new names of old mail where what is collected does not stay.
const fewest = 20

// renumbered says whether a server may have given new unique-ids to everything (POP3): mail that is kept is
// there, and the listing names none of it. Where mail is let go of that is no wonder, unless what was left at first contact
// may all be in the listing.
func (q *Queue) renumbered(ctx context.Context, l *Listing, marks []Seen) (bool, error) {
	stays := !l.Lets || l.Stays || l.Days > 0 || l.Above > 0
	named := func(s Seen) bool { return s.Mark != Unseen && s.Mark != LetGo }
	few := len(marks) == 0 || !stays && len(marks) < fewest
	if !l.Complete || l.Folders != nil || few || slices.ContainsFunc(marks, named) {
		return false, nil
	}
	left := 0
	for s, err := range q.Engine.AllMarks(ctx, l.Account) {
		if err != nil || stays && named(s) {
			return err == nil, err
		}
		if s.Mark == Known {
			left++
		}
	}
	return left > 0 && len(marks) >= left/2, nil
}

// ripe notes the day on which something is to be let go of.
func (c *Chosen) ripe(day int32) {
	if at := time.Unix(int64(day)*86400, 0); c.Next.IsZero() || at.Before(c.Next) {
		c.Next = at
	}
}

// doubts says whether an unseen UID of this space might be a new name of old mail.
func (c *contact) doubts(space string, now time.Time) bool {
	return now.Before(c.Doubt) || now.Before(c.Spaces[space])
}

// doubtful are the spaces of which that holds.
func (c *contact) doubtful(now time.Time) map[string]bool {
	all := map[string]bool{}
	for s := range c.Spaces {
		if c.doubts(s, now) {
			all[s] = true
		}
	}
	return all
}

// space notes a folder/uidvalidity; false: it was known.
func (c *contact) space(s string, until time.Time) bool {
	if _, ok := c.Spaces[s]; ok {
		return false
	}
	if c.Spaces == nil {
		c.Spaces = map[string]time.Time{}
	}
	c.Spaces[s] = until
	return true
}

// spaces notes each folder/uidvalidity of a listing that is new; they are doubted for a while.
func (c *contact) spaces(l *Listing, now time.Time) (changed bool) {
	for _, u := range l.UIDs {
		if s := spaceOf(u, l.Folders); s != "" && c.space(s, now.Add(forgetAfter)) {
			changed = true
		}
	}
	return changed
}

// once are the folders that had one UIDVALIDITY only. Labels have their messages in common.
func (c *contact) once(l *Listing) map[string]bool {
	once := map[string]bool{}
	if l.Folders == nil || l.Copies {
		return once
	}
	for s := range c.Spaces {
		f := folderOf(s)
		_, twice := once[f]
		once[f] = !twice
	}
	return once
}

// spaceOf returns folder/uidvalidity of an IMAP UID, or "".
func spaceOf(u mail.UID, folders []string) string {
	if folders == nil {
		return ""
	}
	for i := len(u) - 1; i >= 0; i-- {
		if u[i] == '/' {
			return string(u[:i])
		}
	}
	return ""
}

// Known says what is remembered of a message by its content key, in this account and those it was called
// before. Unseen: nothing.
func (q *Queue) Known(ctx context.Context, a mail.Account, key [16]byte) (Mark, error) {
	c, _, err := q.contact(ctx, a)
	if err != nil {
		return Unseen, err
	}
	return q.known(ctx, append([]mail.Account{a}, c.Former...), key)
}

func (q *Queue) known(ctx context.Context, accounts []mail.Account, key [16]byte) (Mark, error) {
	if key == [16]byte{} {
		return Unseen, nil
	}
	for _, a := range slices.Compact(accounts) {
		s, err := q.Engine.Same(ctx, a, [][16]byte{key})
		if err != nil {
			return Unseen, err
		}
		if s[0].Mark != Unseen {
			return s[0].Mark, nil
		}
	}
	return Unseen, nil
}

// contact loads what is known of an account; known: the first contact was made.
func (q *Queue) contact(ctx context.Context, a mail.Account) (c contact, known bool, err error) {
	for n, err := range q.Engine.Notes(ctx, spaceAccount, string(a)) {
		if err != nil {
			return c, false, err
		}
		if n.Key == keyContact {
			if err := unpack(n.Value, &c); err != nil {
				return c, false, err
			}
		}
	}
	return c, !c.First.IsZero(), nil
}

func contactNote(a mail.Account, c *contact) Note {
	return Note{Space: spaceAccount, Owner: string(a), Key: keyContact, Value: pack(c)}
}

func maildropNote(name string, a mail.Account) Note {
	return Note{Space: spaceMaildrop, Owner: name, Key: keyAccount, Value: []byte(a)}
}

// accountOf returns the account that a maildrop of this name had last, or "".
func (q *Queue) accountOf(ctx context.Context, maildrop string) (mail.Account, error) {
	for n, err := range q.Engine.Notes(ctx, spaceMaildrop, maildrop) {
		if err != nil {
			return "", err
		}
		if n.Key == keyAccount && n.Owner == maildrop {
			return mail.Account(n.Value), nil
		}
	}
	return "", nil
}
