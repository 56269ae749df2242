package conf

import (
	"slices"
	"strings"
)

// A Rewrite says who gets the mail of a recipient instead. It is applied once, when a message comes in, before the
// routes are asked.
type Rewrite struct {
	At Where `json:"-"`

	Map     []Alias  // what it leads to is looked up again
	MapFile string   // where some of Map are from; their At says which
	Lookups []Lookup // asked in this order where Map says nothing, until one knows the address
	Strip   []string // domains, lower case, in whose addresses the detail of user+detail goes, where Map and Lookups do not know it
	Folder  []string // domains, lower case, to whose addresses the folder of the maildrop is added as detail
	Mark    string   // between user and detail
}

func (v *validator) rewrite() {
	r := &v.c.Rewrite
	v.aliases(r.Map, nil)
	if r.MapFile != "" {
		v.absolute(r.At, "map", r.MapFile)
	}
	for i := range r.Lookups {
		v.lookup(&r.Lookups[i])
	}
	v.domains(r.At, "strip_detail", r.Strip)
	v.domains(r.At, "add_folder", r.Folder)
	if len(r.Mark) != 1 || !strings.Contains("+-=_.!#%&", r.Mark) {
		v.fail(r.At.Of("delimiter"), `write the character between user and detail, e.g. "+"`,
			"delimiter: %q is none", r.Mark)
	}
}

// domains checks a list of domains.
func (v *validator) domains(at Where, key string, list []string) {
	for i, x := range list {
		if !domainPattern(x) {
			v.fail(at.Of(key), "write it as example.org, or *.example.org for all below it", "%s: %q is no domain", key, x)
		}
		if slices.Contains(list[:i], x) {
			v.fail(at.Of(key), "write it once", "%s: %s is there twice", key, x)
		}
	}
}
