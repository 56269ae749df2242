package conf

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The bounds of an idle: servers end a wait after half an hour (RFC 2177), and each new one costs octets.
const (
	usualIdle = 9 * time.Minute
	leastIdle = time.Minute
	mostIdle  = 29 * time.Minute
)

// ParseIdle reads yes, no, or how long one wait for news lasts.
func ParseIdle(s string) (time.Duration, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on":
		return usualIdle, nil
	case "false", "no", "off":
		return 0, nil
	}
	d, err := ParseDuration(s)
	if err != nil || d < leastIdle || d > mostIdle {
		return 0, fmt.Errorf("%q is none of true, false, and a time from 1m to 29m", s)
	}
	return d, nil
}

// FormatIdle is the form that ParseIdle reads.
func FormatIdle(d time.Duration) string {
	switch d {
	case 0:
		return "false"
	case usualIdle:
		return "true"
	}
	return Duration(d)
}

// ParseDuration reads a number with a unit: s, m, h, d (days) or w (weeks), or several of them: "1h30m". 0
// needs no unit.
func ParseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	rest, total := s, float64(0)
	for first := true; first || rest != ""; first = false {
		i := 0
		for i < len(rest) && (rest[i] >= '0' && rest[i] <= '9' || rest[i] == '.') {
			i++
		}
		n, err := strconv.ParseFloat(rest[:i], 64)
		if err != nil || i == len(rest) {
			return 0, fmt.Errorf("%q is no duration; write e.g. 30s, 5m, 2h or 5d", s)
		}
		unit, size := durationUnit(rest[i:])
		if size == 0 {
			return 0, fmt.Errorf("%q is no duration; write e.g. 30s, 5m, 2h or 5d", s)
		}
		total += n * float64(unit)
		rest = rest[i+size:]
	}
	if total > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is too long", s)
	}
	return time.Duration(total), nil
}

// durationUnit returns the unit at the beginning of s, and how many octets it has.
func durationUnit(s string) (time.Duration, int) {
	if strings.HasPrefix(s, "ms") {
		return time.Millisecond, 2
	}
	switch s[0] {
	case 's':
		return time.Second, 1
	case 'm':
		return time.Minute, 1
	case 'h':
		return time.Hour, 1
	case 'd':
		return 24 * time.Hour, 1
	case 'w':
		return 7 * 24 * time.Hour, 1
	}
	return 0, 0
}

// Duration writes a duration as ParseDuration reads it, with days.
func Duration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	var b strings.Builder
	for _, u := range []struct {
		unit time.Duration
		name string
	}{
		{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"},
	} {
		if n := d / u.unit; n != 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d %= u.unit
		}
	}
	return b.String()
}

// ParseSize reads a number of octets, with K, M, G or T for powers of 1024; B and iB may follow.
func ParseSize(s string) (int64, error) {
	bad := fmt.Errorf("%q is no size; write e.g. 32K, 10M or 1G", s)
	t := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s), "B"), "I")
	shift := 0
	if t != "" {
		if i := strings.IndexByte("KMGT", t[len(t)-1]); i >= 0 {
			shift, t = 10*(i+1), t[:len(t)-1]
		}
	}
	n, err := strconv.ParseUint(t, 10, 63)
	if err != nil || len(t) > 1 && t[0] == '0' {
		return 0, bad
	}
	if n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return int64(n) << shift, nil
}

// Size writes a size as ParseSize reads it, exactly.
func Size(n int64) string {
	units := "KMGT"
	i := -1
	for n != 0 && n%1024 == 0 && i+1 < len(units) {
		n, i = n/1024, i+1
	}
	if i < 0 {
		return strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10) + units[i:i+1]
}

// ParseCompress reads auto or off.
func ParseCompress(s string) (bool, error) {
	if s != "auto" && s != "off" {
		return false, fmt.Errorf("%q is not known; write auto or off", s)
	}
	return s == "auto", nil
}

// FormatCompress writes it as ParseCompress reads it.
func FormatCompress(on bool) string {
	if on {
		return "auto"
	}
	return "off"
}

