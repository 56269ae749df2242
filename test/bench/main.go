// Command bench measures mailretr beside fetchmail in one run: the same Dovecot, the same line, the same MTA, from the
// start of the program to the last message at the MTA. mailretr makes every message durable before it deletes it upstream;
// fetchmail writes nothing to disk. test/bench/run builds what it needs and starts it.
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
	only := flag.String("only", "", "run only the rows whose name contains this")
	rounds := flag.Int("rounds", 3, "rounds; the median counts")
	flag.Parse()
	b := &bench{program: *program}
	defer b.end()
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "row\tfetchmail\tmailretr\tratio\tto reach\treached\tCPU fetchmail\tCPU mailretr\tpeak RSS")
	for _, r := range rows {
		if !strings.Contains(r.name, *only) {
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
	if strings.Contains("idle with 100 maildrops", *only) {
		fmt.Printf("idle with 100 maildrops: %.1f MB resident (to reach: 30)\n", float64(b.idle())/(1<<20))
	}
}
