package fetch

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"mailretr/relay"
	"mailretr/store/mail"
)

// to returns the forward-paths that a header gives, "" for a message that stays.
func to(t *testing.T, d Multi, header string) (string, error) {
	t.Helper()
	e, err := resolve(t, d.Resolve, header)
	var all []string
	for _, p := range forwards(e) {
		all = append(all, string(p))
	}
	return strings.Join(all, "|"), err
}

var catchall = Multi{
	Fields: []Field{{Name: "X-Envelope-To"}}, Prefixes: []string{"kroon-"}, Local: []string{"kroon.co.za", "x"},
}

// Each row is a hostile or odd field and the exact recipients that it gives; "" means that the message
// stays.
func TestS5_EnvelopeFromHeader(t *testing.T) {
	for _, c := range []struct{ field, want string }{
		{"jaco@kroon.co.za", "jaco@kroon.co.za"},
		{"<jaco@kroon.co.za>", "jaco@kroon.co.za"},
		{"Jaco <jaco@Kroon.CO.ZA>", "jaco@kroon.co.za"},
		{`"Kroon, Jaco" <jaco@kroon.co.za> (the man)`, "jaco@kroon.co.za"},
		{"kroon-jaco@kroon.co.za", "jaco@kroon.co.za"},
		{"KROON-Jaco@kroon.co.za", "Jaco@kroon.co.za"},
		{"kroon-kroon-a@kroon.co.za", "kroon-a@kroon.co.za"},
		{"a@x, b@x,\r\n\tkroon-c@kroon.co.za", "a@x|b@x|c@kroon.co.za"},
		{"a@x, a@X, a@x", "a@x"},
		{"a@x, b@elsewhere.example", "a@x"},
		{", a@x,,", "a@x"},
		{"b@elsewhere.example", ""},
		{"", ""},
		{"<>", ""},
		{"jaco", ""},
		{"postmaster", ""},
		{"kroon-@kroon.co.za", ""},
		{"kroon--oX@x", ""},
		{"kroon-|cmd@x", ""},

		// Injection: what follows the line end is another line, and no field.
		{"\"a\r\nRCPT TO:<b>\"@x", ""},
		{"\"a\r\n RCPT TO:<b>\"@x", `"a RCPT TO:<b>"@x`}, // folded: one quoted local part, which is legal
		{"a@x>\r\n RCPT TO:<b@x", ""},
		{"a@x\r\n RCPT TO:<b@x>", ""}, // not one recipient that nobody has named
		{"a@x\x00", ""},
		{"a\x00@x", ""},
		{"a@x\r", "a@x"}, // CRCRLF: the line ends, nothing more
		{"a\r@x", ""},
		{"<-oX@x>", ""},
		{"<;id;@x>", ""},
		{"<${run{id}}@x>", "${run{id}}@x"}, // legal octets: the MTA gets them as they are, and nothing else does
		{"<|cmd@x>", ""},
		{"</etc/passwd@x>", ""},
		{"a@[127.0.0.1]", ""},
		{"<@a:b@c>", ""},
		{"<@x:b@x>", ""},
		{"j\xc3\xbcrgen@x", "j\xc3\xbcrgen@x"}, // RFC 6531
		{"j\xfcrgen@x", ""},
		{strings.Repeat("a", 10<<10) + "@x", ""},
		{"friends: a@x, b@x;", ""},
		{"undisclosed-recipients:;", ""},
		{"a@x; b@x", ""},
		{"a@x b@x", ""},
		{"<a@x> <b@x>", ""},
		{"<a@x", ""},
		{"a@x)", ""},
		{"(a@x", ""},
		{"((((a))))a@x", "a@x"},
		{strings.Repeat("(", 60<<10), ""},
		{strings.Repeat("(", 80<<10), ""},
		{strings.Repeat("a@x,", 1000), "a@x"},
		{strings.Repeat("a@x,", 1001), ""},
		{"a@x," + strings.Repeat(" ", 70<<10) + "b@x", ""},
		{"a@x, <-oX@x>", ""}, // who is not sure of one is not sure of the other
		{`a\@x@x`, ""},
		{`"a\"b"@x`, `"a\"b"@x`},
		{"a@x\r\nX-Envelope-To: b@x", ""}, // one for each recipient, or the sender's own? nobody guesses
		{"a@x\r\nX-Envelope-To: A@X, b@elsewhere.example\r\n", ""},
		{"a@x, b@x\r\nX-Envelope-To: b@x, c@elsewhere.example", "a@x|b@x"}, // no doubt
		{"a@x\r\nX-Envelope-To:", "a@x"},
		{"a@x\r\nX-Envelope-To: <-oX@x>", ""},
		{"a@x\r\nX: y\r\nX-Envelope-To: b@x", "a@x"}, // the topmost one
		{"\r\nX-Envelope-To: b@x", ""},
	} {
		e, err := resolve(t, catchall.Resolve, "X-Envelope-To: "+c.field+"\r\nTo: trap@x\r\nCc: trap@x\r\n\r\n")
		var got []string
		for _, p := range forwards(e) {
			got = append(got, string(p))
		}
		if have := strings.Join(got, "|"); have != c.want {
			t.Errorf("%.80q: got %q, %v; want %q", c.field, have, err, c.want)
		}
		var trouble *mail.Trouble
		if c.want == "" && (!errors.As(err, &trouble) || trouble.Kind != mail.NoEnvelope || trouble.Hint == "") {
			t.Errorf("%.80q: %v is no trouble of kind envelope with a hint", c.field, err)
		}
		for _, p := range forwards(e) {
			if p.Check() != nil || strings.ContainsAny(string(p), "\r\n\x00") {
				t.Errorf("%.80q: hostile path %q gets through", c.field, p)
			}
		}
	}
}

