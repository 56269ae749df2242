package imap

import (
	"bytes"
	"crypto/rand"
	"strings"

	"mailretr/relay/imapconn"
)

// The library cannot bear a folder whose name is not well-formed: the connection ends with it, and one such
// folder makes all unreachable. So LIST is asked past it: while a command of ours is under way, the line
// keeps back what answers it, and passes everything else on.

// An own is what a command of ours waits for.
type own struct {
	tags    map[string]bool // without an answer
	keep    string          // the word of the untagged responses that are wanted, in capitals
	scan    scanner
	buf     []byte // of the logical line that is under way
	kept    [][]byte
	answers []imapconn.Reply
	err     error
	done    chan struct{}
	then    then // may be nil
}

// then is called by the reading goroutine behind the last answer, before anything else is read.
type then func(answers []imapconn.Reply)

// ask sends commands of ours at once, and returns the untagged responses of one kind, each a logical line
// with its literals, and how the commands ended. Nothing of the library's may be under way; octets bounds
// what comes.
func (l *line) ask(commands []string, keep string, octets int64) ([][]byte, []imapconn.Reply, error) {
	return l.askThen(commands, keep, octets, nil)
}

func (l *line) askThen(commands []string, keep string, octets int64, f then) ([][]byte, []imapconn.Reply, error) {
	defer l.begin(octets)()
	o := &own{tags: map[string]bool{}, keep: keep, done: make(chan struct{}), then: f}
	var out strings.Builder
	for _, c := range commands {
		tag := "L" + rand.Text()[:12]
		o.tags[tag] = true
		out.WriteString(tag + " " + c + "\r\n")
	}
	l.mu.Lock()
	o.err = l.first
	if o.err == nil {
		l.own = o
	}
	l.mu.Unlock()
	if o.err != nil {
		return nil, nil, o.err
	}
	if _, err := l.Write([]byte(out.String())); err != nil {
		l.release(o, err)
	}
	<-o.done
	return o.kept, o.answers, o.err
}

// release ends what a command of ours waits for.
func (l *line) release(o *own, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o == nil || l.own != o {
		return
	}
	l.own = nil
	o.err = err
	close(o.done)
}

// sift takes from what came what is ours; the rest is to be read by the library. false: nothing of ours is
// under way.
func (l *line) sift(p []byte) bool {
	l.mu.Lock()
	o := l.own
	l.mu.Unlock()
	if o == nil {
		return false
	}
	for i, c := range p {
		o.buf = append(o.buf, c)
		if o.scan.feed(p[i:i+1]) != nil || c != '\n' || o.scan.n > 0 || o.scan.literal > 0 {
			continue // the line's own scanner has bounds, and has looked at it already
		}
		if !o.takes(o.buf) {
			l.rest = append(l.rest, o.buf...)
		}
		o.buf = nil
		if len(o.tags) == 0 {
			l.rest = append(l.rest, p[i+1:]...)
			if o.then != nil {
				o.then(o.answers)
			}
			l.release(o, nil)
			return true
		}
	}
	return true
}

// takes says whether a logical line is ours, and takes it.
func (o *own) takes(line []byte) bool {
	tag, rest, _ := bytes.Cut(line, []byte(" "))
	if string(tag) == "*" {
		word, _, _ := bytes.Cut(rest, []byte(" "))
		if !strings.EqualFold(string(word), o.keep) {
			return false
		}
		o.kept = append(o.kept, line)
		return true
	}
	if !o.tags[string(tag)] {
		return false
	}
	delete(o.tags, string(tag))
	r, _ := imapconn.ParseReply(strings.TrimRight(string(line), "\r\n"))
	o.answers = append(o.answers, r)
	return true
}
