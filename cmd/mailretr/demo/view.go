package demo

import (
	"fmt"
	"os"
	"strings"
	"time"

	xterm "golang.org/x/term"

	"mailretr/cmd/mailretr/term"
)

// A view shows a story: sentences that stay, and on a terminal a block below them with the state of things,
// which is drawn again and again. Not for concurrent use.
type view struct {
	o     *term.Out
	story *Story
	drawn int // lines of the block that stand on the terminal
}

// Show tells the story until done is closed. A nil Out shows nothing.
func (s *Story) Show(o *term.Out, done <-chan struct{}) {
	if o == nil {
		<-done
		return
	}
	v := &view{o: o, story: s}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			v.draw(true)
		case <-done:
			v.draw(false)
			return
		}
	}
}

// draw writes what is new. The block is taken away first; with again it is written below.
func (v *view) draw(again bool) {
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", v.drawn) // up to its first line; clear to the end
		v.drawn = 0
	}
	for _, l := range v.story.tell() {
		b.WriteString(l + "\n")
	}
	if v.o.TTY && again {
		width := columns(v.o)
		for _, l := range append([]string{""}, v.story.now()...) {
			b.WriteString(v.o.Paint(term.Faint, cut(l, width)) + "\n")
			v.drawn++
		}
	}
	v.o.Printf("%s", b.String())
}

// columns is the width of the terminal. A line of the block that was broken by it could not be taken away
// again.
func columns(o *term.Out) int {
	if f, ok := o.Writer.(*os.File); ok {
		if w, _, err := xterm.GetSize(int(f.Fd())); err == nil && w > 1 {
			return w - 1
		}
	}
	return 79
}

// cut shortens a line; what is cut is ASCII.
func cut(s string, n int) string { return s[:min(len(s), n)] }
