package imap

import (
	"bufio"
	"cmp"
	"compress/flate"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
)

// A server is a small IMAP server inside the process that gives every octet as it is, and misbehaves on
// order.
type server struct {
	t        testing.TB
	caps     string      // after login; "" means what a good server has
	tls      *tls.Config // offers STARTTLS, or speaks TLS from the start where the client does
	size     func(*letter) int64
	implicit bool
	sasl     fetchtest.SASL // Token and Broken
	auth     string         // mechanisms; "" means PLAIN

	// on is asked before each command; true means that it has dealt with it.
	on func(c *client, tag, verb, args string) bool
	// gone is told of each connection that has ended; may be nil.
	gone func(c *client)
	// greeting replaces the greeting.
	greeting string

	mu      sync.Mutex
	folders map[string]*box
	lines   []string // what LIST answers, behind "* LIST "; nil: the folders that there are
	filter  func(keys string, l *letter) bool
	log     []string // commands as they came
	wg      sync.WaitGroup
}

// A box is a folder.
type box struct {
	validity, next uint32
	letters        []*letter
}

type letter struct {
	uid    uint32
	octets []byte
	flags  []string
}

const goodCaps = "IMAP4rev1 SASL-IR LITERAL+ ESEARCH UIDPLUS"

func newServer(t testing.TB) *server {
	s := &server{t: t, folders: map[string]*box{"INBOX": {validity: 1714, next: 1}}}
	t.Cleanup(s.wg.Wait)
	return s
}

// put adds messages to a folder.
func (s *server) put(folder string, octets ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.folders[folder]
	if b == nil {
		b = &box{validity: 7, next: 1}
		s.folders[folder] = b
	}
	for _, o := range octets {
		b.letters = append(b.letters, &letter{uid: b.next, octets: o})
		b.next++
	}
}

func (s *server) left(folder string) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out [][]byte
	for _, l := range s.folders[folder].letters {
		out = append(out, l.octets)
	}
	return out
}

// said returns the commands that came, without tags.
func (s *server) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *server) saw(prefix string) bool {
	return slices.ContainsFunc(s.said(), func(c string) bool { return strings.HasPrefix(c, prefix) })
}

// dial connects to it, over a line if there is one.
func (s *server) dial(l *fetchtest.Line) fetchtest.DialFunc {
	return l.Dialer(func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := fetchtest.Pipe(64<<10, 0)
		s.wg.Go(func() { s.serve(theirs) })
		return ours, nil
	})
}

// retriever collects from it in plain text; change what has to be different.
func (s *server) retriever(l *fetchtest.Line) *Retriever {
	return &Retriever{Options: Options{
		Dial: wire.Options{Address: "mail.example:143", TLS: wire.TLS{Mode: wire.Plain},
			DialContext: s.dial(l)},
		User: "jaco", Password: func(context.Context) (string, error) { return "secret-canary", nil },
		After: Delete, Name: "jaco",
	}}
}

// A client is one connection, at the server's side.
type client struct {
	*server
	conn   net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	box    *box
	only   bool // EXAMINE
	secure bool

	squeezed *flate.Writer // COMPRESS is on
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	c := &client{server: s, conn: conn, r: bufio.NewReader(conn), w: bufio.NewWriter(conn)}
	if s.gone != nil {
		defer s.gone(c)
	}
	if s.implicit && !c.handshake() {
		return
	}
	greeting := s.greeting
	if greeting == "" {
		greeting = "* OK [CAPABILITY " + c.capabilities() + "] ready\r\n"
	}
	c.say("%s", greeting)
	for {
		if c.flush() != nil {
			return
		}
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		tag, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		verb, args, _ := strings.Cut(rest, " ")
		if verb = strings.ToUpper(verb); verb == "UID" {
			var second string
			second, args, _ = strings.Cut(args, " ")
			verb += " " + strings.ToUpper(second)
		}
		s.mu.Lock()
		s.log = append(s.log, strings.TrimRight(verb+" "+args, " "))
		on := s.on
		s.mu.Unlock()
		if on != nil && on(c, tag, verb, args) {
			continue
		}
		if !c.command(tag, verb, args) {
			c.flush()
			return
		}
	}
}

// flush sends what was said, and ends a block of it where it is compressed.
func (c *client) flush() error {
	if err := c.w.Flush(); err != nil || c.squeezed == nil {
		return err
	}
	return c.squeezed.Flush()
}

// compress answers COMPRESS.
func (c *client) compress(tag string) {
	c.say("%s OK from here on\r\n", tag)
	c.flush()
	c.squeezed, _ = flate.NewWriter(c.conn, flate.DefaultCompression)
	c.w, c.r = bufio.NewWriter(c.squeezed), bufio.NewReader(flate.NewReader(c.r))
}

