package yaml

import (
	"strings"
	"testing"
)

func TestFallbackMistakes(t *testing.T) {
	for deliver, want := range map[string]string{
		`{a: {smtp: "h:25", fallback: {to: b, after: 4h}}, b: {smtp: "h:26"}}`: "",
		`{a: {smtp: "h:25", fallback: {to: c, after: 4h}}, b: {smtp: "h:26"}}`: "to: there is no destination \"c\"",
		`{a: {smtp: "h:25", fallback: {after: 4h}}, b: {smtp: "h:26"}}`:        "to is missing",
		`{a: {smtp: "h:25", fallback: {to: b}}, b: {smtp: "h:26"}}`:            "after: 0 is out of range",
		`{a: {smtp: "h:25", fallback: {to: b, after: 6d}}, b: {smtp: "h:26"}}`: "after: mail is given up after 5d, before it goes there",
		`{a: {smtp: "h:25", fallback: {to: a, after: 4h}}}`:                    "fallback: mail would go in a circle: a, then a",
		`{a: {smtp: "h:25", fallback: {to: b, after: 4h}}, b: {smtp: "h:26", fallback: {to: a, after: 1h}}}`: "fallback: mail " +
			"would go in a circle: a, then b, then a",
	} {
		text := strings.Replace(hops, "deliver:\n  main: {smtp: \"localhost:25\"}\n  archive: {lmtp: \"unix:/run/archive\"}\n",
			"deliver: "+deliver+"\n", 1)
		_, problems, _ := load(t, map[string]string{"mailretr.yaml": text})
		found := false
		for _, p := range problems {
			found = found || want != "" && strings.Contains(p.String(), want) && p.Pos.Line == 3
		}
		if found != (want != "") || want == "" && len(problems) > 0 {
			t.Errorf("%s: %v", deliver, problems)
		}
	}
}
