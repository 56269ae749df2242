package signin

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/relay/passwd"
)

// fake is a back end that says always the same, after a while.
type fake struct {
	asked atomic.Int32
	took  time.Duration
	who   Who
	err   error
}

func (f *fake) Check(ctx context.Context, _, _ string) (Who, error) {
	f.asked.Add(1)
	if f.took > 0 {
		wait(ctx, f.took)
	}
	if ctx.Err() != nil {
		return Who{}, ctx.Err()
	}
	return f.who, f.err
}

func withTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// TestH8_NothingImproper: what can be no name or password reaches no back end, an empty password least of all.
func TestH8_NothingImproper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{who: Who{Name: "jaco"}}
		g := NewGuard(f)
		for _, x := range [][2]string{
			{"jaco", ""}, {"", "secret"}, {"jaco", "a\x00b"}, {"ja\r\nco", "x"}, {"jaco", "\xff"}, {strings.Repeat("x", 1025), "x"},
			{"jaco", strings.Repeat("x", 1025)}, {"ja\u0085co", "x"},
		} {
			if _, err := g.Check(t.Context(), x[0], x[1]); !errors.Is(err, ErrRefused) {
				t.Errorf("%q: %v", x, err)
			}
		}
		if n := f.asked.Load(); n != 0 {
			t.Errorf("the back end was asked %d times", n)
		}
		if who, err := g.Check(t.Context(), "jaco", "secret"); err != nil || who.Name != "jaco" {
			t.Errorf("%v %v", who, err)
		}
	})
}

// TestRefusalsTakeTheSame: whatever was wrong, and however long a back end took.
func TestRefusalsTakeTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, took := range []time.Duration{0, 3 * time.Millisecond, 400 * time.Millisecond} {
			for _, password := range []string{"", "wrong"} {
				began := time.Now()
				_, err := NewGuard(&fake{took: took, err: ErrRefused}).Check(t.Context(), "x", password)
				if d := time.Since(began); d != slow || !errors.Is(err, ErrRefused) {
					t.Errorf("%v: %v after %v", took, err, d)
				}
			}
		}
		if _, err := NewGuard(&fake{who: Who{Name: "x"}}).Check(t.Context(), "x", "right"); err != nil {
			t.Error(err)
		}
	})
}

// TestAtOnce: a crowd that guesses is not let through all at once, and who gives up waiting is told that nobody knows.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{took: time.Hour, err: ErrRefused}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		g := NewGuard(f)
		errs := make(chan error)
		for range 3 * atOnce {
			go func() {
				_, err := g.Check(ctx, "x", "y")
				errs <- err
			}()
		}
		synctest.Wait()
		if n := f.asked.Load(); n != atOnce {
			t.Errorf("%d questions at once", n)
		}
		away := 0
		for range 3 * atOnce {
			if errors.Is(<-errs, ErrAway) {
				away++
			}
		}
		if away != 2*atOnce {
			t.Errorf("%d were told that nobody knows", away)
		}
	})
}

// TestChain: the first that knows them counts; one that is away does not keep others from knowing them, but then nobody is
// refused.
func TestChain(t *testing.T) {
	a, b, c := &fake{err: ErrRefused}, &fake{err: away(errors.New("no route"))}, &fake{who: Who{Name: "c"}}
	if who, err := (Chain{a, b, c}).Check(t.Context(), "x", "y"); err != nil || who.Name != "c" {
		t.Errorf("%v %v", who, err)
	}
	if _, err := (Chain{a, a}).Check(t.Context(), "x", "y"); !errors.Is(err, ErrRefused) || errors.Is(err, ErrAway) {
		t.Error(err)
	}
	for _, some := range []Chain{{b, a}, {a, b}} {
		_, err := some.Check(t.Context(), "x", "y")
		if !errors.Is(err, ErrAway) || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "no route") {
			t.Error(err)
		}
	}
	if _, err := (Chain{b}).Check(t.Context(), "x", "y"); !errors.Is(err, ErrAway) || errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	if _, err := (Chain{}).Check(t.Context(), "x", "y"); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

// TestNamed: a back end has an end in time; and whatever it says becomes one of the two errors, with its name.
func TestNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := named{"imap", &fake{took: time.Hour}}.Check(t.Context(), "x", "y")
		if !errors.Is(err, ErrAway) || time.Since(began) != patience || !strings.HasPrefix(err.Error(), "imap: ") {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, err := (named{"sql", &fake{}}).Check(t.Context(), "x", "y"); !errors.Is(err, ErrAway) {
			t.Errorf("a nobody came in: %v", err)
		}
	})
}

func local(t *testing.T) *Local {
	t.Helper()
	is := func(text string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return text, nil }
	}
	hash := passwd.Make("open sesame")
	return NewLocal([]User{
		{Name: "gert", Hash: is(hash), Admin: true},
		{Name: "jaco", Hash: is(hash), Owners: []string{"jaco@kroon.co.za", "info@kroon.co.za"}},
		{Name: "bad", Hash: is("open sesame")},
		{Name: "gone", Hash: func(context.Context) (string, error) { return "", errors.New("no such file") }},
	})
}

// TestLocal: users of the configuration.
func TestLocal(t *testing.T) {
	l := local(t)
	if who, err := l.Check(t.Context(), "gert", "open sesame"); err != nil || !who.Admin || who.Owners[0] != "gert" {
		t.Errorf("%+v %v", who, err)
	}
	if who, err := l.Check(t.Context(), "jaco", "open sesame"); err != nil || who.Admin || len(who.Owners) != 2 {
		t.Errorf("%+v %v", who, err)
	}
	for _, x := range [][2]string{{"gert", "open sesam"}, {"Gert", "open sesame"}, {"nobody", "open sesame"}} {
		if _, err := l.Check(t.Context(), x[0], x[1]); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", x, err)
		}
	}
	for _, name := range []string{"bad", "gone"} {
		_, err := l.Check(t.Context(), name, "open sesame")
		if !errors.Is(err, ErrAway) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewLocal(nil).Check(t.Context(), "x", "y"); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}
