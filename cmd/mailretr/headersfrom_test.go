package main

import (
	"testing"

	"mailretr/conf"
)

// A header that crosses the line twice comes first only where it is small beside the body.
func TestHeadersFrom(t *testing.T) {
	for _, x := range []struct {
		drop conf.Maildrop
		want int64
	}{
		{conf.Maildrop{Protocol: "imap"}, 32 << 10},
		{conf.Maildrop{Protocol: "pop3"}, 512 << 10},
		{conf.Maildrop{Protocol: "pop3", Multidrop: &conf.Multidrop{}}, 32 << 10},
	} {
		c := &conf.Config{Limits: conf.Limits{HeadersFirst: 32 << 10}}
		if n := headersFrom(c, &x.drop); n != x.want {
			t.Errorf("%s, multi-drop %v: %d, want %d", x.drop.Protocol, x.drop.Multidrop != nil, n, x.want)
		}
		if c.Limits.HeadersFirst = 0; headersFrom(c, &x.drop) != 0 {
			t.Errorf("%s: 0 is not never", x.drop.Protocol)
		}
	}
}
