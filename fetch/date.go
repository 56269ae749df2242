package fetch

import (
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// Arrival returns when a message came, by its header: the date of the topmost Received field (RFC 5322,
// 3.6.7), which the provider has written; else Date, which the sender has; else the zero time.
func Arrival(header []byte) time.Time {
	if value, ok := nth(header, "Received", 1); ok {
		if i := strings.LastIndexByte(value, ';'); i >= 0 {
			if t, err := mail.ParseDate(strings.TrimSpace(value[i+1:])); err == nil {
				return t
			}
		}
	}
	value, _ := nth(header, "Date", 1)
	t, err := mail.ParseDate(strings.TrimSpace(value))
	if err != nil {
		return time.Time{}
	}
	return t
}

func days(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.String()
}
