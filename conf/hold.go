package conf

import "strings"

// A HoldRule says which messages are held when they are queued. What is written of it has to hold all together.
type HoldRule struct {
	At Where `json:"-"`

	Above    int64  // octets; 0: any size
	Sender   string // address with *, for any letters; "": anybody. "<>" is the null reverse-path
	Maildrop string // "": any
}

// Matches says whether a message is held. sender is its reverse-path.
func (h HoldRule) Matches(sender, maildrop string, octets int64) bool {
	if sender == "" {
		sender = "<>"
	}
	return (h.Above == 0 || octets > h.Above) && (h.Sender == "" || glob(strings.ToLower(h.Sender), strings.ToLower(sender))) &&
		(h.Maildrop == "" || h.Maildrop == maildrop)
}

// String says the rule in words: "above 50M, sender *@x.example".
func (h HoldRule) String() string {
	var words []string
	if h.Above != 0 {
		words = append(words, "above "+Size(h.Above))
	}
	if h.Sender != "" {
		words = append(words, "sender "+h.Sender)
	}
	if h.Maildrop != "" {
		words = append(words, "maildrop "+h.Maildrop)
	}
	return strings.Join(words, ", ")
}

// glob says whether a pattern matches, in which * is any number of letters. It is linear: what comes between two stars is
// looked for once, from the left.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

func (v *validator) holds() {
	for i := range v.c.Queue.Hold {
		h := &v.c.Queue.Hold[i]
		if h.String() == "" {
			v.fail(h.At.Self, `write e.g. hold: [{above: 50M}, {sender: "*@example.org"}]`,
				"hold: a rule that says nothing would hold everything")
		}
		v.number(h.At, "above", h.Above, 0, 1<<50)
		v.clean(h.At, "sender", h.Sender)
		v.clean(h.At, "maildrop", h.Maildrop)
		if h.Maildrop != "" && v.c.Maildrop(h.Maildrop) == nil && !v.c.leftOut(h.Maildrop) {
			v.warn(h.At.Of("maildrop"), "write the name of a maildrop", "hold: there is no maildrop %q", h.Maildrop)
		}
	}
}

// leftOut says whether a maildrop of that name has mistakes.
func (c *Config) leftOut(name string) bool {
	for _, b := range c.Bad {
		if b.Name == name {
			return true
		}
	}
	return false
}
