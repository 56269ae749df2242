package fetch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mailretr/store/mail"
)

// A server that allows fewer connections than a maildrop has folders is waited with in as many of them as can be had; the
// others are looked at as if nobody waited. What it has allowed is remembered for a day, so that it need not refuse
// another connection each time, nor a visit.

// topicWatch is that of the remark about folders in which nobody waits.
const topicWatch = "idle"

// Narrow is what is remembered of a watch that has not a connection for each folder. It is not changed once it is there.
type Narrow struct {
	Most  int       `json:"most,omitempty"` // connections that the server allows it; 0: not known
	Since time.Time `json:"since,omitzero"` // when that was found out
	Said  string    `json:"said,omitempty"` // the remark that stands
}

// allowed is how many connections a watch may have as far as the server is concerned. 0: it is to be found out.
func (n *Narrow) allowed(now time.Time) int {
	if n == nil {
		return 0
	}
	if age := now.Sub(n.Since); age < 0 || age >= daily {
		return 0
	}
	return n.Most
}

// said is the remark that stands.
func (n *Narrow) said() string {
	if n == nil {
		return ""
	}
	return n.Said
}

// connections is how many a watch that begins now may have; 0: as many as can be had.
func (e *entry) connections(now time.Time) int {
	a, b := e.state.Narrow.allowed(now), e.drop.Watches
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// waits watches, with no more than so many connections where the kind takes one for each folder.
func (p *Poller) waits(ctx context.Context, e *entry, to mail.Watcher, most int) error {
	news := func() { p.news(ctx, e) }
	if some, ok := to.(mail.FolderWatcher); ok {
		return some.WatchFolders(ctx, most, news, func(in, out []string) { p.holds(ctx, e, most, in, out) })
	}
	return to.Watch(ctx, news)
}

// holds takes in how many connections wait.
func (p *Poller) holds(ctx context.Context, e *entry, most int, in, out []string) {
	p.mu.Lock()
	if ctx.Err() != nil {
		p.mu.Unlock()
		return
	}
	w, now, was := &e.watch, p.now(), e.state.Narrow
	w.connections, w.narrow = len(in), len(out) > 0
	var is *Narrow
	if w.narrow {
		is = &Narrow{}
		if was != nil {
			*is = *was
		}
		if most == 0 || len(in) < most { // else it was not the server who said so now
			is.Most, is.Since = len(in), now
		}
		is.Said = narrowly(in, out, is.allowed(now) != len(in), e.drop.every())
	}
	e.state.Narrow = is
	account, name := e.drop.Account, e.drop.Name
	p.mu.Unlock()
	text := is.said()
	if text == was.said() {
		return
	}
	p.observe(mail.Event{Op: mail.OpRemark, Topic: topicWatch, Text: text,
		Origin: mail.Origin{Maildrop: name, Account: account}})
	if err := p.save(ctx, e); err != nil {
		p.unsaved(mail.Origin{Maildrop: name, Account: account}, err)
	}
}

// narrows remembers that so many connections were too many, since a visit found no room beside them.
func (e *entry) narrows(connections int, now time.Time) {
	if connections < 2 {
		return
	}
	e.state.Narrow = &Narrow{Most: connections - 1, Since: now, Said: e.state.Narrow.said()}
}

// widens ends a watch that is narrow for a day, so that it begins anew with as many connections as can be had then, and in
// the folders into which mail comes now.
func (e *entry) widens(now time.Time) {
	w := &e.watch
	if !w.narrow || w.cancel == nil || now.Sub(w.began) < daily {
		return
	}
	w.end()
	w.next = now.Add(hasty) // the server has to notice first
}

// unremarked forgets what was said of a watch that there is none any more, and says whether that is to be told.
func (e *entry) unremarked() bool {
	if e.drop.Watch || e.state.Narrow == nil {
		return false
	}
	said := e.state.Narrow.Said != ""
	e.state.Narrow = nil
	return said
}

// mostNamed is how many folders a remark names.
const mostNamed = 5

// narrowly says in which folders the server does not say when mail comes.
func narrowly(in, out []string, limited bool, every time.Duration) string {
	why := "more connections it does not allow"
	if limited {
		why = "limits: idle: allows no more connections"
	}
	names, more := out, ""
	if n := len(out) - mostNamed; n > 0 {
		names, more = out[:mostNamed], fmt.Sprintf(" and %d more", n)
	}
	var list []string
	for _, name := range names {
		list = append(list, mail.Printable(name, 60))
	}
	return fmt.Sprintf("the server says when mail comes in %d of %d folders, since %s; these are looked at every %s: %s%s",
		len(in), len(in)+len(out), why, span(every), strings.Join(list, ", "), more)
}

// span is a time without what is zero behind it: 5m, not 5m0s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
