package signin

import (
	"strings"

	"mailretr/conf"
)

// addressed is a name with its domain: its own, which has to be one of these, or the first of them. Without domains it is
// the name. ok: it may sign in.
func addressed(name string, domains []string) (owner string, ok bool) {
	_, domain, has := strings.Cut(name, "@")
	switch {
	case len(domains) == 0:
		return conf.PlainName(name), true
	case !has:
		return conf.PlainName(name + "@" + domains[0]), true
	}
	return conf.PlainName(name), conf.NamedIn(domain, domains)
}