func TestMultiOtherwise(t *testing.T) {
	d := catchall
	d.Otherwise = "postmaster@kroon.co.za"
	for header, want := range map[string]mail.Path{
		"Subject: x\r\n\r\n":                              "postmaster@kroon.co.za",
		"X-Envelope-To: <-oX@x>\r\n\r\n":                  "postmaster@kroon.co.za",
		"X-Envelope-To: a@elsewhere.example\r\n\r\n":      "postmaster@kroon.co.za",
		"X-Envelope-To: a@x\r\n\r\n":                      "a@x",
		"Subject: x\r\n\r\nX-Envelope-To: inbody@x\r\n":   "postmaster@kroon.co.za",
		"x-envelope-to : a@x\r\nX-Envelope-To-Not: b@x\n": "a@x",
	} {
		e, err := resolve(t, d.Resolve, header)
		if got := forwards(e); err != nil || !slices.Equal(got, []mail.Path{want}) {
			t.Errorf("%q: %v, %v; want %s", header, got, err, want)
		}
	}
}

// The topmost stands for what the provider has written last; below stands more and more of what the sender likes.
func TestMultiWhichField(t *testing.T) {
	const header = "Delivered-To: one@x\r\ndelivered-to: two@x, one@x\r\nX: y\r\nDelivered-To: three@x\r\n" +
		"Delivered-To: four@x\r\n\r\n"
	for _, c := range []struct {
		f    Field
		want string
	}{
		{Field{Name: "Delivered-To", Nth: 1}, "one@x"},
		{Field{Name: "Delivered-To", Nth: 2}, "two@x|one@x"},
		{Field{Name: "delivered-to", Nth: 3}, "three@x"},
		{Field{Name: "Delivered-To", Nth: 5}, ""},
		{Field{Name: "Delivered-To", All: true}, "one@x|two@x"},
		{Field{Name: "Delivered-To"}, ""},
		{Field{Name: "Delivered"}, ""},
	} {
		got, err := to(t, Multi{Fields: []Field{c.f}, Local: []string{"x"}}, header)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v: %q, %v; want %q", c.f, got, err, c.want)
		}
	}
}

