package store

import (
	"strings"
	"time"

	"mailretr/store/mail"
)

// A wrong local MTA must not bounce everybody. What it refuses is failed at once, but the sender is told
// only when there is reason to believe the refusal: a success in the lane shortly before or after, or a
// quarter of an hour. When many messages of different senders fail alike with no success in between, the
// lane is suspect: they are held, nobody is told, and somebody, or a success, has to say otherwise.

// A Guard sets how much a refusal is believed. The zero value is the default.
type Guard struct {
	Wait  time.Duration // how long a report waits for a success in the lane; 0: 15 minutes; negative: not at all
	Alike int           // so many failing alike are suspect; 0: 10; negative: never
}

func (g Guard) wait() time.Duration {
	switch {
	case g.Wait == 0:
		return 15 * time.Minute
	case g.Wait < 0:
		return 0
	}
	return g.Wait
}

func (g Guard) alike() int {
	if g.Alike == 0 {
		return 10
	}
	return g.Alike
}

// A verdict about one failed recipient.
type verdict uint8

const (
	tell    verdict = iota // report it now
	wait                   // the report is owed
	suspect                // hold it and try again when somebody says so
)

// trust is what a lane's answers have shown so far. It lives no longer than the process; held records
// outlive it.
type trust struct {
	success time.Time                         // the last one
	alike   map[string]map[mail.Path]struct{} // senders whose mail failed so since then
	waiting map[mail.ID]string                // records whose reports are owed, and how they failed
	suspect map[string]bool                   // failures that are not believed
	looked  bool                              // records held by an earlier process were looked for
}

// failed judges a refusal. again: it was refused the same way before, and let go by somebody or by a
// success, so it is no news about the lane.
func (g Guard) failed(t *trust, how string, r *Record, now time.Time, again bool) verdict {
	if how == "" { // our own verdict, not one of the next hop
		return tell
	}
	if t.suspect[how] {
		return suspect
	}
	if again {
		return tell
	}
	if g.count(t, how, r.Reverse) {
		return suspect
	}
	return g.believed(t, now, now)
}

// maxAlike bounds how many ways of failing are told apart.
const maxAlike = 100

// count adds a failure and says whether the lane is suspect now.
func (g Guard) count(t *trust, how string, sender mail.Path) bool {
	if g.alike() < 0 {
		return false
	}
	if t.alike == nil || len(t.alike) == maxAlike && t.alike[how] == nil {
		t.alike = map[string]map[mail.Path]struct{}{}
	}
	if t.alike[how] == nil {
		t.alike[how] = map[mail.Path]struct{}{}
	}
	t.alike[how][sender] = struct{}{}
	if len(t.alike[how]) < g.alike() {
		return false
	}
	if t.suspect == nil {
		t.suspect = map[string]bool{}
	}
	t.suspect[how] = true
	return true
}

// believed says whether a refusal made then may be told now.
func (g Guard) believed(t *trust, then, now time.Time) verdict {
	recent := !t.success.IsZero() && !t.success.Before(then.Add(-g.wait()))
	if recent || now.Sub(then) >= g.wait() {
		return tell
	}
	return wait
}

// owed judges a report that has waited since then.
func (g Guard) owed(t *trust, how string, then, now time.Time) verdict {
	switch {
	case how == "":
		return tell
	case t.suspect[how]:
		return suspect
	}
	return g.believed(t, then, now)
}

// succeeded notes a success and returns the records whose reports need not wait any longer, and whether
// held ones may be let go.
func (t *trust) succeeded(now time.Time) (waiting []mail.ID, release bool) {
	release = len(t.suspect) > 0 || !t.looked
	for id := range t.waiting {
		waiting = append(waiting, id)
	}
	*t = trust{success: now, looked: true}
	return waiting, release
}

// distrusted returns the records that wait and failed in this way: they are held, now that it is suspect.
func (t *trust) distrusted(how string) (ids []mail.ID) {
	for id, h := range t.waiting {
		if h == how {
			ids = append(ids, id)
			delete(t.waiting, id)
		}
	}
	return ids
}

// waits notes a record whose report is owed. What is beyond the bound is told when its time has come.
func (t *trust) waits(id mail.ID, how string) {
	if t.waiting == nil {
		t.waiting = map[mail.ID]string{}
	}
	if len(t.waiting) < 10_000 {
		t.waiting[id] = how
	}
}

// how says in which way a refusal is like others: its codes, without the words, in which addresses differ.
// "" is a failure that no next hop has spoken.
func (s Said) how() string {
	if s.Reply == "" || s.Expired || s.GivenUp {
		return ""
	}
	code, _, _ := strings.Cut(s.Reply, " ")
	if len(code) > 3 {
		code = code[:3]
	}
	return code + " " + s.Enhanced
}
