package store

import (
	"strings"
	"testing"

	"mailretr/store/mail"
)

// S13: a circle without any Received shows by its Delivered-To fields; as many as a journey leaves do not.
func TestS13_DeliveredTo(t *testing.T) {
	for n, want := range map[int]bool{0: false, 1: false, 5: false, 6: true} {
		header := "Delivered-To: other@x.example\r\n" + strings.Repeat("delivered-TO:\r\n A@x.example\r\nDelivered-To: a@X.example \r\n", n/2) +
			strings.Repeat("Delivered-To: a@x.example\r\n", n%2) + "Subject: x\r\n\r\n"
		if got := (Loop{}).looped([]byte(header), &mail.Message{}) != ""; got != want {
			t.Errorf("%d times: %v", n, got)
		}
	}
}
