package main

import (
	"strings"

	"mailretr/conf"
	"mailretr/conf/fetchmailrc"
	"mailretr/conf/sql"
	"mailretr/store/mail"
)

// What the rows of panels say in the words of other programs.

// optionsOf knows the words of the column options of a source: those of a run control file of fetchmail, but for mailcow.
func optionsOf(s *conf.Source) func(string, *conf.Maildrop) []string {
	if s.SQL != nil && s.SQL.Preset == "mailcow" {
		return sql.Imapsync
	}
	return fetchmailrc.Options
}

// topicRow is the topic of what a row asks for and is not done.
const topicRow = "row"

// unmet makes the status of maildrops say what their rows ask for and is not done. It is for one goroutine at a time.
func (h *house) unmet(c *conf.Config) {
	if h.said == nil { // an earlier life may have said something
		h.said = map[string]string{}
		for _, s := range h.status.List() {
			for _, r := range s.Remarks {
				if r.Topic == topicRow {
					h.said[s.Maildrop] = r.Text
				}
			}
		}
	}
	now := map[string]string{}
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		if len(m.Unmet) == 0 {
			continue
		}
		now[m.Name] = mail.Printable("Options of its row that are not followed: "+strings.Join(m.Unmet, "; ")+".", 512)
		if h.said[m.Name] != now[m.Name] {
			h.remarkRow(m.Name, now[m.Name])
		}
	}
	for name := range h.said {
		if now[name] == "" {
			h.remarkRow(name, "")
		}
	}
	h.said = now
}

func (h *house) remarkRow(maildrop, text string) {
	h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpRemark, Topic: topicRow, Text: text,
		Origin: mail.Origin{Maildrop: maildrop}})
}
