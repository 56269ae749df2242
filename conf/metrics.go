package conf

import "net"

// Metrics says where a monitoring system reads how the daemon is: /metrics, /healthz and /readyz.
type Metrics struct {
	At Where `json:"-"`

	Network     string // "tcp" or "unix"; "": nowhere
	Address     string // host:port, or a path
	PerMaildrop bool   // series for each maildrop, with its name
}

// MaxMetered is for how many maildrops there may be series of their own: a monitoring system keeps each for
// years, and is brought down by a hundred thousand.
const MaxMetered = 1000

// On says whether there is such a place.
func (m *Metrics) On() bool { return m.Network != "" }

// Name is the place as it was written; "" for none.
func (m *Metrics) Name() string {
	if !m.On() {
		return ""
	}
	l := m.listener()
	return l.Name()
}

// SetListen reads where it is: host:port, unix:/path or /path; none for nowhere.
func (m *Metrics) SetListen(s string) error {
	if s == "none" {
		m.Network, m.Address = "", ""
		return nil
	}
	var l Listener
	if err := l.SetAddress(s); err != nil {
		return err
	}
	m.Network, m.Address = l.Network, l.Address
	return nil
}

func (m *Metrics) listener() Listener { return Listener{Network: m.Network, Address: m.Address} }

func (v *validator) metrics() {
	m := &v.c.Metrics
	if n := len(v.c.Maildrops); m.PerMaildrop && n > MaxMetered {
		v.fail(m.At.Of("per_maildrop"), "write per_maildrop: false; `mailretr status --json` has all of them",
			"per_maildrop: %d maildrops are too many for series of their own, %d is the most", n, MaxMetered)
	}
	if m.PerMaildrop && !m.On() {
		v.fail(m.At.Of("per_maildrop"), "write listen: 127.0.0.1:9977", "metrics: nobody can read them without listen")
	}
	if !m.On() {
		return
	}
	l := m.listener()
	for i := range v.c.Listen {
		if v.c.Listen[i].Name() == l.Name() {
			v.fail(m.At.Of("listen"), "choose another one", "metrics: %s is taken by %s", l.Name(), v.c.Listen[i].At.Self)
		}
	}
	if m.Network == "unix" {
		v.metricsSocket(m)
		return
	}
	host, _, _ := net.SplitHostPort(m.Address)
	v.host(m.At, "listen", host)
	if !l.loopback() {
		v.warn(m.At.Of("listen"), "listen on 127.0.0.1 or a unix socket, or let a firewall guard it",
			"metrics: whoever reaches %s can read them: there is no login and no TLS", l.Name())
	}
}

func (v *validator) metricsSocket(m *Metrics) {
	v.absolute(m.At, "listen", m.Address)
	if len(m.Address) > maxSocket {
		v.fail(m.At.Of("listen"), "choose a shorter one", "metrics: the path is longer than %d octets", maxSocket)
	}
	if m.Address == v.c.Socket {
		v.fail(m.At.Of("listen"), "choose another path", "metrics: that is the control socket")
	}
}
