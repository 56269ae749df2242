package bounce

import (
	"slices"
	"strings"
	"testing"

	"mailretr/store/mail"
)

func TestLanguages(t *testing.T) {
	if got := Languages(); !slices.Equal(got, []string{"af", "de", "en", "fr"}) {
		t.Error(got)
	}
	for _, l := range Languages() {
		if _, err := NewText(l, ""); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
	if _, err := NewText("tlh", ""); err == nil || !strings.Contains(err.Error(), "af, de, en, fr") {
		t.Error(err)
	}
}

// TestOwnTemplate: what it defines takes the place of what is built in, and mistakes are found before the first report.
func TestOwnTemplate(t *testing.T) {
	x, err := NewText("de", `{{define "closing"}}Rufen Sie an: 555-1234.{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	r := reporter()
	r.Text = func(string) *Text { return x }
	s := made(t, r, Failed, message(letter, "jaco@kroon.co.za"), mail.Report{refused("550 no", "")})
	_, parts := wellFormed(t, s)
	if !strings.Contains(parts[0], "555-1234") || !strings.Contains(parts[0], "Dies ist das Mailsystem") ||
		!strings.Contains(s, "\r\nContent-Language: de\r\n") {
		t.Error(s)
	}
	for name, own := range map[string]string{
		"syntax":         `{{define "text"}}{{if}}{{end}}`,
		"field":          `{{define "text"}}{{.Nonsense}}{{end}}`,
		"rare field":     `{{define "closing"}}{{if eq .Kind "redirected"}}{{.Nonsense}}{{end}}{{end}}`,
		"no text":        `{{define "text"}}{{if false}}x{{end}}{{end}}`,
		"no subject":     `{{define "subject"}}{{if eq .Kind "failed"}}x{{end}}{{end}}`,
		"no template":    `{{define "closing"}}{{template "nonsense"}}{{end}}`,
		"endless":        `{{define "closing"}}{{template "closing" .}}{{end}}`,
		"too much":       `{{define "more"}}` + strings.Repeat("x", 1000) + `{{end}}{{define "text"}}{{range 5000}}{{template "more"}}{{end}}{{end}}`,
		"a function":     `{{define "text"}}{{exec "rm"}}{{end}}`,
		"too long":       strings.Repeat("x", maxTemplate+1),
		"index too high": `{{define "text"}}{{index .Recipients 99}}{{end}}`,
	} {
		if _, err := NewText("", own); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestS10_OwnTemplateCannotBreakOut: whatever a template writes, there is one subject, and three parts.
func TestS10_OwnTemplateCannotBreakOut(t *testing.T) {
	x, err := NewText("", "{{define \"subject\"}}a\r\nBcc: evil@example.org\r\n\r\nbody{{end}}"+
		"{{define \"text\"}}--=_x\r\n\x00\x1b\r\r\n.\r\n"+strings.Repeat("y", 3000)+"\n{{.Subject}}{{end}}")
	if err != nil {
		t.Fatal(err)
	}
	r := reporter()
	r.Text = func(string) *Text { return x }
	h, _ := wellFormed(t, made(t, r, Failed, message(letter, "jaco@kroon.co.za"), mail.Report{refused("550 no", "")}))
	if got := h.Get("Subject"); got != "a Bcc: evil@example.org body" {
		t.Errorf("subject %q", got)
	}
}

func TestLayout(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"\n\n a\n\n\n\tb  c\n\n": " a\r\n\r\n    b c\r\n",
		"a\nb":                   "a\r\nb\r\n",
		"  " + strings.Repeat("word ", 20): "  " + strings.TrimSuffix(strings.Repeat("word ", 14), " ") + "\r\n  " +
			strings.TrimSuffix(strings.Repeat("word ", 6), " ") + "\r\n",
	} {
		if got := layout(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
