package imapconn

import (
	"fmt"
	"slices"
	"strings"

	"mailretr/store/mail"
)

// A Reply is a status response (RFC 9051, 7.1): "* OK [CODE args] text", or the same with a tag.
type Reply struct {
	Tag, Word  string // Word in capitals
	Code, Args string // Code in capitals, "" where there is none
	Text       string
}

// ParseReply reads a status response without its line end. It is strict about what decides something, and
// takes any text.
func ParseReply(line string) (r Reply, ok bool) {
	r.Tag, line, ok = strings.Cut(line, " ")
	if !ok || r.Tag == "" || r.Tag == "+" {
		return Reply{}, false
	}
	r.Word, line, _ = strings.Cut(line, " ")
	switch r.Word = strings.ToUpper(r.Word); r.Word {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
	default:
		return Reply{}, false
	}
	if strings.HasPrefix(line, "[") {
		if in, rest, closed := strings.Cut(line[1:], "]"); closed {
			r.Code, r.Args, _ = strings.Cut(in, " ")
			r.Code = strings.ToUpper(r.Code)
			line = strings.TrimPrefix(rest, " ")
		}
	}
	r.Text = line
	return r, true
}

// String returns it without the tag, as it is shown.
func (r Reply) String() string {
	s := r.Word
	if r.Code != "" {
		s += " [" + strings.TrimRight(r.Code+" "+r.Args, " ") + "]"
	}
	return strings.TrimRight(s+" "+r.Text, " ")
}

// Greeting makes a greeting again, with its line end, from the parts that were understood.
func (r Reply) Greeting() string {
	if r.Code == "CAPABILITY" && r.Args != "" && atoms(r.Args) {
		return fmt.Sprintf("* %s [CAPABILITY %s] ready\r\n", r.Word, r.Args)
	}
	return "* " + r.Word + " ready\r\n"
}

// atoms says whether s is words of printable ASCII that need no quoting, with single blanks between.
func atoms(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ' ' && (i == 0 || s[i-1] == ' ' || i == len(s)-1) {
			return false
		}
		if c < ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// verdicts says what a response code means for when to try again (RFC 5530, RFC 9051, 7.1).
var verdicts = map[string]struct {
	kind mail.Kind
	hint string
}{
	"AUTHENTICATIONFAILED": {mail.Auth, "User or password is wrong."},
	"AUTHORIZATIONFAILED":  {mail.Auth, "The account may not be used in this way."},
	"EXPIRED":              {mail.Auth, "The password has expired."},
	"CONTACTADMIN":         {mail.Auth, "Ask the provider: its administrator has to look at the account."},
	"PRIVACYREQUIRED":      {mail.Insecure, "The server wants TLS."},
	"INUSE":                {mail.Busy, ""},
	"UNAVAILABLE":          {mail.Busy, ""},
	"LIMIT":                {mail.Busy, ""},
	"SERVERBUG":            {mail.Busy, ""},
	"THROTTLED":            {mail.Busy, ""},
	"OVERQUOTA":            {mail.Busy, "The account is over its quota."},
	"NONEXISTENT":          {mail.Local, "The folder does not exist there; folder names are case sensitive."},
	"TRYCREATE":            {mail.Local, "The folder does not exist there; folder names are case sensitive."},
	"NOPERM":               {mail.Local, "The account has no right to do this."},
	"CANNOT":               {mail.Local, ""},
}

// Judge makes the trouble of a status response that is not OK.
func Judge(op mail.Op, server string, r Reply) *mail.Trouble {
	t := &mail.Trouble{Op: op, Server: server, Reply: r.String()}
	v, known := verdicts[r.Code]
	switch {
	case known:
		t.Kind, t.Hint = v.kind, v.hint
		if r.Code == "CONTACTADMIN" && op != mail.OpLogin {
			t.Kind = mail.Busy
		}
	case r.Word == "BYE":
		t.Kind = mail.Busy
	case r.Word == "NO" && op == mail.OpLogin && crowded(r.Text): // Gmail says so with ALERT
		t.Kind, t.Hint = mail.Busy, "Somebody else collects from it too, or too many of its folders have idle:."
	case r.Word == "NO" && op == mail.OpLogin:
		t.Kind, t.Hint = mail.Auth, "User or password is wrong, or the provider wants a password for programs."
	case r.Word == "NO" && op == mail.OpList:
		t.Kind, t.Hint = mail.Local, "The folder cannot be opened; folder names are case sensitive."
	default:
		t.Kind = mail.Protocol
	}
	return t
}

// crowded says whether a refusal speaks of too many connections at once, and not of the password: "too many failed attempts in
// this session" is a lock-out, which trying again makes worse.
func crowded(text string) bool {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(text), w) })
	}
	return has("too many", "maximum", "limit") && has("connection", "session") &&
		!has("attempt", "password", "incorrect", "invalid", "credential")
}
