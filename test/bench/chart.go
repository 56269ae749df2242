package main

import (
	"fmt"
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
	notes   []string
}

type figure struct {
	who  string
	much float64
}

func (c *chart) add(who string, much float64) { c.figures = append(c.figures, figure{who, much}) }

func (c *chart) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// reached judges the figures of mailretr, all of which have to hold.
func (c chart) reached() bool {
	for _, f := range c.figures {
		if !strings.HasPrefix(f.who, "mailretr") {
			continue
		}
		if c.most > 0 && f.much > c.most || f.much < c.least {
			return false
		}
		for _, p := range c.figures {
			if c.lowest && !strings.HasPrefix(p.who, "mailretr") && p.much < f.much {
				return false
			}
		}
	}
	return true
}

func (c chart) String() string {
	var s strings.Builder
	for _, f := range c.figures {
		fmt.Fprintf(&s, "  %-28s %s\n", f.who, amount(f.much, c.unit))
	}
	var want []string
	if c.most > 0 {
		want = append(want, "at most "+amount(c.most, c.unit))
	}
	if c.least > 0 {
		want = append(want, "at least "+amount(c.least, c.unit))
	}
	if c.lowest {
		want = append(want, "the lowest")
	}
	if len(want) > 0 {
		fmt.Fprintf(&s, "  to reach: %s: %s\n", strings.Join(want, ", "), map[bool]string{true: "yes", false: "NO"}[c.reached()])
	}
	for _, n := range c.notes {
		fmt.Fprintf(&s, "  %s\n", n)
	}
	return s.String()
}

func amount(much float64, unit string) string {
	if unit == "x" {
		return fmt.Sprintf("%.4f x", much)
	}
	return fmt.Sprintf("%.0f %s", much, unit)
}
