//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/relaytest"
	"mailretr/store/badger"
)

// A letter waits in a maildrop. What has to become of it is known before anything runs.
type letter struct {
	no      string // in its Subject
	top     string // fields that were put in front at its final delivery; ours does not pass Return-Path on
	rest    string // what has to arrive, in its normal form
	other   string // the same for another of its recipients: a copy, with a field of its own; "": there is none
	served  []string
	refused []string // each told to the sender, once
}

// newLetter makes one of about n octets, with lines that a careless program would damage.
func newLetter(no, from string, n int, served ...string) letter {
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(no))))
	var b strings.Builder
	fmt.Fprintf(&b, "From: Sender <%s>\r\nTo: somebody@kroon.co.za\r\nSubject: %s\r\n", from, no)
	fmt.Fprintf(&b, "Message-ID: <%s@example.org>\r\n\r\n", no)
	odd := []string{".", "..", ".x", "From me", "", " \t", strings.Repeat("l", 990), "caf\xc3\xa9"}
	for b.Len() < n {
		if r.IntN(9) == 0 {
			b.WriteString(odd[r.IntN(len(odd))])
		} else {
			b.WriteString(strings.Repeat("word ", 1+r.IntN(12)))
		}
		b.WriteString("\r\n")
	}
	return letter{no: no, top: "Return-Path: <" + from + ">\r\n", rest: b.String(), served: served}
}

// Senders and recipients about which the MTA has an opinion.
const (
	toJaco       = "jaco@kroon.co.za"
	toSlow       = "slow@kroon.co.za" // deferred twice at RCPT
	toGone       = "gone@kroon.co.za" // refused at RCPT, for many@ only
	fromRefused  = "refused@example.org"
	fromMany     = "many@example.org"
	fromLater    = "later@example.org" // deferred twice after the dot
	fromOrdinary = "sender@example.org"
)

// letters are what waits in the two maildrops: a single-drop one and a multi-drop one. exact: the server
// keeps octets as they are, so that odd ones may be among them.
func letters(exact bool) (single, multi []letter) {
	for i := range 34 {
		single = append(single, newLetter(fmt.Sprintf("no-%d", i), fromOrdinary, 300+i*i*11, toJaco))
	}
	single = append(single,
		newLetter("no-middle", fromOrdinary, 40<<10, toJaco),
		newLetter("no-large", fromOrdinary, 300<<10, toJaco),
		newLetter("no-later", fromLater, 4<<10, toJaco))
	for _, n := range []int{2 << 10, 600 << 10} { // refused when it is delivered, and by a probe
		l := newLetter(fmt.Sprintf("no-refused-%d", n), fromRefused, n)
		l.refused = []string{toJaco}
		single = append(single, l)
	}
	if exact {
		l := newLetter("no-odd", fromOrdinary, 6<<10, toJaco)
		l.rest += "bare LF\nbare CR\rNUL \x00 8-bit \xe9\xff\n.\n.." // and no last line end
		single = append(single, l)
	}
	several := [][]string{{toJaco, toSlow}, {"a@kroon.co.za", "b@kroon.co.za", "c@kroon.co.za"}, {toSlow}}
	for i, to := range several {
		l := newLetter(fmt.Sprintf("no-multi-%d", i), fromMany, 1000+i, to...)
		all := to
		if i == 0 {
			l.refused = []string{toGone}
			all = append(all[:len(all):len(all)], toGone)
		}
		l.top += "X-Envelope-To: " + strings.Join(all, ", ") + "\r\n"
		l.rest = l.top[strings.Index(l.top, "X-"):] + l.rest
		l.top = l.top[:strings.Index(l.top, "X-")]
		multi = append(multi, l)
	}
	twins := newLetter("no-twins", fromMany, 100<<10, "a@kroon.co.za", "b@kroon.co.za")
	for i, rest := range []*string{&twins.other, &twins.rest} {
		*rest = "X-Envelope-To: " + twins.served[i] + "\r\nReceived: from out.example.org by mx.isp.example with ESMTP id 4XY; " +
			"Wed, 4 Nov 2026 10:11:12 +0200\r\n" + twins.rest
	}
	return single, append(multi, twins)
}

func (l *letter) octets() []byte { return []byte(l.top + l.rest) }

// normal is the normal form, by this test's own reckoning: CRLF line ends, no bare CR, a last line end.
func normal(octets string) string {
	s := strings.NewReplacer("\r\n", "\r\n", "\n", "\r\n", "\r", " ").Replace(octets)
	if !strings.HasSuffix(s, "\r\n") {
		s += "\r\n"
	}
	return s
}

