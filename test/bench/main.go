// Command bench measures mailretr beside its peers in one run: the same Dovecot, the same line, the same MTA. mailretr makes
// every message durable before it deletes it upstream; fetchmail writes nothing to disk. test/bench/run builds what it
// needs and starts it.
//
// The first rows are rates beside fetchmail, from the start of the program to the last message at the MTA (bench.go). Then
// come what crosses the line (octets.go) and what round trips cost (trips.go), beside all peers and a client that keeps
// nothing (bare.go); who waits for whom (fair.go), a line that is cut (cut.go), and 1,000 maildrops (many.go); and what a full
// queue delivers (relay.go) and a listener takes (front.go) beside Postfix.
//
// Times without latency hold as ratios only; octets and memory are exact. Where a row does not reach what it is to reach the
// last lines name it, and the exit code is 1; it is 64 where -only fits no row.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	program := flag.String("mailretr", "", "path of the built program")
	only := flag.String("only", "", "run only the rows whose name contains one of these words, which commas separate, in any case")
	rounds := flag.Int("rounds", 3, "rounds; the median counts")
	flag.IntVar(&relayed, "relayed", relayed, "messages of the rows relay")
	flag.Parse()
	chosen, err := choice(*only, names())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(64) // EX_USAGE
	}
	b := &bench{program: *program}
	missed := append(b.rates(chosen, *rounds), b.charts(chosen)...)
	for _, name := range missed {
		fmt.Printf("not reached: %s\n", name)
	}
	if len(missed) > 0 {
		os.Exit(1)
	}
}

// sections are the rows that compare more than two.
func sections() []section {
	return slices.Concat(octetRows, tripRows, fairRows, cutRows, manyRows, relayRows, frontRows, idleRows)
}

// names are those of all rows.
func names() (all []string) {
	for _, r := range rows {
		all = append(all, r.name)
	}
	for _, s := range sections() {
		all = append(all, s.name)
	}
	return all
}

// choice returns which rows have one of these words in their name, or all of the text as it stands; all have, where there is
// none. A word that no row has is an error: nobody wants to measure nothing.
func choice(only string, names []string) (chosen func(name string) bool, err error) {
	only = strings.ToLower(only)
	var words []string
	if whole := func(name string) bool { return strings.Contains(strings.ToLower(name), only) }; slices.ContainsFunc(names, whole) {
		words, only = []string{only}, "" // names have commas too
	}
	for word := range strings.SplitSeq(only, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	for _, word := range words {
		has := func(name string) bool { return strings.Contains(strings.ToLower(name), word) }
		if !slices.ContainsFunc(names, has) {
			return nil, fmt.Errorf("no row has %q in its name; there are:\n  %s", word, strings.Join(names, "\n  "))
		}
	}
	return func(name string) bool {
		name = strings.ToLower(name)
		has := func(word string) bool { return strings.Contains(name, word) }
		return len(words) == 0 || slices.ContainsFunc(words, has)
	}, nil
}

// rates measures the chosen rows beside fetchmail. missed are those that do not reach what they are to reach.
func (b *bench) rates(chosen func(string) bool, rounds int) (missed []string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "row\tfetchmail\tmailretr\tratio\tto reach\treached\tCPU fetchmail\tCPU mailretr\tpeak RSS")
	for _, r := range rows {
		if !chosen(r.name) {
			continue
		}
		var results []result
		for range rounds {
			results = append(results, b.row(r))
			if r.once {
				break
			}
		}
		slices.SortFunc(results, func(a, b result) int { return int(1e6 * (a.ratio() - b.ratio())) })
		m := results[len(results)/2]
		if !m.reached(r) {
			missed = append(missed, r.name)
		}
		fmt.Fprintln(w, m.line(r))
		w.Flush()
	}
	return missed
}

// charts is rates for the other rows.
func (b *bench) charts(chosen func(string) bool) (missed []string) {
	for _, s := range sections() {
		if !chosen(s.name) {
			continue
		}
		c := s.run(b)
		if fmt.Printf("%s\n%v", s.name, c); c.missed() {
			missed = append(missed, s.name)
		}
	}
	return missed
}
