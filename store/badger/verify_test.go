package badger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

func TestVerify(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(8)
	verify := func(want ...string) {
		t.Helper()
		var got []string
		n, octets, err := r.Verify(ctx, Inspection{Found: func(f Finding) error {
			got = append(got, fmt.Sprintf("%s %s", f.Problem, f.File))
			return nil
		}})
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || n == 0 || octets == 0 || !slices.Equal(got, want) {
			t.Errorf("%d messages, %d octets, %v\ngot:  %q\nwant: %q", n, octets, err, got, want)
		}
	}
	verify()
	begun, sealed := r.record("INBOX/1/90"), r.record("INBOX/1/91")
	r.stage(&sealed, octets(91)) // not committed yet: no finding
	b, err := r.Stage(ctx, &begun)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(make([]byte, 1<<20))
	r.end(all[7])
	verify()
	b.Discard()

	change := func(i int, f func([]byte) []byte) string {
		t.Helper()
		name := r.file(all[i].ID)
		old, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f(old), 0o600); err != nil {
			t.Fatal(err)
		}
		return string(all[i].Body)
	}
	last := func(b []byte, back int) []byte { b[len(b)-back] ^= 1; return b }
	orphan := mail.NewID(start, nil)
	odd := "e5/od\x1bd\n.damaged"
	for name, octets := range map[string]string{string(refOf(orphan)): "x", odd: "x", "e5/core": "x"} {
		path := filepath.Join(r.dir, "spool", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(octets), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(r.file(all[0].ID)); err != nil {
		t.Fatal(err)
	}
	other := all[6]
	other.SHA256[0] ^= 1
	r.commit(&store.Batch{Put: []store.Record{other}})
	verify("missing "+string(all[0].Body),
		"damaged "+change(1, func(b []byte) []byte { return last(b, trailerLen+3) }), // an octet
		"damaged "+change(2, func(b []byte) []byte { return last(b, 20) }),           // the sum
		"damaged "+change(3, func(b []byte) []byte { return b[:len(b)-1] }),
		"damaged "+change(4, func(b []byte) []byte { b[beginLen+2] ^= 1; return b }), // the head
		"damaged "+change(5, func([]byte) []byte { return nil }),
		"differs "+string(other.Body), "orphan "+string(refOf(orphan)), "set aside "+odd, "strange e5/core")
}

func TestVerifyIsPaced(t *testing.T) {
	r := openRig(t, newDir(t))
	r.fill(5)
	paced, told := 0, ""
	_, octets, err := r.Verify(ctx, Inspection{
		Pace: func(_ context.Context, n int) error { paced += n; return nil },
		Tell: func(done, of int, _ int64) error { told += fmt.Sprintf(" %d/%d", done, of); return nil },
	})
	if err != nil || int64(paced) != octets || told != " 1/5 2/5 3/5 4/5 5/5" {
		t.Error(paced, octets, told, err)
	}
	enough := errors.New("nobody listens")
	if _, _, err := r.Verify(ctx, Inspection{Tell: func(int, int, int64) error { return enough }}); !errors.Is(err, enough) {
		t.Error(err)
	}
	c, cancel := context.WithCancel(ctx)
	_, _, err = r.Verify(c, Inspection{Pace: func(ctx context.Context, _ int) error { cancel(); return ctx.Err() },
		Found: func(f Finding) error { t.Errorf("%+v", f); return nil }})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if strings.Contains(r.saw.alarms(), "damaged") {
		t.Error(r.saw.alarms())
	}
}