// A maildrop is what the world has of a server.
type crashDrop struct {
	url   string
	put   func([]byte)
	left  func() int
	moved func() map[string]int // by number, how often it is in the folder that mail is moved to
}

// A world is two maildrops, an MTA, and the lives of a process between them. It keeps the history of both
// ends.
type world struct {
	t      *testing.T
	dir    string
	after  string // what happens upstream
	drops  [2]crashDrop
	given  map[string]letter
	puts   map[string]int // by number, how often it was put
	mta    *relaytest.MTA
	past   pastTense
	life   *life
	killed int // connections of the MTA that were made by processes that were killed

	mu     sync.Mutex
	from   map[int]string // by connection of the MTA
	said   map[string]int // deferrals, by whom they are for
	strike func()         // kills the process from outside when the server or the MTA comes to a spot
	hit    spot
	been   map[string]int
}

func newWorld(t *testing.T, protocol string) *world {
	w := &world{t: t, given: map[string]letter{}, puts: map[string]int{}, from: map[int]string{}, after: "delete"}
	if protocol == overCopy || protocol == overMove {
		w.after = "{move: Old}"
	}
	protocol, keeps := strings.CutSuffix(protocol, keeping)
	if keeps {
		w.after = "keep"
	}
	w.said, w.been = map[string]int{}, map[string]int{}
	w.past.delivered, w.past.reported = map[string][]relaytest.Mail{}, map[string][]relaytest.Mail{}
	dir, err := os.MkdirTemp("", "crash") // short: a socket is in it
	if err != nil {
		t.Fatal(err)
	}
	w.dir = dir
	t.Cleanup(func() { os.RemoveAll(dir) })
	w.mta = relaytest.New(t, relaytest.Script{Answer: w.answer})
	for i, user := range []string{"jaco", "office"} {
		if protocol == "pop3" {
			w.drops[i] = w.pop3(user)
		} else {
			w.drops[i] = w.imap(user, protocol == overMove)
		}
	}
	single, multi := letters(protocol == "pop3")
	for i, all := range [][]letter{single, multi} {
		for _, l := range all {
			w.put(i, l)
		}
	}
	w.configure()
	t.Cleanup(w.end)
	return w
}

func (w *world) put(drop int, l letter) {
	w.given[l.no] = l
	if w.puts[l.no]++; l.other != "" {
		w.puts[l.no]++
	}
	w.drops[drop].put(l.octets())
	if l.other != "" {
		w.drops[drop].put([]byte(l.top + l.other))
	}
}

func (w *world) configure() {
	config := fmt.Sprintf(`hostname: mail.kroon.co.za
state: %[1]s/state
socket: %[1]s/run/socket
deliver: {smtp: %[2]q, connections: %[3]d}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: %[4]q, tls: none, password: {file: %[1]s/pass}, to: %[5]s, after: %[7]s}
  - name: office
    url: %[6]q
    tls: none
    password: {file: %[1]s/pass}
    multidrop: {envelope: X-Envelope-To, domains: [kroon.co.za]}
    after: %[7]s
`, w.dir, w.mta.Address(), crashConnections, w.drops[0].url, toJaco, w.drops[1].url, w.after)
	for name, text := range map[string]string{"mailretr.yaml": config, "pass": "secret\n"} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

const crashConnections = 4

// pop3 starts a scripted server.
func (w *world) pop3(user string) crashDrop {
	s := fetchtest.NewPOP3(w.t)
	s.User = user
	s.On = map[string]func(*fetchtest.POP3Conn, string) bool{
		"DELE": func(*fetchtest.POP3Conn, string) bool { w.at("pop3.dele"); return false },
		"QUIT": func(c *fetchtest.POP3Conn, _ string) bool { c.Quit(); w.at("pop3.quit"); return false },
		"RETR": func(*fetchtest.POP3Conn, string) bool { w.at("pop3.retr"); return false },
	}
	return crashDrop{
		url:  "pop3://" + user + "@" + s.Listen(w.t),
		put:  func(b []byte) { s.Put(b) },
		left: func() int { return len(s.Left()) },
	}
}

// answer is what the MTA thinks.
func (w *world) answer(s relaytest.Step) relaytest.Answer {
	w.mu.Lock()
	from := w.from[s.Conn]
	if s.Verb == "MAIL" {
		w.from[s.Conn] = string(s.Path)
	}
	w.mu.Unlock()
	to := string(s.Path)
	switch {
	case s.Verb == "RCPT" && (from == fromRefused && to == toJaco || from == fromMany && to == toGone):
		return relaytest.Answer{Reply: "550 no such user here"}
	case s.Verb == "RCPT" && to == toSlow && w.deferred(toSlow+from):
		return relaytest.Answer{Reply: "450 4.2.1 not now"}
	case s.Verb == relaytest.Dot && from == fromLater && w.deferred(fromLater):
		return relaytest.Answer{Reply: "451 4.3.0 Zip module failure"}
	case s.Verb == relaytest.Dot:
		w.at("mta.dot") // taken, and the process never sees the answer
	}
	return relaytest.Answer{}
}

// deferred says yes twice.
func (w *world) deferred(whom string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said[whom]++
	return w.said[whom] <= 2
}

// at kills the process from outside, the n-th time that one of the ends comes to a point.
func (w *world) at(point string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.been[point]++
	if w.strike != nil && w.hit == (spot{point, w.been[point]}) {
		w.strike()
	}
}

// A life is one process.
type life struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended is closed
}