func (c *client) say(format string, a ...any) { fmt.Fprintf(c.w, format, a...) }

func (c *client) capabilities() string {
	caps := c.caps
	if caps == "" {
		caps = goodCaps
	}
	if c.server.tls != nil && !c.secure {
		return caps + " STARTTLS"
	}
	for _, m := range strings.Fields(cmp.Or(c.auth, "PLAIN")) {
		caps += " AUTH=" + m
	}
	return caps
}

// command does what a good server does; false ends the connection.
func (c *client) command(tag, verb, args string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch verb {
	case "CAPABILITY":
		c.say("* CAPABILITY %s\r\n", c.capabilities())
	case "STARTTLS":
		return c.startTLS(tag)
	case "LOGIN":
		if args != `"jaco" "secret-canary"` {
			c.say("%s NO [AUTHENTICATIONFAILED] no\r\n", tag)
			return true
		}
		c.say("%s OK [CAPABILITY %s] in\r\n", tag, c.capabilities())
		return true
	case "AUTHENTICATE":
		return c.authenticate(tag, args)
	case "SELECT", "EXAMINE":
		return c.open(tag, verb, strings.Trim(args, `"`))
	case "COMPRESS":
		c.compress(tag)
		return true
	case "STATUS":
		name, _, _ := strings.Cut(args, " (")
		b := c.folders[strings.Trim(name, `"`)]
		if b == nil {
			c.say("%s NO [NONEXISTENT] no such folder\r\n", tag)
			return true
		}
		c.say("* STATUS %s (MESSAGES %d UIDVALIDITY %d UIDNEXT %d)\r\n", name, len(b.letters), b.validity, b.next)
	case "UID SEARCH":
		c.search(tag, args)
	case "UID FETCH":
		c.fetch(args)
	case "UID STORE":
		if c.only {
			c.say("%s NO [NOPERM] read only\r\n", tag)
			return true
		}
		flag := between(args, "(", ")")
		c.each(args, func(_ int, l *letter) {
			if !slices.Contains(l.flags, flag) {
				l.flags = append(l.flags, flag)
			}
		})
	case "UID EXPUNGE", "EXPUNGE":
		c.expunge(verb, args)
	case "UID COPY", "UID MOVE", "CREATE", "SUBSCRIBE", "LIST":
		return c.folder(tag, verb, args)
	case "LOGOUT":
		c.say("* BYE bye\r\n%s OK out\r\n", tag)
		return false
	default:
		c.say("%s BAD what?\r\n", tag)
		return true
	}
	c.say("%s OK done\r\n", tag)
	return true
}

func (c *client) startTLS(tag string) bool {
	if c.server.tls == nil {
		c.say("%s BAD no\r\n", tag)
		return true
	}
	c.say("%s OK go\r\n", tag)
	c.w.Flush()
	c.mu.Unlock()
	defer c.mu.Lock()
	return c.handshake()
}

func (c *client) handshake() bool {
	conn := tls.Server(c.conn, c.server.tls)
	if conn.Handshake() != nil {
		return false
	}
	c.conn, c.r, c.w, c.secure = conn, bufio.NewReader(conn), bufio.NewWriter(conn), true
	return true
}

func (c *client) authenticate(tag, args string) bool {
	mech, text, ir := strings.Cut(args, " ")
	known := c.sasl
	known.User, known.Password = "jaco", "secret-canary"
	server := known.Server(mech)
	if server == nil {
		c.say("%s NO [CANNOT] no such mechanism\r\n", tag)
		return true
	}
	var response []byte
	if ir {
		response, _ = base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "="))
	}
	for {
		challenge, done, err := server.Next(response)
		switch {
		case err != nil:
			c.say("%s NO [AUTHENTICATIONFAILED] no\r\n", tag)
			return true
		case done:
			c.say("%s OK [CAPABILITY %s] in\r\n", tag, c.capabilities())
			return true
		}
		c.say("+ %s\r\n", base64.StdEncoding.EncodeToString(challenge))
		c.w.Flush()
		text, _ := c.r.ReadString('\n')
		if response, err = base64.StdEncoding.DecodeString(strings.TrimRight(text, "\r\n")); err != nil {
			c.say("%s BAD no base64\r\n", tag)
			return true
		}
		if response == nil {
			response = []byte{}
		}
	}
}

func (c *client) open(tag, verb, name string) bool {
	b := c.folders[name]
	if c.box = b; b == nil {
		c.say("%s NO [NONEXISTENT] no such folder\r\n", tag)
		return true
	}
	c.only = verb == "EXAMINE"
	c.say("* FLAGS (\\Seen \\Deleted)\r\n* %d EXISTS\r\n", len(b.letters))
	c.say("* OK [UIDVALIDITY %d] ok\r\n* OK [UIDNEXT %d] ok\r\n%s OK open\r\n", b.validity, b.next, tag)
	return true
}

