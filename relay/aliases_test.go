package relay

import (
	"fmt"
	"testing"
)

// TestInternationalisedDomains: a domain is the same in the form that people write and in the one of the DNS, in any case;
// what cannot be converted is compared as it is.
func TestInternationalisedDomains(t *testing.T) {
	for _, c := range []struct {
		pattern, domain string
		same            bool
	}{
		{"kroön.example", "xn--kron-7qa.example", true},
		{"xn--kron-7qa.example", "kroön.example", true},
		{"*.kroön.example", "mail.xn--kron-7qa.example", true},
		{"*.xn--kron-7qa.example", "büro.kroön.example", true},
		{"*.kroön.example", "xn--kron-7qa.example", false},
		{"kroön.example", "kroon.example", false},
		{"straße.example", "xn--strae-oqa.example", true},
		{"a\u00adü..example", "a\u00adü..example", true},
		{"", "", false},
	} {
		if got := InDomain(c.pattern, c.domain); got != c.same {
			t.Errorf("InDomain(%q, %q) is %v", c.pattern, c.domain, got)
		}
	}
	a := NewAliases([]Alias{{"anna@kroön.example", []string{"a@x"}}, {"*@*.xn--kron-7qa.example", []string{"b@x"}}})
	for address, want := range map[[2]string]string{
		{"Anna", "xn--kron-7qa.example"}:   "[a@x] true",
		{"anna", "kroön.example"}:          "[a@x] true",
		{"otto", "büro.kroön.example"}:     "[b@x] true",
		{"otto", "x.xn--kron-7qa.example"}: "[b@x] true",
		{"otto", "kroön.example"}:          "[] false",
	} {
		to, ok := a.Of(address[0], address[1], true)
		if got := fmt.Sprint(to, ok); got != want {
			t.Errorf("%q: %s, want %s", address, got, want)
		}
	}
}
