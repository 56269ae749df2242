package conf

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Bounce says who speaks in a DSN, who hears what nobody else may, and what becomes of mail that failed.
type Bounce struct {
	At Where `json:"-"`

	FromName   string // display name
	From       string // address
	Postmaster string // "": held instead

	Language string // of what reports say to people; cmd knows which there are; "": English
	Template string // path of a template that replaces it in whole or in part; "": none

	Full     int64  // octets; up to this size a message goes back whole to who asks for that; 0: never
	Hourly   int    // reports to one sender in an hour; what is above waits; 0: no limit
	Policy   Policy // by code
	ExpireTo string // who gets, whole, what could not be delivered in time; "": the sender is told
}

// Speech says in which words reports on mail of one maildrop speak.
type Speech struct {
	At Where `json:"-"`

	Language string
	Template string
}

// A Policy says by code what becomes of a recipient that has failed. The most exact pattern counts.
type Policy []FailureRule

// A FailureRule is one line of a Policy.
type FailureRule struct {
	Code string // an enhanced code, "5.1.1"; its beginning, "5.7.*" or "5.*"; or a reply code, "550"
	Fate string // one of Fates
}

// The fates of a failed recipient.
const (
	FateBounce     = "bounce"     // the sender is told
	FateKeep       = "keep"       // it is held, or stays upstream
	FatePostmaster = "postmaster" // the postmaster gets it whole
	FateDiscard    = "discard"    // nobody is told
)

// Fates are the words of a Policy.
func Fates() []string { return []string{FateBounce, FateKeep, FatePostmaster, FateDiscard} }

// Fate returns what becomes of a failure with this enhanced code and reply; "" where nothing is said about it. A
// reply's first three digits stand for an enhanced code that nobody gave.
func (p Policy) Fate(enhanced, reply string) (fate string) {
	best := -1
	for _, r := range p {
		if n := r.matches(enhanced, reply); n > best {
			best, fate = n, r.Fate
		}
	}
	return fate
}

// matches says how exactly a rule matches; -1: it does not.
func (r FailureRule) matches(enhanced, reply string) int {
	begin, wild := strings.CutSuffix(r.Code, "*")
	switch {
	case wild && strings.HasPrefix(enhanced, begin):
		return len(begin)
	case !wild && strings.Contains(r.Code, ".") && r.Code == enhanced:
		return 100
	case !wild && !strings.Contains(r.Code, ".") && len(reply) >= 3 && reply[:3] == r.Code:
		return 3 // less than 5.1.*, more than 5.*
	}
	return -1
}

// code is a pattern of a Policy. What is 4 is deferred, and fails only by its age: 4.4.7.
var code = regexp.MustCompile(`^(5\d\d|[45]\.(\*|\d{1,3}\.(\*|\d{1,3})))$`)

// ParseFailureRule checks one line of a policy.
func ParseFailureRule(pattern, fate string) (FailureRule, error) {
	r := FailureRule{pattern, fate}
	if !code.MatchString(pattern) {
		return r, fmt.Errorf("%q is no code; write 5.1.1, 5.7.*, 5.*, 550, or 4.4.7 for what was not delivered in time",
			pattern)
	}
	if !slices.Contains(Fates(), fate) {
		return r, fmt.Errorf("%q is not known; write %s", fate, strings.Join(Fates(), ", "))
	}
	return r, nil
}

func (v *validator) bounce() {
	b := &v.c.Bounce
	hint := `write bounce: {from: "Mail Delivery System <mailer-daemon@example.org>"}; the address must exist`
	if v.need(b.At, "from", b.From, hint) {
		v.address(b.At, "from", b.From)
	}
	v.clean(b.At, "from", b.FromName)
	v.number(b.At, "full", b.Full, 0, 1<<30)
	v.number(b.At, "hourly", int64(b.Hourly), 0, 1<<20)
	v.speech(b.At, b.Language, b.Template)
	if b.ExpireTo != "" {
		v.address(b.At, "expire_to", b.ExpireTo)
	}
	v.fates(b.At, b.Policy)
	if b.Postmaster == "" {
		v.warn(b.At.Of("postmaster"), "add postmaster: to bounce:",
			"nobody is told of mail that can be neither delivered nor bounced; it will be held")
		return
	}
	v.address(b.At, "postmaster", b.Postmaster)
}

func (v *validator) speech(at Where, language, template string) {
	v.clean(at, "language", language)
	v.clean(at, "template", template)
}

// fates checks of a policy what only the whole configuration tells.
func (v *validator) fates(at Where, p Policy) {
	for _, r := range p {
		if _, err := ParseFailureRule(r.Code, r.Fate); err != nil {
			v.fail(at.Of("policy"), "", "policy: %v", err)
		}
		if r.Fate == FatePostmaster && v.c.Bounce.Postmaster == "" {
			v.fail(at.Of("policy"), "add postmaster: to bounce:", "policy: %s goes to a postmaster, and there is none", r.Code)
		}
	}
}