// ParseFirst reads all, new, or an age such as 30d.
func ParseFirst(s string) (First, error) {
	switch s {
	case "all":
		return First{Mode: FirstAll}, nil
	case "new":
		return First{Mode: FirstNew}, nil
	}
	d, err := ParseDuration(s)
	if err != nil || d == 0 {
		return First{}, fmt.Errorf("%q is not known; write all, new, or an age such as 30d", s)
	}
	return First{Mode: FirstSince, Within: d}, nil
}

// String writes it as ParseFirst reads it.
func (f First) String() string {
	switch f.Mode {
	case FirstNew:
		return "new"
	case FirstSince:
		return Duration(f.Within)
	}
	return "all"
}

// SetURL reads where the maildrop is: pop3, pop3s, imap or imaps, "://", a user with "@" (which may be
// escaped as %40, and may itself hold "@"), a host and a port. It sets Protocol, Secure, Host and Port, and
// User where the URL has one.
func (m *Maildrop) SetURL(s string) error {
	at, user, rest, err := parseURL(s, m.User)
	if err != nil {
		return err
	}
	if strings.Trim(rest, "/") != "" {
		return errors.New("nothing may follow the host and port; folders have their own key")
	}
	m.Protocol, m.Secure, m.Host, m.Port, m.User = at.protocol, at.secure, at.host, at.port, user
	return nil
}

// parseURL reads scheme, user, host and port; rest is what follows them, with its slash. user is that which was written
// elsewhere.
func parseURL(s, user string) (at server, who, rest string, err error) {
	scheme, rest, ok := strings.Cut(s, "://")
	at, known := servers[strings.ToLower(scheme)]
	if !ok || !known {
		return at, "", "", errors.New("it does not begin with pop3://, pop3s://, imap:// or imaps://") // may hold a password
	}
	end := strings.LastIndexByte(rest, '@') + 1
	if end > 0 {
		who, err := url.PathUnescape(rest[:end-1])
		switch {
		case err != nil:
			return at, "", "", errors.New("the user has a % that is no escape; write %25")
		case strings.Contains(rest[:end-1], ":"):
			return at, "", "", errors.New("a password does not belong into the url; use password: (a colon in the user is %3A)")
		case user != "" && user != who:
			return at, "", "", errors.New("the user stands in the url and in user: as well")
		}
		user, rest = who, rest[end:]
	}
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, rest = rest[:i], rest[i:]
	} else {
		rest = ""
	}
	at.host, at.port, err = splitHost(host, at.port)
	return at, user, rest, err
}

type server struct {
	protocol string
	port     int
	secure   bool
	host     string
}

// servers is the list of URL schemes; ports are those of RFC 8314 and RFC 1939, RFC 9051.
var servers = map[string]server{
	"pop3":  {protocol: "pop3", port: 110},
	"pop3s": {protocol: "pop3", port: 995, secure: true},
	"imap":  {protocol: "imap", port: 143},
	"imaps": {protocol: "imap", port: 993, secure: true},
}

// URL writes where the maildrop is, as SetURL reads it; "" where it is not known.
func (m *Maildrop) URL() string {
	if m.Protocol == "" {
		return ""
	}
	scheme := m.Protocol
	if m.Secure {
		scheme += "s"
	}
	user := ""
	if m.User != "" {
		user = strings.ReplaceAll(url.PathEscape(m.User), ":", "%3A") + "@"
	}
	host := m.Host
	if m.Port != servers[scheme].port {
		host = net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + user + host
}

// splitHost reads host, host:port, [v6] or [v6]:port.
func splitHost(s string, port int) (string, int, error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
		if host == "" || strings.Contains(s, ":") && s[0] != '[' {
			return "", 0, fmt.Errorf("%q is no host", s)
		}
		return host, port, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 {
		return "", 0, fmt.Errorf("%q is no port", text)
	}
	if host == "" {
		return "", 0, errors.New("the host is missing")
	}
	return host, n, nil
}
