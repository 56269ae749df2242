package main

import "mailretr/store/mail"

// configured tells the status what there is.
func (h *house) configured() {
	c := h.config.Load()
	var drops, lanes []string
	accounts := map[mail.Account]bool{}
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		drops = append(drops, m.Name)
		accounts[mail.AccountOf(m.Protocol, m.Host, m.User)] = true
		if was, known := h.kept.Load(m.Name); !known || was != m.After {
			h.kept.Store(m.Name, m.After)
		}
	}
	for _, b := range c.Bad {
		drops = append(drops, b.Name)
	}
	for _, d := range c.Deliver {
		lanes = append(lanes, d.Name)
	}
	h.status.Keep(drops, lanes)
	h.around.tickets.Keep(accounts)
	h.unmet(c)
}
