package mail

import "testing"

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{-1: "0", 0: "0", 712: "712", 1023: "1023", 1024: "1.0K", 10189: "10K", 999 << 10: "999K",
		1023 << 10: "1.0M", 4 << 20: "4.0M", 20 << 20: "20M", 1 << 62: "4096P"} {
		if got := Octets(n); got != want {
			t.Errorf("%d is written %s, not %s", n, got, want)
		}
	}
}
