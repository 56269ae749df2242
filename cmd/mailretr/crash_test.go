//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/store"
	"mailretr/store/badger"
)

// A crash is where processes die, in the words of the table in store/doc.go.
type crash struct {
	state string
	lives []string // where each process dies, "point:n"; "stop POINT:N, " in front: it was asked to end
	twice bool     // something has to arrive twice: it is the one window
}

// crashes are all ways between two states, before and after. A last life without a kill follows.
var crashes = []crash{
	{state: "S0 asked for", lives: []string{"pop3.retr:9"}},
	{state: "S1 open, named", lives: []string{"stage:5"}},
	{state: "S1 open, some octets", lives: []string{"write:3"}},
	{state: "S1 open, a large one", lives: []string{"write.large:1"}},
	{state: "S1 sealed, one", lives: []string{"seal:1"}},
	{state: "S1 sealed, some", lives: []string{"seal:20"}},
	{state: "S1 sealed, all of a batch", lives: []string{"take.before:1"}},
	{state: "S2 not reported", lives: []string{"take.after:1"}},
	{state: "S2 not reported, second", lives: []string{"take.after:2"}},
	{state: "S2 deletion asked for", lives: []string{"pop3.dele:3"}},
	{state: "S2 deleted, not confirmed", lives: []string{"pop3.quit:1"}},
	{state: "S2 let go, not marked", lives: []string{"gone.before:1"}},
	{state: "S2 let go, marked", lives: []string{"gone.after:1"}},
	{state: "S0 to S5, before", lives: []string{"refuse.before:1"}},
	{state: "S0 to S5, after", lives: []string{"refuse.after:1"}},
	{state: "S3 leased", lives: []string{"lease:1"}},
	{state: "S3 leased, while others are sent", lives: []string{"lease:6"}},
	{state: "S3 being sent", lives: []string{"read:12"}},
	{state: "S3 taken by the MTA, unanswered", lives: []string{"mta.dot:4"}, twice: true},
	{state: "S3 answered, not settled", lives: []string{"end.before:1"}, twice: true},
	{state: "S3 answered, not settled, later", lives: []string{"end.before:15"}, twice: true},
	{state: "S3 deferred, not settled", lives: []string{"part.before:1"}},
	{state: "S3 deferred, settled", lives: []string{"part.after:1"}},
	{state: "S4 part done", lives: []string{"part.after:3"}},
	{state: "S4 report not committed", lives: []string{"report.before:1"}},
	{state: "S4 report committed", lives: []string{"report.after:1"}},
	{state: "S5 ended", lives: []string{"end.after:1"}},
	{state: "S5 ended, later", lives: []string{"end.after:15"}},
	{state: "stop, leases", lives: []string{"stop leases:1, release.before:1"}},
	{state: "stop, leases given back", lives: []string{"stop leases:1, release.after:1"}},
	{state: "stop, to be closed", lives: []string{"stop end.after:3, close.before:1"}},
	{state: "stop, closed", lives: []string{"stop end.after:3, close.after:1"}},
	{state: "start, database", lives: []string{"end.after:9", "start.database:1"}},
	{state: "start, opened", lives: []string{"report.after:1", "start.opened:1"}},
	{state: "start, adopted", lives: []string{"seal:20", "start.adopt:1"}},
	{state: "start, some adopted", lives: []string{"take.before:1", "start.adopt:2"}},
}

// overIMAP are the ones where IMAP is another way, and the windows.
var overIMAP = []string{"S1 open, a large one", "S1 sealed, some", "S2 not reported", "S2 let go, not marked",
	"S0 to S5, after", "S3 answered, not settled", "S4 report committed", "start, some adopted"}

// TestKillAtEachState kills the process with SIGKILL at each state that a message can be in, while mail flows
// from scripted servers to a recording MTA; then a process that nobody kills finishes. The history of both
// ends is judged, over all messages: each arrived octet for octet, or was bounced once; nothing twice but in
// the one window; nothing is left.
func TestKillAtEachState(t *testing.T) {
	for _, protocol := range []string{"pop3", "imap"} {
		for _, c := range crashes {
			if protocol == "imap" && !slices.Contains(overIMAP, c.state) {
				continue
			}
			t.Run(protocol+" "+c.state, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, protocol)
				for i, at := range c.lives {
					kill, stop := at, ""
					if s, rest, ok := strings.Cut(at, ", "); ok {
						kill, stop = rest, strings.TrimPrefix(s, "stop ")
					}
					w.dies(w.live(parseSpot(kill), parseSpot(stop)))
					// Mail never ends, and a success is what lets reports go that wait for one.
					w.put(0, newLetter(fmt.Sprintf("no-after-%d", i), fromOrdinary, 500, toJaco))
				}
				w.finishes(w.live(spot{}, spot{}))
				twice := w.judge(len(c.lives))
				if c.twice && twice == 0 {
					t.Error("nothing came twice: the window was missed")
				}
				w.empty()
			})
		}
	}
}

