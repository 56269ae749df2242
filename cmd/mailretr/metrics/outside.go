package metrics

import (
	"time"

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

// A Mirror is a place in the database of a source into which the status of maildrops is written.
type Mirror struct {
	Source, Kind string // Kind: status or write_back, the key that asks for it
	Up           bool
	Pending      int       // maildrops that have changed
	Written      int       // maildrops, since it is configured as it is
	Errors       int       // times, as Written
	Success      time.Time // when it was last as it should be
}

// A Webhook is how it fares that is told of maildrops in trouble. The counts begin with the daemon.
type Webhook struct {
	Up      bool
	Pending int // what it is to be told
	// Times that it was told something: it took that, it answered otherwise, it was not reached.
	Taken, Refused, Failed int
	Dropped                int // what it was never told
}

// mirrors says of each mirror whether it is written.
func (s *state) mirrors() {
	if s.Mirrors == nil {
		return
	}
	for _, x := range s.Mirrors() {
		labels := []string{text(x.Source), text(x.Kind)}
		s.put("mailretr_mirror_up", one(x.Up), labels...)
		s.put("mailretr_mirror_pending_maildrops", float64(x.Pending), labels...)
		s.put("mailretr_mirror_written_total", float64(x.Written), labels...)
		s.put("mailretr_mirror_errors_total", float64(x.Errors), labels...)
		if !x.Success.IsZero() {
			s.put("mailretr_mirror_last_success_timestamp_seconds", float64(x.Success.Unix()), labels...)
		}
	}
}

// webhook says whether the webhook is told.
func (s *state) webhook() {
	if s.Webhook == nil {
		return
	}
	x := s.Webhook()
	if x == nil {
		return
	}
	s.put("mailretr_webhook_up", one(x.Up))
	s.put("mailretr_webhook_pending_messages", float64(x.Pending))
	s.put("mailretr_webhook_posts_total", float64(x.Taken), "ok")
	s.put("mailretr_webhook_posts_total", float64(x.Refused), "refused")
	s.put("mailretr_webhook_posts_total", float64(x.Failed), "error")
	s.put("mailretr_webhook_dropped_total", float64(x.Dropped))
}
