package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"sync"

	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/relay/smtp"
	"mailretr/store/mail"
)

// hops keeps what the connections of each SMTP and LMTP destination know together, as long as the servers stay the same.
// A nil one shares nothing. Safe for concurrent use.
type hops struct {
	mu sync.Mutex
	by map[mail.Lane]*nextHop
}

type nextHop struct {
	servers [32]byte // a hash of them
	shared  *smtp.Shared
}

func (h *hops) of(d *conf.Destination, l mail.Lane) *smtp.Shared {
	if h == nil {
		return &smtp.Shared{}
	}
	b, err := json.Marshal(struct {
		Endpoints []conf.Endpoint
		TLS       conf.TLS
	}{d.Endpoints(), d.TLS})
	if err != nil {
		panic("conf: " + err.Error()) // plain data can be marshalled
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.by[l]
	if sum := sha256.Sum256(b); x == nil || x.servers != sum {
		if h.by == nil {
			h.by = map[mail.Lane]*nextHop{}
		}
		x = &nextHop{sum, &smtp.Shared{}}
		h.by[l] = x
	}
	return x.shared
}

// client reads from the header of a message who handed it to the provider. Of one that was not collected, or cannot be
// read, nobody knows; then nothing is told.
func (h *house) client(ctx context.Context, m *mail.Message) mail.Client {
	d := h.maildrop(m.Origin.Maildrop)
	if d == nil || d.Client == nil {
		return mail.Client{}
	}
	header, err := m.Content.Header(ctx)
	if err != nil {
		return mail.Client{} // delivering meets the same error, and says it
	}
	return fetch.Border{By: d.Client.By, Through: d.Client.Through}.Client(header, h.config.Load().Hostname)
}

// placesOf says to people where a destination is.
func placesOf(d *conf.Destination) string {
	if d.Kind == "command" {
		return cmp.Or(d.Local.Preset, strings.Join(d.Command, " "))
	}
	if d.Kind != "smtp" && d.Kind != "lmtp" {
		return d.Address
	}
	var all []string
	for _, e := range d.Endpoints() {
		all = append(all, strings.TrimPrefix(e.String(), "unix:"))
	}
	return strings.Join(all, ", ")
}
