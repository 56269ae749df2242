package sql

import (
	"strings"
	"testing"
)

// What a row is called may be longer than the column for it: it is left away, and keeps nothing else from being written.
func TestH8_LongKeys(t *testing.T) {
	for s, want := range map[string]any{
		"": nil, "7": "7", strings.Repeat("é", mostKey): strings.Repeat("é", mostKey), strings.Repeat("7", mostKey+1): nil,
	} {
		var got any
		for _, f := range fields {
			if f.name == "row_id" {
				got = f.value(&Status{Row: s})
			}
		}
		if got != want {
			t.Errorf("%d octets become %v", len(s), got)
		}
	}
}
