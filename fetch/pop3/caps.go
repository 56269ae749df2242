package pop3

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// caps are the lines of CAPA (RFC 2449, 5), in capitals. nil: the server was not asked, or does not know
// CAPA.
type caps []string

const (
	maxCaps     = 100
	maxCapaSize = 16 << 10
)

// has says whether a capability is listed; arg, where it is not empty, is one of its arguments.
func (c caps) has(name, arg string) bool {
	for _, l := range c {
		f := strings.Fields(l)
		if len(f) > 0 && f[0] == name && (arg == "" || slices.Contains(f[1:], arg)) {
			return true
		}
	}
	return false
}

// enough says whether the capabilities from before the login are all that is wanted: those that may be others for
// the user say so (RFC 2449, 6.5 and 6.7), and some servers leave out what only a user may do.
func (c caps) enough() bool {
	return c.has("PIPELINING", "") && c.has("UIDL", "") && c.has("TOP", "") && !c.has("EXPIRE", "USER") &&
		!c.has("LOGIN-DELAY", "USER")
}

// delay returns the LOGIN-DELAY that is announced (RFC 2449, 6.5). Behind it may stand USER: others have
// another one.
func (c caps) delay() time.Duration { return seconds(c.argument("LOGIN-DELAY")) }

// expire returns how many days mail is kept (RFC 2449, 6.7). ok is false where it is kept for good, or
// nothing is said.
func (c caps) expire() (days int, ok bool) {
	word, _, _ := strings.Cut(c.argument("EXPIRE"), " ")
	n, err := strconv.ParseUint(word, 10, 16)
	return int(n), err == nil
}

// argument is what stands behind a capability.
func (c caps) argument(name string) string {
	for _, l := range c {
		if n, arg, _ := strings.Cut(strings.TrimSpace(l), " "); n == name {
			return strings.TrimSpace(arg)
		}
	}
	return ""
}

// readCaps reads what follows +OK to CAPA. A list that is too long is nonsense.
func readCaps(m *multi) (caps, error) {
	c := caps{}
	for {
		l, err := m.line()
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		if len(c) == maxCaps || m.raw > maxCapaSize {
			return nil, &nonsense{"the list of capabilities is too long"}
		}
		c = append(c, strings.ToUpper(string(l)))
	}
}

// What is remembered of a server. It is believed for a week, and forgotten when a session fails before its
// listing.
type known struct {
	At     int64 // Unix time, in seconds
	Secure bool  // it was learned under TLS
	Before caps  // at the login
	After  caps  // once logged in

	NoTop    bool   // TOP is of no use
	Why      string `json:",omitempty"` // what it does instead, for people: "does not know TOP"
	TopWell  bool   `json:",omitempty"` // TOP was tried, and is good
	TopLines int    `json:",omitempty"` // how many lines of a body have to be asked for
}

const believed = 7 * 24 * time.Hour

func memoryKey(o *Options) string { return "pop3/" + string(o.Account) }

// recall returns what is known of the server, if it may be believed in a session that is as secure as this
// one.
func (o *Options) recall(secure bool) *known {
	if o.Memory == nil {
		return nil
	}
	b, ok := o.Memory.Load(memoryKey(o))
	if !ok || len(b) == 0 {
		return nil
	}
	k := &known{}
	if json.Unmarshal(b, k) != nil || k.Secure != secure {
		return nil
	}
	if age := o.now().Sub(time.Unix(k.At, 0)); age < 0 || age > believed {
		return nil
	}
	return k
}

// remember keeps k, or forgets where it is nil.
func (o *Options) remember(k *known) {
	if o.Memory == nil {
		return
	}
	var b []byte
	if k != nil {
		b, _ = json.Marshal(k) // strings, numbers and booleans: cannot fail
	}
	o.Memory.Save(memoryKey(o), b)
}
