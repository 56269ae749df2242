package conf

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

func (v *validator) destinations() {
	if len(v.c.Deliver) == 0 {
		v.fail(v.c.At.Of("deliver"), `write deliver: {smtp: "localhost:25"}`, "deliver is missing")
	}
	seen := make(map[string]Pos)
	for i := range v.c.Deliver {
		d := &v.c.Deliver[i]
		if first, twice := seen[d.Name]; twice {
			v.fail(d.At.Self, "give it another name", "destination %q is already at %s", d.Name, first)
		}
		seen[d.Name] = d.At.Self
		v.destination(d)
	}
}

func (v *validator) destination(d *Destination) {
	v.name(d.At, "deliver", d.Name)
	switch d.Kind {
	case "":
		v.fail(d.At.Self, `write e.g. smtp: "localhost:25"`, "destination %q does not say where", d.Name)
	case "smtp", "lmtp":
		v.endpoints(d)
	case "maildir", "mbox":
		v.place(d)
	case "command":
		v.command(d.At, "command", d.Command, d.Local != nil && d.Local.Preset != "")
	case "imap":
		v.mailbox(d)
	default:
		v.one(d.At, "deliver", d.Kind, "smtp", "lmtp", "maildir", "mbox", "imap", "command")
	}
	if d.Kind != "smtp" && d.Kind != "lmtp" {
		v.onlySMTP(d)
	}
	v.local(d)
	v.filter(d)
	v.tls(&d.TLS)
	v.login(d)
	if d.Hello != "" && v.clean(d.At, "hello", d.Hello) && d.Hello != v.c.Hostname {
		v.hostname(d.At, "hello", d.Hello)
	}
	v.number(d.At, "connections", int64(d.Connections), 1, 100)
	v.number(d.At, "messages", int64(d.Messages), 0, 1<<20)
	v.retry(d.At, d.Retry, false)
	v.fates(d.At, d.Policy)
	if d.Expire != 0 {
		v.span(d.At, "expire", d.Expire, time.Minute, 365*24*time.Hour)
	}
	v.fallback(d)
	v.invisible(d)
}

func (v *validator) login(d *Destination) {
	v.clean(d.At, "user", d.User)
	switch {
	case d.User != "" && d.Local != nil:
		v.fail(d.At.Of("user"), "write it into the section: "+d.Kind+": {…, user: …}", "user: %s has no login", d.Kind)
	case d.User != "" && !d.Password.Given():
		v.fail(d.At.Of("user"), "add password: or remove user:", "user without a password")
	case d.User == "" && d.Password.Given():
		v.fail(d.At.Of("password"), "add user: or remove password:", "password without a user")
	case d.User != "" && slices.ContainsFunc(d.Endpoints(), func(e Endpoint) bool { return e.Mode == ModeNone && e.leaves() }):
		v.fail(d.At.Of("tls"), "write tls: starttls or tls: implicit",
			"the password would cross the network in clear text")
	}
	v.secret(d.At, "password", d.Password)
}

func (v *validator) tls(t *TLS) {
	v.one(t.At, "tls", string(t.Mode), string(ModeNone), string(ModeStartTLS), string(ModeImplicit))
	for _, x := range []struct{ key, value string }{
		{"ca", t.CA}, {"name", t.Name}, {"cert", t.Cert}, {"key", t.Key},
	} {
		v.clean(t.At, x.key, x.value)
	}
	if (t.Cert == "") != (t.Key == "") {
		v.fail(t.At.Of("cert"), "write both, or neither", "cert and key belong together")
	}
	for _, pin := range t.Pins {
		if b, err := hex.DecodeString(strings.ReplaceAll(pin, ":", "")); err != nil || len(b) != 32 {
			v.fail(t.At.Of("pin"), "openssl x509 -noout -fingerprint -sha256 -in server.pem shows it",
				"pin: %q is no SHA-256 (64 hexadecimal digits)", pin)
		}
	}
	if t.Insecure {
		v.warn(t.At.Of("insecure"), "use ca: or pin: instead",
			"any certificate is accepted: anybody can read along")
	}
}