// Of a list the first that names somebody of ours decides; one that cannot be read ends the search.
func TestMultiInOrder(t *testing.T) {
	d := Multi{Fields: []Field{{Name: "X-Envelope-To"}, {Name: "Delivered-To", Nth: 2}, {Name: "Envelope-To"}},
		Local: []string{"x"}}
	for header, want := range map[string]string{
		"X-Envelope-To: a@x\nEnvelope-To: b@x\n":                         "a@x",
		"X-Envelope-To:\nEnvelope-To: b@x\n":                             "b@x",
		"X-Envelope-To: a@isp.example\nEnvelope-To: b@x\n":               "b@x",
		"X-Envelope-To: <a@x\nEnvelope-To: b@x\n":                        "X-Envelope-To cannot be read: the brackets do not match",
		"Delivered-To: a@x\nX: y\nDelivered-To: b@x\nEnvelope-To: c@x\n": "b@x",
		"Delivered-To: a@x\nTo: c@x\nX-Envelope-To: y@isp.example\n": "its header field X-Envelope-To names no " +
			"recipient of ours; it has no header field Delivered-To 2; it has no header field Envelope-To",
	} {
		got, err := to(t, d, header)
		if err != nil {
			got = err.Error()
		}
		if got == "" || !strings.HasSuffix(got, want) {
			t.Errorf("%q: %s; want %s", header, got, want)
		}
	}
}

func TestMultiDomains(t *testing.T) {
	d := Multi{Fields: []Field{{Name: "X"}}, Local: []string{"kroon.example", "*.lan.example"}}
	for address, want := range map[string]string{
		"a@kroon.example": "a@kroon.example", "a@KROON.example": "a@kroon.example", "a@sub.kroon.example": "",
		"a@b.lan.example": "a@b.lan.example", "a@c.b.lan.example": "a@c.b.lan.example", "a@lan.example": "",
		"a@xlan.example": "", "a@.lan.example": "", "a@*.lan.example": "", "a@b.lan.example.": "",
	} {
		if got, err := to(t, d, "X: "+address+"\n"); got != want {
			t.Errorf("%s: %q, %v; want %q", address, got, err, want)
		}
	}
}

func TestMultiPrefixes(t *testing.T) {
	d := Multi{Fields: []Field{{Name: "Delivered-To"}}, Local: []string{"x"},
		Prefixes: []string{"mbox-", "mbox-user-", "kroon.example-"}}
	for address, want := range map[string]string{
		"mbox-user-a@x": "a@x", "Mbox-User-A@x": "A@x", "mbox-a@x": "a@x", "mbox-userx@x": "userx@x",
		"kroon.example-a@x": "a@x", "a-mbox-@x": "a-mbox-@x", "mbox-user-@x": "", "mbox-user--oX@x": "",
		"mbox-mbox-a@x": "mbox-a@x", `"mbox-a"@x`: `"mbox-a"@x`,
	} {
		if got, err := to(t, d, "Delivered-To: "+address+"\n"); got != want {
			t.Errorf("%s: %q, %v; want %q", address, got, err, want)
		}
	}
}

var mapped = Multi{
	Fields: []Field{{Name: "X"}}, Local: []string{"x", "*.y"}, Prefixes: []string{"p-"},
	Map: relay.NewAliases([]relay.Alias{
		{From: "info@x", To: []string{"a@x", "B@elsewhere.example"}},
		{From: "Sales@*", To: []string{"s@x"}},
		{From: "a@b.y", To: []string{"info@x"}}, // once: one alias does not lead to another
		{From: "*@old", To: []string{"*@x"}},
		{From: "boss@old", To: []string{"boss@x", "copy@x"}},
		{From: "*@*.wide", To: []string{"w@x"}},
		{From: "*@*.deep.wide", To: []string{"*@deep", "d@x"}},
		{From: "*@one.deep.wide", To: []string{"one@x"}},
		{From: "bad@x", To: []string{"-oX@x"}},
		{From: "pm@x", To: []string{"postmaster"}},
	}),
}