// live starts a process that kills itself at a spot, after it was asked to end at another.
func (w *world) live(kill, stop spot) *life {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	l := &life{cmd: exec.Command(self), ended: make(chan struct{})}
	l.cmd.Env = append(os.Environ(), envCrash+"="+filepath.Join(w.dir, "mailretr.yaml"),
		envKill+"="+kill.String(), envStop+"="+stop.String(),
		"GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE")) // with the race detector it would end a second late
	out, err := os.OpenFile(filepath.Join(w.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	l.cmd.Stdout, l.cmd.Stderr = out, out
	w.mu.Lock() // from here on the ends may come to the spot
	w.life, w.hit, w.strike = l, kill, func() { l.cmd.Process.Kill() }
	err = l.cmd.Start()
	w.mu.Unlock()
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		l.err = l.cmd.Wait()
		close(l.ended)
	}()
	return l
}

// dies waits until the process was killed where it was meant to be.
func (w *world) dies(l *life) {
	w.t.Helper()
	select {
	case <-l.ended:
	case <-time.After(crashPatience):
		w.t.Fatalf("it never comes to the spot; %s", w.lacks())
	}
	if s := l.cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGKILL {
		w.t.Fatalf("it ended by itself: %v", l.err)
	}
	w.mu.Lock()
	w.strike = nil
	w.mu.Unlock()
	w.killed = w.mta.Connections()
}

// crashPatience is for machines that do much else.
const crashPatience = time.Minute

// finishes waits until nothing is missing at the MTA and nothing left in the maildrops, and ends the process
// in good order.
func (w *world) finishes(l *life) {
	w.t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	late := time.After(crashPatience)
	for lacks := w.lacks(); lacks != ""; lacks = w.lacks() {
		select {
		case <-look.C:
		case <-l.ended:
			w.t.Fatalf("it ended: %v; %s", l.err, lacks)
		case <-late:
			w.t.Fatal(lacks)
		}
	}
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	select {
	case <-l.ended:
	case <-late:
		w.t.Fatal("it does not end")
	}
	if l.err != nil {
		w.t.Fatalf("ending in good order: %v", l.err)
	}
}

// lacks says what has not come to its end yet, "" when all has.
func (w *world) lacks() string {
	h := w.history()
	for no, l := range w.given {
		for _, to := range l.served {
			if len(h.delivered[no+" "+to]) == 0 {
				return no + " has not come to " + to
			}
		}
		for _, to := range l.refused {
			if len(h.reported[no+" "+to]) == 0 {
				return "nobody was told of " + no + " for " + to
			}
		}
	}
	for _, d := range w.drops {
		if n := d.left(); n > 0 && w.after != "keep" {
			return fmt.Sprintf("%d messages are in a maildrop", n)
		}
	}
	return ""
}

// end kills what is left, and shows the log where something failed.
func (w *world) end() {
	if w.life != nil {
		w.life.cmd.Process.Kill()
		<-w.life.ended
	}
	if !w.t.Failed() {
		return
	}
	b, err := os.ReadFile(filepath.Join(w.dir, "log"))
	w.t.Logf("the log (%v):\n%s", err, b[max(0, len(b)-12<<10):])
	w.t.Logf("the MTA:\n%s", strings.Join(w.mta.Lines(), "\n"))
}

// empty fails unless the store has no message and the spool no file.
func (w *world) empty() {
	w.t.Helper()
	state := filepath.Join(w.dir, "state")
	e, err := badger.Open(context.Background(), badger.Options{Dir: state, Ballast: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := e.Totals(context.Background())
	if err = errors.Join(err, e.Close()); err != nil || n.Messages != 0 {
		w.t.Errorf("%d messages are in the queue at the end: %v", n.Messages, err)
	}
	err = filepath.WalkDir(filepath.Join(state, "spool"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			w.t.Errorf("%s is left in the spool", path)
		}
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
}
