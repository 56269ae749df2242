package mail

import "fmt"

// Octets writes a number of octets for people, in at most four characters and in powers of 1024, as sizes are configured:
// 712, 4.0M, 20M. What is below 0 is 0.
func Octets(n int64) string {
	if n < 1024 {
		return fmt.Sprint(max(n, 0))
	}
	x, unit := float64(n), 0
	for x >= 999.5 && unit < 5 { // 999.6K would need five
		x, unit = x/1024, unit+1
	}
	if x < 9.95 {
		return fmt.Sprintf("%.1f%c", x, " KMGTP"[unit])
	}
	return fmt.Sprintf("%.0f%c", x, " KMGTP"[unit])
}
