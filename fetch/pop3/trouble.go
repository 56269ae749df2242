package pop3

import (
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
		t.Hint = "Check user name and password of this maildrop."
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

// waits says whether a refusal without a code speaks of the maildrop being held, and not of the
// credentials. "account locked" is a lock-out, which trying again makes worse.
func waits(text string) bool {
	text = strings.ToLower(text)
	for _, s := range []string{"in use", "busy", "try again", "try later", "temporar", "another session",
		"another process", "unavailable", "minimum interval", "login delay", "too many connections",
		"overload"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	if !strings.Contains(text, "lock") {
		return false
	}
	for _, s := range []string{"maildrop", "mailbox", "mail drop", "popdrop", "spool", "inbox"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// alone marks a trouble as that of one message.
func alone(t *mail.Trouble) *mail.Trouble { t.Alone = true; return t }
