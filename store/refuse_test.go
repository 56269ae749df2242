package store

import (
	"errors"
	"fmt"
	"testing"

	"mailretr/store/mail"
)

// A refusal is one commit: the report and the mark. The body is never asked for.
func TestRefuse(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@b.example", "x@a.example")
	if err := w.Refuse(t.Context(), m, mail.Report{no}); err != nil {
		t.Fatal(err)
	}
	r := w.records()
	if w.mem.commits != 1 || m.Content.(*text).read != 0 || len(r) != 1 || r[0].ParentOrigin.UID != "1" ||
		r[0].Parent.Zero() {
		t.Errorf("%d commits, records %+v", w.mem.commits, r)
	}
	if s := w.mem.disk.marks["acc"]["1"]; s.Mark != Taken || s.Size != m.Content.Size() || s.Key == [16]byte{} {
		t.Errorf("mark %+v", s)
	}
	e := w.events.of(mail.OpRefuse)
	if len(e) != 1 || e[0].Saved != m.Content.Size() || len(w.events.of(mail.OpDSN)) != 1 {
		t.Errorf("events %+v", e)
	}
	// The same again, as after a session that broke before the deletion: no second report.
	if err := w.Refuse(t.Context(), m, mail.Report{no}); err != nil || len(w.records()) != 1 ||
		w.mem.staged != 1 {
		t.Errorf("%v, %d records, %d bodies", err, len(w.records()), w.mem.staged)
	}
}

func TestRefuseUnknown(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.mem.fault = func(int, *Batch) (error, bool) {
		if n++; n < 3 {
			return ErrUnknown, n == 1
		}
		return nil, false
	}
	if err := w.Refuse(t.Context(), message("1", "a@b.example", "x@a.example"),
		mail.Report{no}); err != nil || len(w.records()) != 1 {
		t.Errorf("%v, %d records", err, len(w.records()))
	}
}

// S11, S14: where nobody may be told, or the report cannot be queued, nothing happens and the caller learns
// which.
func TestS14_NotRefused(t *testing.T) {
	w := newWorld(t)
	var aside interface{ Aside() bool }
	err := w.Refuse(t.Context(), message("1", "", "x@a.example"), mail.Report{no})
	if !errors.As(err, &aside) || !aside.Aside() {
		t.Errorf("null sender: %v", err)
	}
	w.mem.full = true
	if err := w.Refuse(t.Context(), message("1", "a@b.example", "x@a.example"),
		mail.Report{no}); err == nil || errors.As(err, &aside) {
		t.Errorf("full: %v", err)
	}
	w.mem.full = false
	w.mem.fault = func(int, *Batch) (error, bool) { return errors.New("disk"), false }
	if err := w.Refuse(t.Context(), message("1", "a@b.example", "x@a.example"),
		mail.Report{no}); err == nil || errors.As(err, &aside) {
		t.Errorf("broken: %v", err)
	}
	w.mem.fault = nil
	for _, r := range []mail.Report{nil, {later}, {no, no}} {
		if err := w.Refuse(t.Context(), message("1", "a@b.example", "x@a.example"), r); err == nil {
			t.Errorf("refused with %v", r)
		}
	}
	if len(w.records()) != 0 || len(w.mem.disk.marks["acc"]) != 0 || w.mem.staged != 0 {
		t.Errorf("something has happened: %v, %d bodies", w.records(), w.mem.staged)
	}
	m := message("1", "", "x@a.example")
	m.Envelope.Recipients[0].Notify = "NEVER"
	if err := w.Refuse(t.Context(), m, mail.Report{no}); err != nil || len(w.mem.disk.marks["acc"]) != 1 {
		t.Errorf("nobody wants to be told: %v", err)
	}
}

// An MTA that refuses everybody has nothing refused: it stays upstream.
func TestRefuseSuspect(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		m := message(fmt.Sprint(i), mail.Path(fmt.Sprintf("s%d@b.example", i)), "x@a.example")
		err := w.Refuse(t.Context(), m, mail.Report{no})
		var u *Untold
		if suspect := errors.As(err, &u) && u.Suspect; suspect != (i >= 9) {
			t.Errorf("message %d: %v", i, err)
		}
	}
	w.put(message("20", "a@b.example", "y@a.example"))
	w.pass("main", always(yes))
	if err := w.Refuse(t.Context(), message("30", "a@b.example", "x@a.example"), mail.Report{no}); err != nil {
		t.Error(err)
	}
}