// Where mail is moved after collecting: the server has MOVE, or it has not and copies.
const overMove, overCopy = "imap move", "imap copy"

// TestKillWhileMoving kills the process where mail is moved upstream, at each step that the server has made and not
// answered, and around the mark that is let go of: nothing is lost, nothing is delivered twice, and each letter is in the
// other folder once.
func TestKillWhileMoving(t *testing.T) {
	common := []string{"take.after:1", "gone.before:1", "gone.after:1", "imap.create:1", "take.before:1"}
	for protocol, spots := range map[string][]string{
		overMove: {"imap.move:1", "imap.move:2", "imap.move:1, imap.move:1, gone.before:1"},
		overCopy: {"imap.copy:1", "imap.store:1", "imap.store:2", "imap.expunge:1", "imap.copy:1, imap.copy:1, imap.store:1"},
	} {
		for _, at := range append(common, spots...) {
			t.Run(protocol+" "+at, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, protocol)
				lives := strings.Split(at, ", ")
				for i, kill := range lives {
					w.been = map[string]int{}
					w.dies(w.live(parseSpot(kill), spot{}))
					w.put(0, newLetter(fmt.Sprintf("no-after-%d", i), fromOrdinary, 500, toJaco))
				}
				w.lets(len(lives))
				w.finishes(w.live(spot{}, spot{}))
				w.judge(len(lives))
				w.empty()
				for i, d := range w.drops {
					for no, n := range d.moved() {
						if n != w.puts[no] {
							t.Errorf("%s is in the other folder of maildrop %d %d times", no, i, n)
						}
					}
				}
				if n := len(w.drops[0].moved()) + len(w.drops[1].moved()); n != len(w.given) {
					t.Errorf("%d of %d letters were moved", n, len(w.given))
				}
			})
		}
	}
}

// keeping is behind a protocol whose maildrops keep their mail.
const keeping = " keep"

// TestKillWhileKeeping kills the process where mail stays upstream: there nothing but the marks tells what was collected,
// and a body that is cut by the kill is gone on with. Nothing is collected again by the lives that follow, and all of it
// is still in the maildrops.
func TestKillWhileKeeping(t *testing.T) {
	for _, protocol := range []string{"pop3", "imap"} {
		for _, at := range []string{"write.large:1", "seal:20", "take.before:1", "take.after:1, take.after:1",
			"end.before:15", "refuse.after:1"} {
			t.Run(protocol+" "+at, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, protocol+keeping)
				lives := strings.Split(at, ", ")
				for i, kill := range lives {
					w.been = map[string]int{}
					w.dies(w.live(parseSpot(kill), spot{}))
					w.put(0, newLetter(fmt.Sprintf("no-after-%d", i), fromOrdinary, 500, toJaco))
				}
				w.lets(len(lives))
				w.finishes(w.live(spot{}, spot{}))
				w.put(0, newLetter("no-again", fromOrdinary, 500, toJaco))
				w.finishes(w.live(spot{}, spot{}))
				w.judge(len(lives))
				w.empty()
				want := 0
				for _, n := range w.puts {
					want += n
				}
				if n := w.drops[0].left() + w.drops[1].left(); n != want {
					t.Errorf("%d of %d are in the maildrops", n, want)
				}
			})
		}
	}
}

// A pastTense is what the MTA has taken, by "number recipient".
type pastTense struct {
	read                int // messages of it that were looked at
	delivered, reported map[string][]relaytest.Mail
	strange             []string
}

var (
	subjectField = regexp.MustCompile(`(?m)^Subject: (no-\S+)\r$`)
	failedField  = regexp.MustCompile(`(?mi)^Final-Recipient: rfc822; *(\S+)\r$`)
	idField      = regexp.MustCompile(`(?mi)^Message-ID: (\S+)\r$`)
	traceFields  = regexp.MustCompile(`^(Received:[^\r]*\r\n([ \t][^\r]*\r\n)*)+$`)
)

