package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

func TestEdit(t *testing.T) {
	w := newWorld(t)
	id := w.put(message("1", "a@example.org", "x@a.example", "y@a.example"))
	w.pass("main", always(later))
	sender := mail.Path("c@example.org")
	e := Edit{Remove: []mail.Path{"x@A.example"}, Replace: []Replacement{{"y@a.example", "z@a.example"}},
		Add: []mail.Path{"v@a.example", "z@a.example"}, Reverse: &sender}
	if err := w.Edit(t.Context(), id, e, nil); err != nil {
		t.Fatal(err)
	}
	l, err := w.Show(t.Context(), id)
	if err != nil || l.Leased || l.Record.Reverse != sender || l.Record.Due.After(w.clock.now()) {
		t.Errorf("%+v %v", l, err)
	}
	if got := forwards(&l.Record); got != "z@a.example v@a.example" {
		t.Error(got)
	}
	if err := w.Edit(t.Context(), id, e, nil); !errors.Is(err, ErrEdit) {
		t.Errorf("a second time: %v", err)
	}
	if n := w.pass("main", always(yes)); n != 1 {
		t.Errorf("%d attempts", n)
	}
	if err := w.Edit(t.Context(), id, Edit{Add: []mail.Path{"x@a.example"}}, nil); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func forwards(r *Record) string {
	var all []string
	for _, x := range r.Recipients {
		all = append(all, string(x.Forward))
	}
	return strings.Join(all, " ")
}

// Who failed and got another address is attempted again, and nobody is told of the old one.
func TestEditOfAFailedRecipient(t *testing.T) {
	now := time.Unix(1000, 0)
	r := Record{Due: now.Add(time.Hour), Recipients: []Recipient{{Recipient: mail.Recipient{Forward: "typo@a.example", Original: "rfc822;typo@a.example",
		Notify: "NEVER"}, State: Owed, Times: 1, Last: Said{Reply: "550 no"}}}}
	if err := (&Edit{Replace: []Replacement{{"typo@a.example", "x@a.example"}}}).On(&r, now); err != nil {
		t.Fatal(err)
	}
	if x := r.Recipients[0]; x.State != Waiting || x.Last != (Said{}) || x.Original != "" || x.Notify != "NEVER" || !r.Due.Equal(now) {
		t.Errorf("%+v", r)
	}
	r.Hold, r.Due = HoldMute, now.Add(time.Hour)
	if err := (&Edit{Add: []mail.Path{"y@a.example"}}).On(&r, now); err != nil || r.Due.Equal(now) || r.Hold != HoldMute {
		t.Errorf("%+v %v", r, err)
	}
}

// S15, and what else must not become an envelope.
func TestS15_EditTakesNoOddAddress(t *testing.T) {
	w := newWorld(t)
	id := w.put(message("1", "a@example.org", "x@a.example"))
	null, odd := mail.Path(""), mail.Path("a@b>\r\nRCPT TO:<c@d")
	for name, e := range map[string]Edit{
		"CRLF":     {Add: []mail.Path{odd}},
		"option":   {Add: []mail.Path{"-oQ/tmp@a.example"}},
		"pipe":     {Replace: []Replacement{{"x@a.example", "|/bin/sh"}}},
		"null":     {Add: []mail.Path{null}},
		"sender":   {Reverse: &odd},
		"nobody":   {Remove: []mail.Path{"x@a.example"}},
		"unknown":  {Remove: []mail.Path{"y@a.example"}},
		"unknown2": {Replace: []Replacement{{"y@a.example", "z@a.example"}}},
		"no route": {Add: []mail.Path{"x@nowhere.example"}},
		"many":     {Add: many(maxRecipients)},
	} {
		if name == "no route" {
			w.Route = func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane {
				if r.Forward.Domain() == "nowhere.example" {
					return nil
				}
				return []mail.Lane{"main"}
			}
		}
		if err := w.Edit(t.Context(), id, e, nil); !errors.Is(err, ErrEdit) {
			t.Errorf("%s: %v", name, err)
		}
		if l, err := w.Show(t.Context(), id); err != nil || forwards(&l.Record) != "x@a.example" || l.Leased || l.Record.Reverse != "a@example.org" {
			t.Errorf("%s: %+v %v", name, l, err)
		}
	}
	if err := w.Edit(t.Context(), id, Edit{Reverse: &null}, nil); err != nil {
		t.Errorf("the null reverse-path: %v", err)
	}
}

func many(n int) (all []mail.Path) {
	for i := range n {
		all = append(all, mail.Path(fmt.Sprintf("u%d@a.example", i)))
	}
	return all
}

// A recipient who goes elsewhere becomes a message of its own, with the same octets.
func TestEditAcrossLanes(t *testing.T) {
	w := newWorld(t)
	w.Route = func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane {
		return []mail.Lane{mail.Lane(r.Forward.Domain())}
	}
	id := w.put(message("1", "a@example.org", "x@main"))
	if err := w.Edit(t.Context(), id, Edit{Add: []mail.Path{"y@other"}}, nil); err != nil {
		t.Fatal(err)
	}
	n := map[mail.Lane]int{}
	for l, err := range w.List(t.Context(), Filter{}) {
		if err != nil || l.Leased || len(l.Record.Recipients) != 1 {
			t.Errorf("%+v %v", l, err)
		}
		if n[l.Record.Lane]++; (l.Record.ID == id) != (l.Record.Lane == "main") {
			t.Errorf("%s is in %s", l.Record.ID, l.Record.Lane)
		}
		r, err := w.Cat(t.Context(), l.Record.ID)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	if n["main"] != 1 || n["other"] != 1 {
		t.Error(n)
	}
}
