package ldap

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// small is more than tests let an entry have: it makes them quick.
const small = 64 << 10

// An entry that is too large is named and harms no other; what it is known by is read once, and not at each look. One that is
// above others, and large, is named at these.
func TestEntryTooLarge(t *testing.T) {
	stamp := "20260102030405.123456Z#000000#000#000000"
	large := ldap.NewEntry("cn=large,dc=example", map[string][]string{"mailretrHost": {strings.Repeat("h", small)}, "entryCSN": {stamp}})
	s := &server{t: t, entries: []*ldap.Entry{maildrop(1, nil), large, maildrop(2, nil)}}
	r := s.reader(conf.LDAP{Preset: "mailretr"})
	r.largest = small
	lines, err := said(t, r)
	want := "cn=large,dc=example: name=large host stands in an entry that has more than 16 MB, or 100000 parts"
	if err != nil || len(lines) != 3 || !slices.Contains(lines, want) {
		t.Fatalf("%v %.1000q", err, lines)
	}
	for range 2 {
		s.searches = nil
		before := r.version
		if v, err := r.Version(t.Context()); err != nil || v != before {
			t.Errorf("%v, another version", err)
		}
	}
	if slices.ContainsFunc(s.searches, func(q string) bool { return strings.HasPrefix(q, "cn=large") }) {
		t.Errorf("it is read at each look: %q", s.searches)
	}
	s.entries[1] = ldap.NewEntry("cn=large,dc=example", map[string][]string{"mailretrHost": {"h.example"}, "entryCSN": {"2" + stamp}})
	if _, err := r.Version(t.Context()); err != nil {
		t.Error(err)
	}
	if lines, err = said(t, r); err != nil || !slices.Contains(lines, "cn=large,dc=example: name=large host=h.example") {
		t.Errorf("when it has become smaller: %v %q", err, lines)
	}
}

// So is one that has more parts than the library may be given.
func TestEntryOfManyParts(t *testing.T) {
	name := wrapped(0x04, []byte("cn=large,dc=example"))
	entry := wrapped(tagEntry, append(name, wrapped(0x30, bytes.Repeat([]byte{0x04, 0x00}, maxElements))...))
	b := wrapped(0x30, append([]byte{0x02, 0x01, 0x07}, entry...))
	for _, spare := range []bool{true, false} {
		f := &framed{Line: octetsOf{plain{&net.TCPConn{}}, bytes.NewReader(b)}, left: maxAnswer, bounds: bounds{spare: spare}}
		m, err := f.message()
		if (err == nil) != spare || spare && (!bytes.Contains(m, name) || !bytes.Contains(m, []byte(spared)) || len(m) > 200) {
			t.Errorf("%v: %d octets, %v", spare, len(m), err)
		}
	}
}

func TestEntryAboveTooLarge(t *testing.T) {
	s := &server{t: t, entries: []*ldap.Entry{
		ldap.NewEntry("uid=jaco,dc=example", map[string][]string{"mail": {strings.Repeat("m", small)}}),
		ldap.NewEntry("sn=isp,uid=jaco,dc=example", map[string][]string{"fetchmailServer": {"h.example"}}),
	}, meant: func(_, filter string, e *ldap.Entry) bool {
		return strings.Contains(filter, "fetchmailServer=*") == (len(e.GetAttributeValues("fetchmailServer")) > 0)
	}}
	r := s.reader(conf.LDAP{Preset: "fetchmail"})
	r.largest = small
	lines, err := said(t, r)
	if err != nil || len(lines) != 1 || !strings.Contains(lines[0], "recipient may stand in the entry above, which is too large") {
		t.Errorf("%v %q", err, lines)
	}
}

// Who looks for one entry is not told a part of the truth.
func TestOneEntryTooLarge(t *testing.T) {
	s := &server{t: t, entries: []*ldap.Entry{ldap.NewEntry("cn=a,dc=example", map[string][]string{"mail": {strings.Repeat("m", small)}})}}
	table, err := NewTable(conf.Lookup{Kind: "ldap", LDAP: &conf.LDAP{Base: "dc=example", Filter: "(mail={address})",
		TLS: conf.TLS{Mode: conf.ModeNone}}, Result: []string{"mail"}}, s.dial)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	table.largest = small
	if list, err := table.Ask(t.Context(), "a@example.org"); err == nil || len(list) > 0 {
		t.Errorf("%d values, %v", len(list), err)
	}
}

// What comes with an entry that is too large, such as what synchronisation says of it, is kept, and nothing of it is too much.
func TestBareKeepsControls(t *testing.T) {
	e := ldap.NewEntry("cn=large,dc=example", map[string][]string{"x": {strings.Repeat("y", small)}})
	p := message(7, entryPacket(e, []string{"x"}))
	controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	controls.AppendChild(ldap.NewControlPaging(500).Encode())
	p.AppendChild(controls)
	b := p.Bytes()
	for _, n := range []int{len(b), len(b) - 1, small / 2, 30} {
		f := &framed{Line: octetsOf{plain{&net.TCPConn{}}, bytes.NewReader(b[:n])}, left: maxAnswer, bounds: bounds{small, true}}
		m, err := f.message()
		if n < len(b) {
			if err == nil {
				t.Errorf("%d octets of %d are enough", n, len(b))
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := ber.ReadPacket(bytes.NewReader(m))
		if err != nil || len(got.Children) != 3 || got.Children[1].Children[0].Data.String() != e.DN ||
			!bytes.Equal(got.Children[2].Bytes(), controls.Bytes()) || len(m) > 200 {
			t.Errorf("%x, %v", m, err)
		}
	}
	p = message(7, entryPacket(e, []string{"x"}))
	controls.AppendChild(octets(strings.Repeat("z", maxControls)))
	p.AppendChild(controls)
	f := &framed{Line: octetsOf{plain{&net.TCPConn{}}, bytes.NewReader(p.Bytes())}, left: maxAnswer, bounds: bounds{small, true}}
	if _, err := f.message(); err == nil {
		t.Error("controls of any size are kept")
	}
}
