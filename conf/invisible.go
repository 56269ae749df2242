package conf

import "net"

// invisible refuses to hide from ourselves: mail that a listener of ours takes again would go round for ever, unseen.
func (v *validator) invisible(d *Destination) {
	if !d.Invisible || d.Kind != "smtp" && d.Kind != "lmtp" {
		return
	}
	for _, e := range d.Endpoints() {
		for i := range v.c.Listen {
			if l := &v.c.Listen[i]; ourselves(e, l) {
				v.fail(d.At.Of("invisible"), "remove it", "invisible: this destination is our own listener at %s", l.At.Self)
			}
		}
	}
}

// ourselves says whether a destination is a listener of ours, by what is written; nothing is looked up.
func ourselves(e Endpoint, l *Listener) bool {
	if e.Network == "unix" || l.Network == "unix" {
		return e.Network == l.Network && e.Address == l.Address
	}
	host, port, err := net.SplitHostPort(e.Address)
	own, at, bad := net.SplitHostPort(l.Address)
	if err != nil || bad != nil || port != at {
		return false
	}
	ip := net.ParseIP(own)
	return host == own || Loopback(host) && (Loopback(own) || own == "" || ip != nil && ip.IsUnspecified())
}
