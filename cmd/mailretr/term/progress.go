package term

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"mailretr/store/mail"
)

const (
	// barsAfter is how long a terminal stays quiet: what is quick needs no bar.
	barsAfter = time.Second
	// lineEvery is how often a log hears that something still goes on.
	lineEvery = 30 * time.Second
	// maxBars is how many bars stand below each other; more would scroll.
	maxBars = 5
)

// A Step is how far one thing has come: a maildrop, a list. What is not known is zero.
type Step struct {
	Doing         string // what is waited for, e.g. "logging in"
	Messages, Of  int64
	What          string // is counted instead of messages, e.g. "connection"
	Octets, Total int64
}

// String says it in one line, without what is not known.
func (s Step) String() string {
	var parts []string
	if s.Doing != "" {
		parts = append(parts, s.Doing)
	}
	what := cmp.Or(s.What, "message")
	switch {
	case s.Of > 0:
		parts = append(parts, fmt.Sprintf("%d of %s", s.Messages, Count(int(s.Of), what)))
	case s.Messages > 0:
		parts = append(parts, Count(int(s.Messages), what))
	}
	switch {
	case s.Total > 0:
		parts = append(parts, Size(s.Octets)+" of "+Size(s.Total))
	case s.Octets > 0:
		parts = append(parts, Size(s.Octets))
	}
	return strings.Join(parts, ", ")
}

// done and total are what a bar fills with.
func (s Step) done() (done, total int64) {
	if s.Total > 0 {
		return min(s.Octets, s.Total), s.Total
	}
	return min(s.Messages, s.Of), s.Of
}

// Progress shows how far things have come: bars on a terminal once a second has gone by, a plain line every
// half a minute elsewhere. Close ends it; nothing of the bars stays on the screen. Safe for concurrent use,
// but others write to its Out with Print only meanwhile.
type Progress struct {
	o    *Out
	stop chan struct{}
	over chan struct{} // closed when show has returned

	mu    sync.Mutex
	order []string
	steps map[string]Step
	bars  *mpb.Progress
	shown map[string]*bar
}

// A bar on the screen. Its text is read by whoever draws, who must not wait for Progress.mu.
type bar struct {
	*mpb.Bar
	text atomic.Pointer[string]
}

// Progress begins. quiet means that nothing is shown at all.
func (o *Out) Progress(quiet bool) *Progress {
	p := &Progress{
		o: o, stop: make(chan struct{}), over: make(chan struct{}),
		steps: map[string]Step{}, shown: map[string]*bar{},
	}
	if quiet {
		close(p.over)
	} else {
		go p.show()
	}
	return p
}

// Set says how far the thing of this name has come.
func (p *Progress) Set(name string, s Step) {
	s.Doing = mail.Printable(s.Doing, 60)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.steps[name]; !known {
		p.order = append(p.order, name)
	}
	p.steps[name] = s
	p.draw()
}

// Done says that the thing of this name is finished.
func (p *Progress) Done(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.steps, name)
	for i, n := range p.order {
		if n == name {
			p.order = append(p.order[:i:i], p.order[i+1:]...)
			break
		}
	}
	if b := p.shown[name]; b != nil {
		b.Abort(true)
		delete(p.shown, name)
	}
	p.draw()
}

// Print writes a line of its own, above the bars where there are any. The text is escaped and cut.
func (p *Progress) Print(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := mail.Printable(text, 4*maxCell) + "\n"
	if p.bars != nil {
		io.WriteString(p.bars, line) // it is drawn with the next refresh; after Close there are no bars
		return
	}
	io.WriteString(p.o, line)
}

// Close removes the bars.
func (p *Progress) Close() {
	close(p.stop)
	<-p.over
	if p.bars == nil {
		return
	}
	for _, b := range p.shown {
		b.Abort(true)
	}
	p.bars.Wait()
}

// show runs until Close: it waits for the moment to begin, and writes the plain lines.
func (p *Progress) show() {
	defer close(p.over)
	pause := lineEvery
	if p.o.TTY {
		pause = barsAfter
	}
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
		}
		p.mu.Lock()
		if !p.o.TTY {
			p.line()
		} else if p.bars == nil {
			p.bars = mpb.New(mpb.WithOutput(p.o.Writer), mpb.WithAutoRefresh())
			p.draw()
		}
		p.mu.Unlock()
	}
}

// line writes one plain line about the first few things. The caller holds mu.
func (p *Progress) line() {
	var parts []string
	for _, name := range p.order[:min(len(p.order), maxBars)] {
		parts = append(parts, mail.Printable(name, 100)+": "+p.steps[name].String())
	}
	if n := len(p.order) - maxBars; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	if len(parts) > 0 {
		io.WriteString(p.o, strings.Join(parts, "; ")+"\n")
	}
}

// draw brings the bars up to date. The caller holds mu.
func (p *Progress) draw() {
	if p.bars == nil {
		return
	}
	for _, name := range p.order {
		b := p.shown[name]
		if b == nil && len(p.shown) < maxBars {
			b = p.add(name)
		}
		if b == nil {
			continue
		}
		text := " " + p.steps[name].String()
		b.text.Store(&text)
		done, total := p.steps[name].done()
		b.SetTotal(total, false)
		b.SetCurrent(done)
	}
}

// add adds the bar of a thing: name, bar, what is waited for and how far it is, time left and rate.
func (p *Progress) add(name string) *bar {
	b := &bar{}
	b.text.Store(new(string))
	after := []decor.Decorator{
		decor.Any(func(decor.Statistics) string { return *b.text.Load() }),
		decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO),
	}
	if p.steps[name].Total > 0 {
		after = append(after, decor.AverageSpeed(decor.SizeB1024(0), "  %.1f"))
	}
	b.Bar = p.bars.New(0, mpb.BarStyle(), mpb.BarRemoveOnComplete(), mpb.BarWidth(20),
		mpb.PrependDecorators(decor.Name(mail.Printable(name, 40)+" ", decor.WCSyncSpaceR)),
		mpb.AppendDecorators(after...))
	p.shown[name] = b
	return b
}
