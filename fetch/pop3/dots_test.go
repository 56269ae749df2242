package pop3

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
)

// TestR14_DotsAndLineEnds: lines that consist of dots, dots beside bare CR and LF, and long lines before and
// after a dot, at the sizes where buffers end, come with the octets that they left with.
func TestR14_DotsAndLineEnds(t *testing.T) {
	bodies := []string{".", "..", ".x", ".\n", "\n.\n", "\r.\r", "\r.\r\r", ".\n.", "\n.", ".\r", "x\n..\nx"}
	for _, n := range []int{4095, 4096, 4097} {
		line := strings.Repeat("l", n-1)
		bodies = append(bodies, "."+line, line+".", line+"\r\n.", ".\r\n"+line, line+"\r\n..\r\n"+line)
	}
	ways := map[string][]string{"pipelined": {"PIPELINING", "TOP", "UIDL"}, "one by one": nil}
	for name, caps := range ways {
		t.Run(name, func(t *testing.T) {
			s := fetchtest.NewPOP3(t)
			s.Caps = caps
			var want []string
			for i, b := range bodies {
				want = append(want, fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", i, b))
				s.Put([]byte(want[i]))
			}
			got, err := collect(t.Context(), options(s, nil), true)
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d of %d came: %v", len(got), len(want), err)
			}
			for i := range got {
				if sha256.Sum256(got[i]) != sha256.Sum256([]byte(want[i])) {
					t.Errorf("%.60q became %.60q", want[i], got[i])
				}
			}
		})
	}
}
