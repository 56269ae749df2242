// Command bench measures mailretr beside its peers in one run: the same Dovecot, the same line, the same MTA. mailretr makes
// every message durable before it deletes it upstream; fetchmail writes nothing to disk. test/bench/run builds what it
// needs and starts it.
//
// The first rows are rates beside fetchmail, from the start of the program to the last message at the MTA (bench.go). Then
// come what crosses the line (octets.go) and what round trips cost (trips.go), beside all peers and a client that keeps
// nothing (bare.go); who waits for whom (fair.go), a line that is cut (cut.go), and 1,000 maildrops (many.go); and what a full
// queue delivers (relay.go) and a listener takes (front.go) beside Postfix.
//
// Times without latency hold as ratios only; octets and memory are exact.
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
	only := flag.String("only", "", "run only the rows whose name contains this, in any case")
	rounds := flag.Int("rounds", 3, "rounds; the median counts")
	flag.IntVar(&relayed, "relayed", relayed, "messages of the rows relay")
	flag.Parse()
	chosen := func(name string) bool { return strings.Contains(strings.ToLower(name), strings.ToLower(*only)) }
	b := &bench{program: *program}
	defer b.end()
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "row\tfetchmail\tmailretr\tratio\tto reach\treached\tCPU fetchmail\tCPU mailretr\tpeak RSS")
	for _, r := range rows {
		if !chosen(r.name) {
			continue
		}
		var results []result
		for range *rounds {
			results = append(results, b.row(r))
			if r.once {
				break
			}
		}
		slices.SortFunc(results, func(a, b result) int { return int(1e6 * (a.ratio() - b.ratio())) })
		m := results[len(results)/2]
		fmt.Fprintln(w, m.line(r))
		w.Flush()
	}
	for _, s := range slices.Concat(octetRows, tripRows, fairRows, cutRows, manyRows, relayRows, frontRows) {
		if chosen(s.name) {
			fmt.Printf("%s\n%v", s.name, s.run(b))
		}
	}
	if chosen("idle with 100 maildrops") {
		fmt.Printf("idle with 100 maildrops: %.1f MB resident (to reach: 30)\n", float64(b.idle())/(1<<20))
	}
}
