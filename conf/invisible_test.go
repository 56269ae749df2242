package conf

import "testing"

func TestOurselves(t *testing.T) {
	for _, c := range []struct {
		network, to, listener string
		want                  bool
	}{
		{"tcp", "localhost:2525", "127.0.0.1:2525", true},
		{"tcp", "127.0.0.1:2525", "0.0.0.0:2525", true},
		{"tcp", "[::1]:2525", ":2525", true},
		{"tcp", "mx.example.org:25", "mx.example.org:25", true},
		{"tcp", "localhost:25", "127.0.0.1:2525", false},
		{"tcp", "mx.example.org:25", "0.0.0.0:25", false},
		{"unix", "/run/a", "/run/a", true},
		{"unix", "/run/a", "/run/b", false},
	} {
		e, l := Endpoint{Network: c.network, Address: c.to}, &Listener{Network: c.network, Address: c.listener}
		if got := ourselves(e, l); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
