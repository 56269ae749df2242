package bounce

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"time"

	"mailretr/store/mail"
)

//go:embed text/*.tmpl
var texts embed.FS

// A Text is what reports say to people, in one language. Safe for concurrent use.
type Text struct {
	language string
	t        *template.Template
}

// Languages returns the codes of the languages that are built in: "en", "de" …
func Languages() []string {
	list, err := texts.ReadDir("text")
	if err != nil {
		panic(err) // it is part of the program
	}
	var names []string
	for _, x := range list {
		names = append(names, strings.TrimSuffix(x.Name(), ".tmpl"))
	}
	slices.Sort(names)
	return names
}

// Template returns what is built in for a language, "" is English.
func Template(language string) (string, error) {
	if language == "" {
		language = "en"
	}
	b, err := texts.ReadFile("text/" + language + ".tmpl")
	return string(b), err
}

// maxTemplate bounds a template, in octets.
const maxTemplate = 256 << 10

// NewText returns the text in a language, "" is English. own is a template of the user's own, in the language of package
// text/template, or "": what it defines ("subject", "text", or a part of them such as "closing") takes the place of what
// is built in. It is tried with a letter of each kind; an error says what is wrong with it.
func NewText(language, own string) (*Text, error) {
	if language == "" {
		language = "en"
	}
	if !slices.Contains(Languages(), language) {
		return nil, fmt.Errorf("there is no text in %q; there is %s", language, strings.Join(Languages(), ", "))
	}
	if len(own) > maxTemplate {
		return nil, fmt.Errorf("the template is longer than %d octets", maxTemplate)
	}
	built, err := Template(language)
	if err != nil {
		return nil, err
	}
	t, err := template.New("report").Option("missingkey=error").Parse(built)
	if err == nil && own != "" {
		t, err = t.Parse(own)
	}
	if err != nil {
		return nil, err
	}
	x := &Text{language, t}
	return x, x.try()
}

// try writes a letter of each kind.
func (x *Text) try() error {
	for _, l := range samples() {
		if _, err := x.subject(l); err != nil {
			return err
		}
		s, err := x.text(l)
		if err != nil {
			return err
		}
		if s == "" {
			return fmt.Errorf("the template writes no text for a report that is %s", l.Kind)
		}
	}
	return nil
}

// samples are letters of each kind, with one recipient and with several, with everything and with next to nothing.
func samples() (all []*Letter) {
	at := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	for _, k := range []Kind{Failed, Delayed, Succeeded, Unreturned, Redirected} {
		full := &Letter{Kind: k, Host: "mail.example.org", Postmaster: "postmaster@example.org", Maildrop: "jaco",
			Subject: "Holiday", Received: &at, Until: &at, Reason: "the message has no return address", Cut: true,
			Several: true, More: 7}
		bare := &Letter{Kind: k, Host: "mail.example.org", IsReport: true, TooLarge: true, Whole: true, Final: true}
		for i, how := range []string{"refused", "expired", "given up", "too large", "circle", "delayed", "delivered", "relayed"} {
			to := Addressee{Address: "<jaco@example.org>", How: how, Server: "mx.example.org", Size: "3 MB"}
			bare.Recipients = append(bare.Recipients, to)
			to.Said, to.Why, to.Ours, to.Tries = "451 4.3.0 Try again", "no room", true, 3
			to.For = []*Age{{}, {1, "minute"}, {2, "hour"}, {3, "day"}}[i%4]
			full.Recipients = append(full.Recipients, to)
		}
		all = append(all, full, bare)
	}
	return all
}

// maxText bounds what a template writes, in octets: each octet of a letter's longest fields some times over.
const maxText = 1 << 20

var errText = errors.New("the template writes too much")

// limited is a builder with a bound.
type limited struct{ strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxText {
		return 0, errText
	}
	return l.Builder.Write(p)
}

func (x *Text) run(name string, l *Letter) (string, error) {
	var b limited
	if err := x.t.ExecuteTemplate(io.Writer(&b), name, l); err != nil {
		return "", err
	}
	return strings.ToValidUTF8(b.String(), "?"), nil
}

// subject is one line.
func (x *Text) subject(l *Letter) (string, error) {
	s, err := x.run("subject", l)
	s = mail.Printable(strings.Join(strings.Fields(s), " "), 200)
	if err == nil && s == "" {
		err = fmt.Errorf("the template writes no subject for a report that is %s", l.Kind)
	}
	return s, err
}

// text is wrapped, with CRLF line ends.
func (x *Text) text(l *Letter) (string, error) {
	s, err := x.run("text", l)
	return layout(clean(s)), err
}

// clean takes out what could not stand in a text: controls but for tabs and line ends.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

var english = func() *Text {
	x, err := NewText("en", "")
	if err != nil {
		panic(err) // it is part of the program, and a test writes it
	}
	return x
}()

// textFor is what reports about mail of a maildrop say.
func (r *Reporter) textFor(maildrop string) *Text {
	if r.Text != nil {
		if x := r.Text(maildrop); x != nil {
			return x
		}
	}
	return english
}