// secret checks where a secret of this key is found.
func (v *validator) secret(at Where, key string, s Secret) {
	v.clean(at, key, s.ref)
	for _, a := range s.argv {
		v.clean(at, key, a)
	}
	switch {
	case s.kind == "command" && (len(s.argv) == 0 || s.argv[0] == ""):
		v.fail(at.Of(key), "write "+key+": {command: [program, argument]}", "command: the list is empty")
	case s.Plain():
		v.plain(at, key, s.plain())
	case s.kind == "credential" && strings.Contains(s.ref, "/"):
		v.fail(at.Of(key), "write the name alone", "credential: %q is no name", s.ref)
	case s.kind != "" && s.kind != "command" && s.ref == "":
		v.fail(at.Of(key), "say which", "%s: %s: is empty", key, s.kind)
	}
}

func (v *validator) plain(at Where, key, text string) {
	if v.drop == nil || v.drop.Row == nil { // where rows keep their passwords is the database's affair
		v.warn(at.Of(key), "use "+key+": {file: …}, {env: …}, {command: […]} or {credential: …}",
			"the %s stands in the configuration itself", strings.TrimPrefix(key, "client_"))
	}
	if text == "" || strings.ContainsAny(text, "\r\n\x00") {
		v.fail(at.Of(key), "", "%s: is empty or has a line break or NUL inside", key)
	}
}

// name checks the name of a maildrop or destination: it stands in logs, tables and commands.
func (v *validator) name(at Where, key, name string) bool {
	if !v.need(at, key, name, "give it a name") {
		return false
	}
	if len(name) > 64 || name[0] == '-' || !utf8.ValidString(name) || strings.ContainsAny(name, " /,*?\"'") {
		v.fail(at.Of(key), "use letters, digits, and . _ - @ +, at most 64",
			"%s: %q cannot be used as a name", key, head(name))
		return false
	}
	return true
}

// address checks a mailbox of RFC 5321, 4.1.2, as far as a typing mistake goes; the MTA judges the rest.
func (v *validator) address(at Where, key, a string) {
	if !addressSyntax(a) {
		v.fail(at.Of(key), "write it as user@example.org", "%s: %q is no mail address", key, head(a))
	}
}

func addressSyntax(a string) bool {
	i := strings.LastIndexByte(a, '@')
	ok := strings.EqualFold(a, "postmaster")
	if i > 0 && len(a) <= 256 {
		ok = a[0] != '-' && (a[0] == '"' || !strings.ContainsAny(a, " <>()[]:;,\\\"")) && hostSyntax(a[i+1:])
	}
	return ok && strings.IndexFunc(a, control) < 0 && utf8.ValidString(a)
}

// host checks a name or literal that is dialled.
func (v *validator) host(at Where, key, host string) {
	if _, err := netip.ParseAddr(host); err != nil && !hostSyntax(host) {
		v.fail(at.Of(key), "write a name as mail.example.org, or an IP address", "%s: %q is no host", key, head(host))
	}
}

// hostname checks a name that we say of ourselves.
func (v *validator) hostname(at Where, key, name string) {
	if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
		lit := strings.TrimPrefix(name[1:len(name)-1], "IPv6:") // RFC 5321, 4.1.3
		if _, err := netip.ParseAddr(lit); err == nil {
			return
		}
	}
	if !hostSyntax(name) {
		v.fail(at.Of(key), "write it as mail.example.org", "%s: %q is no host name", key, name)
		return
	}
	last := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	switch {
	case !strings.Contains(name, "."),
		strings.Contains(" lan local localdomain localhost home internal invalid ", " "+last+" "):
		v.warn(at.Of(key), "use the name that others can look up", "%s: nobody outside knows %q", key, name)
	}
}

// hostSyntax is RFC 1123, 2.1, with the underscore that is in use, and letters beyond ASCII (RFC 6531).
func hostSyntax(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			letter := 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9'
			if r < utf8.RuneSelf && !letter && r != '-' && r != '_' {
				return false
			}
		}
	}
	return true
}