func (c *client) search(tag, args string) {
	rest, ranges := strings.CutPrefix(args, "RETURN (ALL) ")
	var found []string
	for i, l := range c.box.letters {
		switch {
		case rest == "ALL", rest == "DELETED" && slices.Contains(l.flags, `\Deleted`), c.matches(rest, l):
		case c.filter != nil && strings.HasPrefix(rest, "UID ") && strings.Contains(rest[4:], " "):
			set, keys, _ := strings.Cut(rest[4:], " ")
			if !within(set, l.uid) || !c.filter(keys, l) {
				continue
			}
		case strings.HasPrefix(rest, "UID ") && (within(rest[4:], l.uid) || // "n:*" has the last one always
			strings.HasSuffix(rest, ":*") && i == len(c.box.letters)-1):
		case rest != "DELETED" && !strings.HasPrefix(rest, "UID ") && within(rest, uint32(i+1)):
		default:
			continue
		}
		found = append(found, number(l.uid))
	}
	switch {
	case !ranges:
		c.say("* SEARCH %s\r\n", strings.Join(found, " "))
	case len(found) == 0:
		c.say("* ESEARCH (TAG %q) UID\r\n", tag)
	default:
		c.say("* ESEARCH (TAG %q) UID ALL %s\r\n", tag, strings.Join(found, ","))
	}
}

// each calls f for the letters named by the set at the beginning of args, with their index.
func (c *client) each(args string, f func(int, *letter)) {
	set, _, _ := strings.Cut(args, " ")
	for i, l := range c.box.letters {
		if within(set, l.uid) {
			f(i, l)
		}
	}
}

func (c *client) fetch(args string) {
	c.each(args, func(i int, l *letter) {
		_, items, _ := strings.Cut(args, " ")
		if strings.Contains(items, "RFC822.SIZE") {
			size := int64(len(l.octets))
			if c.size != nil {
				size = c.size(l)
			}
			more := ""
			if strings.Contains(items, "FLAGS") {
				more = " FLAGS (" + strings.Join(l.flags, " ") + ")"
			}
			if strings.Contains(items, "INTERNALDATE") {
				more += ` INTERNALDATE "25-Nov-2026 09:00:00 +0000"`
			}
			c.say("* %d FETCH (UID %d%s RFC822.SIZE %d)\r\n", i+1, l.uid, more, size)
			return
		}
		section, partial := between(items, "[", "]"), between(items, "<", ">")
		b, origin := l.part(section), ""
		if partial != "" {
			n, m, _ := strings.Cut(partial, ".")
			from, _ := strconv.ParseInt(n, 10, 64)
			count, _ := strconv.ParseInt(m, 10, 64)
			b = b[min(from, int64(len(b))):]
			b, origin = b[:min(count, int64(len(b)))], "<"+n+">"
		}
		c.say("* %d FETCH (UID %d BODY[%s]%s ", i+1, l.uid, section, origin)
		c.literal(b)
		c.say(")\r\n")
	})
}

func (c *client) literal(b []byte) {
	c.say("{%d}\r\n", len(b))
	c.w.Write(b)
}

func (l *letter) part(section string) []byte {
	n := headerEnd(l.octets, true)
	switch section {
	case "HEADER":
		return l.octets[:n]
	case "TEXT":
		return l.octets[n:]
	}
	return l.octets
}

func (c *client) expunge(verb, args string) {
	kept, n := []*letter{}, 1
	for _, l := range c.box.letters {
		if slices.Contains(l.flags, `\Deleted`) && (verb == "EXPUNGE" || within(args, l.uid)) {
			c.say("* %d EXPUNGE\r\n", n)
			continue
		}
		kept = append(kept, l)
		n++
	}
	c.box.letters = kept
}

func between(s, a, b string) string {
	_, s, _ = strings.Cut(s, a)
	s, _, _ = strings.Cut(s, b)
	return s
}

// within says whether n is in a set like "1:3,7".
func within(set string, n uint32) bool {
	for r := range strings.SplitSeq(set, ",") {
		low, high, both := strings.Cut(r, ":")
		a, _ := strconv.ParseUint(low, 10, 32)
		b := a
		if high == "*" {
			high = "4294967295"
		}
		if both {
			b, _ = strconv.ParseUint(high, 10, 32)
		}
		if uint64(n) >= a && uint64(n) <= b {
			return true
		}
	}
	return false
}

var _ io.Writer = (*bufio.Writer)(nil)
