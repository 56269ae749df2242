package relay

import (
	"fmt"
	"testing"
)

// TestInternationalisedDomains: a domain is the same in the form that people write and in the one of the DNS.
func TestInternationalisedDomains(t *testing.T) {
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
