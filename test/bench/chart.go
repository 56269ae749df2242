package main

import (
	"fmt"
	"slices"
	"strings"
)

// A section is a row that compares more than two.
type section struct {
	name string
	run  func(*bench) chart
}

// A chart is what a section has found: a figure for each program.
type chart struct {
	unit    string
	figures []figure
	lowest  bool    // mailretr is to be the lowest
	most    float64 // what mailretr may have at most; 0: anything
	least   float64 // what mailretr has to have at least; 0: anything
	wants   []want
	notes   []string

	decimals int
}

// A want is something else that has to hold.
type want struct {
	what string
	held bool
}

func (c *chart) want(what string, held bool) { c.wants = append(c.wants, want{what, held}) }

type figure struct {
	who   string
	much  float64
	apart bool // did less than was asked for: shown, and not compared with
}

func (c *chart) add(who string, much float64) {
	c.figures = append(c.figures, figure{who: who, much: much})
}

// less is add for a program that did less than was asked for.
func (c *chart) less(who string, much float64) {
	c.figures = append(c.figures, figure{who, much, true})
}

func (c *chart) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// missed says whether something that was to be reached was not.
func (c chart) missed() bool {
	return !c.reached() || slices.ContainsFunc(c.wants, func(w want) bool { return !w.held })
}

func yes(held bool) string {
	if held {
		return "yes"
	}
	return "NO"
}

// reached judges the figures of mailretr, all of which have to hold.
func (c chart) reached() bool {
	for _, f := range c.figures {
		if f.apart || !strings.HasPrefix(f.who, "mailretr") {
			continue
		}
		if c.most > 0 && f.much > c.most || f.much < c.least {
			return false
		}
		for _, p := range c.figures {
			if c.lowest && !p.apart && !strings.HasPrefix(p.who, "mailretr") && p.much < f.much {
				return false
			}
		}
	}
	return true
}

func (c chart) String() string {
	var s strings.Builder
	for _, f := range c.figures {
		fmt.Fprintf(&s, "  %-40s %s\n", f.who, c.amount(f.much))
	}
	var want []string
	if c.most > 0 {
		want = append(want, "at most "+c.amount(c.most))
	}
	if c.least > 0 {
		want = append(want, "at least "+c.amount(c.least))
	}
	if c.lowest {
		want = append(want, "the lowest")
	}
	if len(want) > 0 {
		fmt.Fprintf(&s, "  to reach: %s: %s\n", strings.Join(want, ", "), yes(c.reached()))
	}
	for _, w := range c.wants {
		fmt.Fprintf(&s, "  to reach: %s: %s\n", w.what, yes(w.held))
	}
	for _, n := range c.notes {
		fmt.Fprintf(&s, "  %s\n", n)
	}
	return s.String()
}

func (c chart) amount(much float64) string {
	decimals := c.decimals
	if c.unit == "x" {
		decimals = 5
	}
	return fmt.Sprintf("%.*f %s", decimals, much, c.unit)
}
