package conf

import (
	"fmt"
	"strings"
	"testing"
)

// Each mistake in metrics is told; so is that strangers can read them. Row H12: the number of series is bounded.
func TestH12_Metrics(t *testing.T) {
	for _, x := range []struct {
		listen string
		drops  int
		per    bool
		want   string // of the only problem; "": there is none
	}{
		{"none", 2000, false, ""},
		{"127.0.0.1:9977", 1000, true, ""},
		{"[::1]:9977", 1, false, ""},
		{"unix:/run/m", 1, false, ""},
		{"127.0.0.1:9977", 1001, true, "too many"},
		{"none", 1, true, "without listen"},
		{"0.0.0.0:9977", 1, false, "no login"},
		{"unix:/run/control", 1, false, "control socket"},
		{"unix:run/m", 1, false, "does not begin with /"},
		{"localhost:25", 1, false, "is taken by"},
		{"unix:/" + strings.Repeat("x", 200), 1, false, "longer than"},
	} {
		c := &Config{Socket: "/run/control", Maildrops: make([]*Maildrop, x.drops),
			Listen: []Listener{{Network: "tcp", Address: "localhost:25"}}}
		if err := c.Metrics.SetListen(x.listen); err != nil {
			t.Fatal(err)
		}
		c.Metrics.PerMaildrop = x.per
		v := &validator{c: c}
		v.metrics()
		got := fmt.Sprint(v.problems)
		if x.want == "" && len(v.problems) > 0 || len(v.problems) > 1 || !strings.Contains(got, x.want) {
			t.Errorf("%s: %s, want %q", x.listen, got, x.want)
		}
		if want := strings.Replace(x.listen, "none", "", 1); c.Metrics.Name() != want {
			t.Errorf("%q is shown as %q", x.listen, c.Metrics.Name())
		}
	}
	for _, bad := range []string{":9977", "localhost", ""} {
		if err := new(Metrics).SetListen(bad); err == nil {
			t.Errorf("%q is an address", bad)
		}
	}
}
