package main

import (
	"strings"
	"testing"
	"time"
)

func TestChoice(t *testing.T) {
	all := []string{"5,000 x 5 KB, IMAP", "empty poll, POP3", "relay to Postfix"}
	for only, want := range map[string]string{
		"":                 "5,000 x 5 KB, IMAP|empty poll, POP3|relay to Postfix",
		"imap":             "5,000 x 5 KB, IMAP",
		"5 kb, imap":       "5,000 x 5 KB, IMAP",
		"POP3, 5 KB":       "5,000 x 5 KB, IMAP|empty poll, POP3",
		"Relay, empty":     "empty poll, POP3|relay to Postfix",
		"pop3,pop3,":       "empty poll, POP3",
		"relay to Postfix": "relay to Postfix",
	} {
		chosen, err := choice(only, all)
		var got []string
		for _, name := range all {
			if err == nil && chosen(name) {
				got = append(got, name)
			}
		}
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("-only %q: %q, %v", only, got, err)
		}
	}
	for _, only := range []string{"smtp", "imap,smtp", "5 MB"} {
		if _, err := choice(only, all); err == nil || !strings.Contains(err.Error(), "relay to Postfix") {
			t.Errorf("-only %q: %v", only, err)
		}
	}
	if _, err := choice("", names()); err != nil {
		t.Error(err)
	}
}

// A row that says NO is missed, and no other.
func TestMissed(t *testing.T) {
	figures := func(c chart, ours, theirs float64) chart {
		c.add("mailretr", ours)
		c.add("fetchmail", theirs)
		c.less("mpop", 0)
		return c
	}
	wanted := chart{}
	wanted.want("something", true)
	unheld := wanted
	unheld.want("more", false)
	for name, x := range map[string]struct {
		chart
		missed bool
	}{
		"nothing to reach": {figures(chart{}, 2, 1), false},
		"the lowest":       {figures(chart{lowest: true}, 1, 2), false},
		"not the lowest":   {figures(chart{lowest: true}, 2, 1), true},
		"too much":         {figures(chart{most: 1}, 2, 1), true},
		"too little":       {figures(chart{least: 3}, 2, 1), true},
		"held":             {wanted, false},
		"not held":         {unheld, true},
	} {
		if got := x.chart.missed(); got != x.missed || strings.Contains(x.String(), ": NO\n") != x.chart.missed() {
			t.Errorf("%s: missed %v, shown as\n%v", name, got, x.chart)
		}
	}
	fast, slow := run{messages: 10, wall: time.Second}, run{messages: 1, wall: time.Second}
	r := row{name: "rate", reach: 5}
	for _, x := range []struct {
		result
		reached bool
	}{{result{theirs: slow, ours: fast}, true}, {result{theirs: fast, ours: fast}, false}} {
		if x.result.reached(r) != x.reached || strings.Contains(x.line(r), "\tyes\t") != x.reached {
			t.Error(x.line(r))
		}
	}
	if !(result{fast, slow}).reached(row{}) {
		t.Error("a row with nothing to reach is missed")
	}
}
