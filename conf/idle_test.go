package conf

import (
	"testing"
	"time"
)

func TestParseIdle(t *testing.T) {
	for s, want := range map[string]time.Duration{"true": 9 * time.Minute, "on": 9 * time.Minute, "no": 0,
		"false": 0, "5m": 5 * time.Minute, "29m": 29 * time.Minute, "30m": -1, "10s": -1, "soon": -1} {
		d, err := ParseIdle(s)
		if want < 0 && err == nil || want >= 0 && (err != nil || d != want) {
			t.Errorf("%q is %v, %v", s, d, err)
		}
		if err != nil {
			continue
		}
		if again, err := ParseIdle(FormatIdle(d)); err != nil || again != d {
			t.Errorf("%q comes back as %v, %v", FormatIdle(d), again, err)
		}
	}
}