func TestMultiMap(t *testing.T) {
	for address, want := range map[string]string{
		"info@x": "a@x|B@elsewhere.example", "INFO@X": "a@x|B@elsewhere.example", "p-info@x": "a@x|B@elsewhere.example",
		"info@c.y": "info@c.y", "sales@x": "s@x", "sales@c.y": "s@x", "sales@foreign": "", "a@b.y": "info@x",
		"Joe@old": "Joe@x", "boss@old": "boss@x|copy@x", "sales@old": "sales@x", "p-joe@old": "joe@x", "j@a.wide": "w@x",
		"j@a.b.wide": "w@x", "j@wide": "", "j@a.deep.wide": "j@deep|d@x", "j@one.deep.wide": "one@x", "bad@x": "",
		"j@deep.wide": "w@x", "*@old": "*@x", "info@x, a@x, b@x": "a@x|B@elsewhere.example|b@x", "pm@x": "postmaster",
		"info@foreign": "", `"a b"@old`: `"a b"@x`,
	} {
		if got, err := to(t, mapped, "X: "+address+"\n"); got != want {
			t.Errorf("%s: %q, %v; want %q", address, got, err, want)
		}
	}
	// A DSN names the address that the sender knows (RFC 3461, 4.2), and only where it is another one.
	e, err := resolve(t, mapped.Resolve, "X: p-i+f=o@old, b@x\n")
	if err != nil || len(e.Recipients) != 2 || e.Recipients[0].Original != "rfc822;i+2Bf+3Do@old" ||
		e.Recipients[1].Original != "" {
		t.Errorf("%+v, %v", e.Recipients, err)
	}
}

// TestS5_TooManyRecipients: what one header makes of a map is bounded too.
func TestS5_TooManyRecipients(t *testing.T) {
	var many relay.Alias
	many.From = "all@x"
	for i := range 600 {
		many.To = append(many.To, strings.Repeat("a", 1+i/26)+string(rune('a'+i%26))+"@x")
	}
	d := Multi{Fields: []Field{{Name: "X", All: true}}, Local: []string{"x"}, Map: relay.NewAliases([]relay.Alias{many,
		{From: "more@x", To: many.To[:1]}, {From: "*@z", To: []string{"z-*@x", "*@x"}}})}
	if got, err := to(t, d, "X: all@x, more@x\n"); strings.Count(got, "|") != 599 || err != nil {
		t.Errorf("%d recipients, %v", strings.Count(got, "|")+1, err)
	}
	var b strings.Builder
	b.WriteString("X: all@x\n")
	for i := range 401 {
		b.WriteString("X: b" + strings.Repeat("b", i) + "@x\n")
	}
	if got, err := to(t, d, b.String()); got != "" || err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("%d recipients, %v", strings.Count(got, "|")+1, err)
	}
}

func FuzzMulti(f *testing.F) {
	d := mapped
	d.Fields = []Field{{Name: "X"}, {Name: "Delivered-To", All: true}, {Name: "Received", By: "*.isp.example"},
		{Name: "Received", Nth: 2}}
	for _, p := range providers {
		f.Add(p.header)
	}
	f.Add("X: a@x, \"b c\"@x (d)\r\n <e@x>")
	f.Add("X: friends: a@x;")
	f.Fuzz(func(t *testing.T, header string) {
		m := &mail.Message{Content: text(header)}
		err := d.Resolve(t.Context(), m)
		if (err == nil) != (len(m.Envelope.Recipients) > 0) || len(m.Envelope.Recipients) > maxAddresses {
			t.Fatalf("%v with %d recipients", err, len(m.Envelope.Recipients))
		}
		ours := []string{"x", "elsewhere.example", "deep", ""}
		for _, x := range m.Envelope.Recipients {
			p := x.Forward
			if p == "" || p.Check() != nil || !slices.Contains(ours, p.Domain()) && !strings.HasSuffix(p.Domain(), ".y") {
				t.Fatalf("recipient %q", p)
			}
			if strings.ContainsAny(x.Original, " \r\n\x00=") {
				t.Fatalf("original %q", x.Original)
			}
		}
		if m.Envelope.Reverse.Check() != nil {
			t.Fatalf("reverse-path %q", m.Envelope.Reverse)
		}
	})
}

// TestInternationalisedRecipients: a field may have a domain in either form; the address stays as it is written there.
func TestInternationalisedRecipients(t *testing.T) {
	for _, local := range []string{"büro.example", "xn--bro-hoa.example"} {
		d := Multi{Local: []string{local}}
		for _, address := range []string{"anna@büro.example", "anna@xn--bro-hoa.example"} {
			got, err := d.recipient(address)
			if err != nil || len(got) != 1 || string(got[0].Forward) != address {
				t.Errorf("%s for %s: %v, %v", address, local, got, err)
			}
		}
		if got, err := d.recipient("anna@buro.example"); err != nil || got != nil {
			t.Errorf("somebody else's: %v, %v", got, err)
		}
	}
}
