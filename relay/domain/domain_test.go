package domain

import "testing"

// A domain is the same in the form that people write and in the one of the DNS; what cannot be converted is compared as it
// is.
func TestIn(t *testing.T) {
	for _, c := range []struct {
		pattern, domain string
		in              bool
	}{
		{"kroön.example", "xn--kron-7qa.example", true},
		{"xn--kron-7qa.example", "kroön.example", true},
		{"*.kroön.example", "mail.xn--kron-7qa.example", true},
		{"*.xn--kron-7qa.example", "büro.kroön.example", true},
		{"*.kroön.example", "xn--kron-7qa.example", false},
		{"kroön.example", "kroon.example", false},
		{"straße.example", "xn--strae-oqa.example", true},
		{"a\u00adü..example", "a\u00adü..example", true},
		{"*.example", "example", false},
		{"*.example", "a.b.example", true},
		{"*.example", "anexample", false},
		{"", "", false},
		{"*", "", false},
		{"*", "any.example", true},
	} {
		if got := In(c.pattern, c.domain); got != c.in {
			t.Errorf("In(%q, %q) is %v", c.pattern, c.domain, got)
		}
	}
}

func TestALabels(t *testing.T) {
	for domain, want := range map[string]string{
		"kroon.example": "kroon.example", "kroön.example": "xn--kron-7qa.example", "*.kroön.example": "*.xn--kron-7qa.example",
		"": "", "a_ü.example": "a_ü.example",
	} {
		if got := ALabels(domain); got != want {
			t.Errorf("ALabels(%q) is %q", domain, got)
		}
	}
}
