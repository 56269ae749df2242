package conf

import (
	"testing"
	"time"
)

// Each mistake in notify is told.
func TestNotify(t *testing.T) {
	for _, x := range []struct {
		n    Notify
		want int // problems
	}{
		{Notify{After: time.Hour, Recovered: time.Minute}, 0},
		{Notify{Mail: []string{Owner, "a@example.org"}, After: time.Hour, Recovered: time.Minute}, 0},
		{Notify{Mail: []string{"a b@example.org"}, After: time.Hour, Recovered: time.Minute}, 1},
		{Notify{Mail: []string{"|cmd"}, After: time.Hour, Recovered: time.Minute}, 1},
		{Notify{Mail: make([]string, 21), After: time.Hour, Recovered: time.Minute}, 22},
		{Notify{After: time.Second, Recovered: time.Minute}, 1},
		{Notify{After: time.Hour}, 1},
	} {
		v := &validator{c: &Config{Notify: x.n}}
		if v.notify(); len(v.problems) != x.want {
			t.Errorf("%+v: %v", x.n, v.problems)
		}
	}
}
