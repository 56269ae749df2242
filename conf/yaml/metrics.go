package yaml

import (
	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// meters is the table of what a monitoring system can read.
var meters = []option[conf.Metrics]{
	{
		key: "listen", off: true, example: "127.0.0.1:9977",
		doc: "host:port, or unix:/path, where /metrics (Prometheus), /healthz and /readyz answer. There is no login: " +
			"choose a place that only your monitoring reaches. Without it: none. A change needs a restart.",
		read: func(d *decoder, n *yaml.Node, m *conf.Metrics) {
			s := d.text(n, "listen")
			if s == "" {
				return
			}
			if err := m.SetListen(s); err != nil {
				d.fail(n, `write "127.0.0.1:9977" or "unix:/path"`, "listen: %v", err)
			}
			if m.Network == "unix" {
				m.Address = d.absolute(m.Address)
			}
		},
		show: func(_ shower, m *conf.Metrics) *yaml.Node {
			if !m.On() {
				return nil
			}
			return scalar(m.Name())
		},
	},
	truth("per_maildrop", "Series for each maildrop, with its name as a label; for 1000 maildrops at most.", "false",
		func(m *conf.Metrics) *bool { return &m.PerMaildrop }).rare(),
}
