package flag

import (
	"strings"
	"testing"
)

func TestGiven(t *testing.T) {
	for _, s := range []string{`\Seen`, `\draft`, `\ANSWERED`, "$Forwarded", "work", "a[b", strings.Repeat("x", most)} {
		if !Given(s) {
			t.Errorf("%q may not be given", s)
		}
	}
	for _, s := range []string{"", `\`, `\Deleted`, `\Recent`, `\Seen)`, "a b", "a)", "a]", `a"`, "a\r\nb", "grün", "a\xff", "a\x7f",
		"a*", "a%", "{5}", strings.Repeat("x", most+1)} {
		if Given(s) {
			t.Errorf("%q may be given", s)
		}
	}
}