// history reads what the MTA has.
func (w *world) history() *pastTense {
	h := &w.past
	all := w.mta.Mails()
	for _, m := range all[h.read:] {
		no := subjectField.FindStringSubmatch(string(m.Data))
		switch {
		case no == nil:
			h.strange = append(h.strange, fmt.Sprintf("a message without a number: %.300q", m.Data))
		case m.From == "":
			for _, to := range failedField.FindAllStringSubmatch(string(m.Data), -1) {
				key := no[1] + " " + to[1]
				h.reported[key] = append(h.reported[key], m)
			}
		default:
			for _, to := range m.To {
				key := no[1] + " " + string(to.Path)
				h.delivered[key] = append(h.delivered[key], m)
			}
			h.strange = append(h.strange, w.changed(no[1], &m)...)
		}
	}
	h.read = len(all)
	return h
}

// changed compares a message with what was given.
func (w *world) changed(no string, m *relaytest.Mail) []string {
	l, ok := w.given[no]
	if !ok {
		return []string{no + " was never given"}
	}
	front, found := strings.CutSuffix(string(m.Data), normal(l.rest))
	if !found && l.other != "" {
		front, found = strings.CutSuffix(string(m.Data), normal(l.other))
	}
	if !found {
		return []string{fmt.Sprintf("%s has other octets: %.600q", no, m.Data)}
	}
	if !traceFields.MatchString(front) {
		return []string{fmt.Sprintf("%s has %q in front", no, front)}
	}
	return nil
}

// judge judges the history of both ends, and returns how often something came again.
func (w *world) judge(kills int) (twice int) {
	w.t.Helper()
	h := w.history()
	for _, s := range h.strange {
		w.t.Error(s)
	}
	expected := map[string]bool{}
	for no, l := range w.given {
		for _, to := range l.served {
			expected["delivered "+no+" "+to] = true
		}
		for _, to := range l.refused {
			expected["reported "+no+" "+to] = true
		}
	}
	again := map[string]bool{}
	ends := map[string]map[string][]relaytest.Mail{"delivered": h.delivered, "reported": h.reported}
	for what, all := range ends {
		for key, copies := range all {
			if !expected[what+" "+key] {
				w.t.Errorf("%s was %s", key, what)
			}
			if len(copies) > 1 {
				no, _, _ := strings.Cut(key, " ")
				again[what+" "+no] = true
			}
			w.onlyInTheWindow(what+" "+key, copies)
			if what == "reported" {
				w.oneReport(key, copies)
			}
			delete(expected, what+" "+key)
		}
	}
	for key := range expected {
		w.t.Errorf("never: %s", key)
	}
	if len(again) > kills*crashConnections {
		w.t.Errorf("%d came again, after %d kills of %d connections", len(again), kills, crashConnections)
	}
	w.t.Logf("%d letters, %d connections, %d came again", len(w.given), w.mta.Connections(), len(again))
	return len(again)
}

// onlyInTheWindow: what came more than once came as the last message of connections whose process was killed,
// but for one. After each answer the result is committed before the next message of the connection begins.
func (w *world) onlyInTheWindow(what string, copies []relaytest.Mail) {
	w.t.Helper()
	last := map[int]string{}
	for _, m := range w.mta.Mails() {
		last[m.Conn] = string(m.Data)
	}
	sure := 0
	for _, m := range copies {
		if m.Conn > w.killed || last[m.Conn] != string(m.Data) {
			sure++
		}
	}
	if sure > 1 {
		w.t.Errorf("%d times, and %d of these not in the window: %s", len(copies), sure, what)
	}
}

// oneReport: a report that came twice is the same report.
func (w *world) oneReport(key string, copies []relaytest.Mail) {
	w.t.Helper()
	ids := map[string]bool{}
	for _, m := range copies {
		id := idField.FindStringSubmatch(string(m.Data))
		if id == nil || len(m.To) != 1 {
			w.t.Fatalf("a report without an id, or to %d: %q", len(m.To), m.Data)
		}
		ids[id[1]] = true
		about, to := w.given[strings.Fields(key)[0]], m.To[0].Path
		if !strings.Contains(about.top, "<"+string(to)+">") {
			w.t.Errorf("the report on %s went to %s", key, to)
		}
	}
	if len(ids) != 1 {
		w.t.Errorf("%d reports on %s", len(ids), key)
	}
}

// lets releases what was being attempted at one kill and again at the next one: it is held then, for it may be the
// cause, until somebody says that it is not.
func (w *world) lets(kills int) {
	w.t.Helper()
	if kills < 2 {
		return
	}
	e, err := badger.Open(context.Background(), badger.Options{Dir: filepath.Join(w.dir, "state"), Ballast: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = (&store.Queue{Engine: e}).ReleaseAll(context.Background(), store.Filter{}, store.HoldCrash)
	if err = errors.Join(err, e.Close()); err != nil {
		w.t.Fatal(err)
	}
}
