package smtp

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"mailretr/relay/wire"
)

// maxText bounds what is kept of a reply, in octets. The wire bounds the reply.
const maxText = 4096

// A reply is one whole reply of the server (RFC 5321, 4.2.1).
type reply struct {
	code     int    // 0: there was none
	enhanced string // RFC 3463, of the class of the code; "" where there is none
	text     string // code and text of all lines, joined by blanks
	lines    []string
}

// keyword says whether one of the lines begins with this keyword of EHLO, in any case.
func (r reply) keyword(word string) bool {
	for _, l := range r.lines {
		if first, _, _ := strings.Cut(l, " "); strings.EqualFold(first, word) {
			return true
		}
	}
	return false
}

// A talk is the connection as go-smtp sees it. It listens in: go-smtp keeps neither the text of a
// greeting, nor the enhanced code of a last line, nor the order of the replies of LMTP. It relies on the
// gate Replies, which hands out at most one line in one Read.
type talk struct {
	*wire.Conn
	replies []reply // since something was written
	part    reply   // not yet whole
	line    []byte  // of it, not yet whole
	kept    int
	lost    bool // there was nonsense since something was written

	rehearsing bool   // what is written is gathered in sent, and read is that all is well: see ahead
	sent       []byte // commands that have left, or will, before go-smtp says them
}

// Write begins a new question.
func (t *talk) Write(p []byte) (int, error) {
	if t.rehearsing {
		t.sent = append(t.sent, p...)
		return len(p), nil
	}
	t.replies, t.part, t.line, t.kept, t.lost = t.replies[:0], reply{}, t.line[:0], 0, false
	if rest, ok := bytes.CutPrefix(t.sent, p); ok && len(p) > 0 {
		t.sent = rest
		return len(p), nil
	}
	return t.Conn.Write(p)
}

// Read hands out what came. A reply that is a code alone gets the blank that go-smtp insists on (RFC 5321,
// 4.2 allows it to be missing).
func (t *talk) Read(p []byte) (int, error) {
	if t.rehearsing {
		return copy(p, "250 \r\n"), nil
	}
	n, err := t.Conn.Read(p)
	if n == 0 || err != nil {
		return n, err
	}
	whole := p[n-1] == '\n'
	if room := maxText - len(t.line); room > 0 {
		t.line = append(t.line, p[:min(n, room)]...)
	}
	if !whole {
		return n, nil
	}
	line := strings.TrimRight(string(t.line), "\r\n")
	t.line = t.line[:0]
	if bare := len(line) == 3 && n < len(p) && n >= 4; bare && digits(line) {
		n = copy(p, line+" \r\n")
		line += " "
	}
	t.heard(line)
	return n, nil
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// heard takes a line. A reply ends as net/textproto has it: at a line with the code of the first one and a
// blank.
func (t *talk) heard(line string) {
	r := &t.part
	if t.lost {
		return
	}
	if len(line) < 4 || !digits(line[:3]) || line[0] == '0' || line[3] != ' ' && line[3] != '-' {
		if r.code == 0 {
			t.lost = true // nonsense: go-smtp makes an error of it, and nothing behind it is an answer
			return
		}
		line = strconv.Itoa(r.code) + "-" + line
	}
	code, _ := strconv.Atoi(line[:3])
	text := line[4:]
	if r.code == 0 {
		r.code, r.text = code, line[:3]
	}
	if e := enhanced(text, r.code); e != "" {
		if r.enhanced == e {
			text = strings.TrimPrefix(text[len(e):], " ") // RFC 2034, 4: it stands on each line
		} else if r.enhanced == "" {
			r.enhanced = e
		}
	}
	if t.kept += len(text); t.kept <= maxText {
		r.lines = append(r.lines, text)
		if text != "" {
			r.text += " " + text
		}
	}
	if line[3] != '-' && code == r.code {
		t.replies = append(t.replies, *r)
		t.part, t.kept = reply{}, 0
	}
}

// enhanced returns the enhanced status code at the beginning of a text, where its class is that of the code.
func enhanced(text string, code int) string {
	first, _, _ := strings.Cut(text, " ")
	parts := strings.Split(first, ".")
	if len(parts) != 3 || parts[0] != strconv.Itoa(code/100) || !strings.Contains("245", parts[0]) {
		return ""
	}
	for _, p := range parts[1:] {
		if p == "" || len(p) > 3 || !digits(p) {
			return ""
		}
	}
	return first
}

// last returns the last whole reply, or none.
func (t *talk) last() reply {
	if len(t.replies) == 0 {
		return reply{}
	}
	return t.replies[len(t.replies)-1]
}

// hear reads one reply without go-smtp. Nonsense is an error of the wire.
func (t *talk) hear() (reply, error) {
	p := make([]byte, 2048)
	for n := len(t.replies); len(t.replies) == n; {
		k, err := t.Read(p)
		if err != nil {
			return reply{}, err
		}
		if p[k-1] == '\n' && len(t.replies) == n && t.part.code == 0 {
			err := fmt.Errorf("%.64q is no reply", p[:k])
			return reply{}, &wire.Error{Doing: "reading", Foreign: true, Err: err}
		}
	}
	return t.last(), nil
}

// ask sends a line and reads the reply, without go-smtp.
func (t *talk) ask(line string) (reply, error) {
	if _, err := t.Write([]byte(line + "\r\n")); err != nil {
		return reply{}, err
	}
	return t.hear()
}
