package pop3

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// emptied is a maildrop that had mail last time and was left empty.
func emptied(t *testing.T, blind func(int64) bool) (*fetchtest.POP3, Options) {
	t.Helper()
	s := fetchtest.NewPOP3(t)
	o := options(s, nil)
	o.After, o.Memory, o.Blind = Delete, &memory{}, blind
	for range 2 { // in the second one it is known what the server can
		s.Put(fetchtest.Text(200, 1))
		if whole, err := collect(t.Context(), o, true); err != nil || len(whole) != 1 {
			t.Fatal(len(whole), err)
		}
	}
	s.Forget()
	return s, o
}

// Where a budget has no room for a listing nobody knows the length of, none is asked for with the login.
func TestListingWithTheLoginIsForWhoCanPay(t *testing.T) {
	for _, room := range []bool{true, false} {
		var asked int64
		s, o := emptied(t, func(n int64) bool { asked = n; return room })
		listedNow(t, o)
		if listed := slices.Contains(s.Log(), "LIST"); listed != room || asked != mostBlind*aboutListed {
			t.Errorf("room %v: asked whether there is for %d octets, %q", room, asked, s.Log())
		}
	}
}

// A listing that was asked for with the login and is far longer than anybody thought ends the session before it comes, and
// the next one asks what it costs first.
func TestListingWithTheLoginIsTooLong(t *testing.T) {
	s, o := emptied(t, func(int64) bool { return true })
	for i := range mostBlind + 1 {
		s.Add(&fetchtest.Mail{Octets: fetchtest.Text(10, i)})
	}
	l := &fetchtest.Line{}
	o.Dial.DialContext = l.Dialer(s.Dial)
	_, err := (&Retriever{o}).Open(t.Context())
	var tr *mail.Trouble
	_, down := l.Octets()
	if !errors.As(err, &tr) || tr.Kind != mail.Busy || down > 80<<10 { // what the buffers hold
		t.Errorf("%v, after %d octets", err, down)
	}
	s.Forget()
	d := open(t, o).(*session)
	if n := d.Listing(); n != (mostBlind+1)*aboutListed || slices.Contains(s.Log(), "LIST") {
		t.Errorf("a listing of %d octets, %q", n, s.Log())
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// What Since asks is known before.
func TestAddedIsForeseen(t *testing.T) {
	s, o := kept(t, 3000)
	now, _, _ := glances(t, o, "", true)
	s.Put(fetchtest.Text(300, 1), fetchtest.Text(300, 2))
	l := &fetchtest.Line{}
	o.Dial.DialContext = l.Dialer(s.Dial)
	d := open(t, o).(*session)
	if _, err := d.Glance(t.Context()); err != nil {
		t.Fatal(err)
	}
	foreseen := d.Added(now)
	_, before := l.Octets()
	uids, ok, err := d.Since(t.Context(), now)
	if _, down := l.Octets(); err != nil || !ok || len(uids) != 2 || foreseen < down-before || foreseen != 4*aboutSingle {
		t.Errorf("%d octets were foreseen, %d came; %d, %v, %v", foreseen, down-before, len(uids), ok, err)
	}
	if n := d.Added("nonsense"); n != 0 || d.Sizes(uids) != 0 {
		t.Errorf("%d", n)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	for _, glance := range []string{emptyGlance, fmt.Sprint("10 100 ", "0123456789abcdef")} {
		if n := d.Added(glance); n != 0 { // everything is listed
			t.Errorf("%q: %d", glance, n)
		}
	}
}
