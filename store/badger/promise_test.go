package badger

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

// TestR25_D5_ReserveTogether: bodies that are under way at once have to fit together, whatever servers claim; what has
// reached the disk, or will not come, is promised to nobody.
func TestR25_D5_ReserveTogether(t *testing.T) {
	free := int64(200 << 20)
	r := openRig(t, newDir(t), func(o *Options) {
		o.Reserve = 100 << 20
		o.Free = func() (int64, error) { return free, nil }
	})
	stage := func(name string, announced int64) (store.Body, error) {
		x := r.record(mail.UID(name))
		x.Size, x.Announced = 0, announced
		return r.Stage(ctx, &x)
	}
	first, err := stage("first", 60<<20)
	must(t, err)
	for _, n := range []int64{60 << 20, math.MaxInt64} {
		if _, err := stage("second", n); !errors.Is(err, store.ErrFull) {
			t.Fatalf("%d octets more: %v", n, err)
		}
	}
	second, err := stage("second", 39<<20)
	must(t, err)
	_, err = first.Write(make([]byte, 30<<20))
	must(t, err)
	free -= 30 << 20 // it is on the disk now
	if _, err := stage("third", 2<<20); !errors.Is(err, store.ErrFull) {
		t.Fatal("counted twice, or not at all:", err)
	}
	third, err := stage("third", 1<<19)
	must(t, err)
	must(t, second.Discard())
	fourth, err := stage("fourth", 39<<20)
	must(t, err)
	for _, b := range []store.Body{first, third} {
		if _, _, err := b.Seal(ctx); err != nil {
			t.Fatal(err)
		}
	}
	must(t, fourth.Discard())
	if n := r.promised.all; n != 0 {
		t.Errorf("%d octets are promised to nobody", n)
	}
}

// TestR8_ASizeThatNeverComes: a server that claims as much as is free, and sends nothing, keeps no little mail of others
// away. That is not for long messages, which would fill the disk together.
func TestR8_ASizeThatNeverComes(t *testing.T) {
	free := int64(200 << 20)
	r := openRig(t, newDir(t), func(o *Options) {
		o.Reserve = 100 << 20
		o.Free = func() (int64, error) { return free, nil }
	})
	stage := func(name string, announced int64) error {
		x := r.record(mail.UID(name))
		x.Announced = announced
		b, err := r.Stage(ctx, &x)
		if err == nil {
			t.Cleanup(func() { b.Discard() })
		}
		return err
	}
	must(t, stage("all that is free", 100<<20))
	for i := range 3 {
		if err := stage(fmt.Sprint("little ", i), 1<<20-int64(i)); err != nil {
			t.Error("mail of others waits:", err)
		}
	}
	must(t, stage("of unknown size", -1))
	if err := stage("large", 1<<20+1); !errors.Is(err, store.ErrFull) {
		t.Error("it does not fit, and was taken:", err)
	}
	free = 100 << 20 // the others have come
	if err := stage("too late", 1); !errors.Is(err, store.ErrFull) {
		t.Error("it is of the reserve, and was taken:", err)
	}
}
