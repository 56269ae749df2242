package metrics

import (
	"mailretr/conf/source"
	"mailretr/relay/smtpd"
)

// A Listener is how clients fare that bring mail there.
type Listener struct {
	Name string // its address, as the configuration has it
	smtpd.Stats
}

// listeners has the counts of the listeners, which begin anew when one is configured anew.
func (s *state) listeners() {
	if s.Listeners == nil {
		return
	}
	for _, l := range s.Listeners() {
		name := text(l.Name)
		s.put("mailretr_listener_connections", float64(l.Now), name)
		s.put("mailretr_listener_connections_total", float64(l.Total), name)
		s.put("mailretr_listener_messages_total", float64(l.Messages), name)
		s.put("mailretr_listener_refused_total", float64(l.Refused), name)
		s.put("mailretr_listener_logins_denied_total", float64(l.Denied), name)
	}
}

// sources says of each source of maildrops whether it answers; the last good set is in use in any case.
func (s *state) sources() {
	if s.Sources == nil {
		return
	}
	for _, x := range s.Sources() {
		s.put("mailretr_source_up", one(well(x)), text(x.Name))
		s.put("mailretr_source_maildrops", float64(x.Rows), text(x.Name))
		if !x.Read.IsZero() {
			s.put("mailretr_source_last_success_timestamp_seconds", float64(x.Read.Unix()), text(x.Name))
		}
	}
}

func well(x source.State) bool { return x.Wrong == "" }
