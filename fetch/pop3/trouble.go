package pop3

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"mailretr/store/mail"
)

// ErrNoTop is what Ahead says of headers on a server without TOP: the beginning of a message costs the
// whole of it, so that whoever wants headers first asks for whole messages instead. It answers NoHeaders.
var ErrNoTop error = noTop{}

type noTop struct{}

func (noTop) Error() string   { return "the server has no TOP: headers cannot be had before bodies" }
func (noTop) NoHeaders() bool { return true }

// refused makes a trouble of -ERR. The response codes of RFC 2449 and RFC 3206 decide where the server has
// them; the words do where it has not, and only at the login (a lock held by another session is no wrong
// password).
func refused(op mail.Op, server string, s status, caps caps) *mail.Trouble {
	t := &mail.Trouble{Op: op, Kind: mail.Protocol, Server: server,
		Reply: strings.TrimSpace("-ERR " + s.text)}
	code, arg := respCode(s.text)
	switch {
	case code == "AUTH":
		t.Kind = mail.Auth
	case code == "IN-USE" || code == "SYS/TEMP":
		t.Kind = mail.Busy
	case code == "LOGIN-DELAY":
		t.Kind, t.After = mail.Busy, seconds(arg)
		if t.After == 0 {
			t.After = caps.delay()
		}
	case op == mail.OpLogin && closedToPOP(s.text): // Gmail says so with SYS/PERM: trying again helps nobody
		t.Kind = mail.Auth
	case code == "SYS/PERM":
		t.Kind, t.Hint = mail.Busy, "Only the provider can repair this maildrop."
	case op == mail.OpGreeting:
		t.Kind = mail.Busy
	case op == mail.OpLogin && waits(s.text):
		t.Kind = mail.Busy
	case op == mail.OpLogin:
		t.Kind = mail.Auth
	}
	if t.Kind == mail.Auth {
		if t.Hint = "Check user name and password of this maildrop."; closedToPOP(s.text) {
			t.Hint = "Switch on POP3 for this account at the provider, or use IMAP."
		}
	}
	return t
}

// respCode returns the code of "[CODE arg] text", in capitals.
func respCode(text string) (code, arg string) {
	if !strings.HasPrefix(text, "[") {
		return "", ""
	}
	inner, _, ok := strings.Cut(text[1:], "]")
	if !ok {
		return "", ""
	}
	code, arg, _ = strings.Cut(inner, " ")
	return strings.ToUpper(code), arg
}

// seconds reads the number of a LOGIN-DELAY; a day is the most that is believed.
func seconds(s string) time.Duration {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	n, err := strconv.ParseUint(word, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, 24*time.Hour)
}

// waits says whether a refusal without a code speaks of the maildrop being held, of the server being unwell, or of
// logins that come too fast, and not of the credentials. "account locked" is a lock-out, which trying again makes
// worse; so does "wrong password, try again".
func waits(text string) bool {
	text = strings.ToLower(text)
	switch {
	case mentions(text, "password", "incorrect", "invalid", "credential", "unknown user", "authentication failed") &&
		!mentions(text, "temporar"):
		return false
	case mentions(text, patience...):
		return true
	case mentions(text, "too many") && mentions(text, "connection", "session", "concurrent", "simultaneous"):
		return true
	}
	return mentions(text, "lock") && mentions(text, "maildrop", "mailbox", "mail drop", "popdrop", "spool", "inbox", "can't",
		"cannot", "unable", "lock error", "already locked")
}

// patience is what servers say that may take us another time.
var patience = []string{
	"try again", "try later", "please wait", "later.", "temporar", "unavailable", "not available",
	"not currently available", "overload", "maintenance", "shutting down",
	"in use", "busy", "another session", "another process", "already open",
	"minimum interval", "login delay", "login interval", "allowed only every", "too frequent", "too often",
	"login limit", "logins too fast", "rate limit", "reduce the frequency",
	"internal error", "server error", "system error", "i/o error", "disk full", "no space", "out of memory",
	"cannot open", "can't open", "unable to open",
}

// closedToPOP says whether the account is one that POP3 is not open to.
func closedToPOP(text string) bool {
	return mentions(strings.ToLower(text), "not enabled for pop", "pop access", "pop3 access", "pop is disabled",
		"pop3 is disabled", "pop disabled", "pop3 disabled", "not allowed to use pop", "protocol disabled",
		"enable pop", "activate pop")
}

// mentions looks for one of these words.
func mentions(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// alone marks a trouble as that of one message.
func alone(t *mail.Trouble) *mail.Trouble { t.Alone = true; return t }
