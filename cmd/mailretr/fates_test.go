package main

import (
	"slices"
	"strings"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/store"
	"mailretr/store/mail"
)

// failing is an MTA that answers what the local part of a recipient says: "rcpt-550-5.1.1", "dot-554-5.6.0". At MAIL the
// sender says it.
func failing(t *testing.T) *relaytest.MTA {
	last := map[int]string{}
	return relaytest.New(t, relaytest.Script{
		Offers: []string{"8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 1000000"}, // no DSN: who asks for a report gets ours
		Answer: func(s relaytest.Step) relaytest.Answer {
			if s.Verb == "RCPT" {
				last[s.Conn] = s.Path.Local()
			}
			what := last[s.Conn]
			if s.Verb == "MAIL" {
				what = s.Path.Local()
			}
			words := strings.Split(what, "-")
			if len(words) == 3 && strings.EqualFold(words[0], s.Verb) {
				return relaytest.Answer{Reply: words[1] + " " + words[2] + " so it is"}
			}
			return relaytest.Answer{}
		},
	})
}

// Each row of the table of failures, with each policy, through the queue to an MTA that fails on order: nothing ends
// without somebody being told, but for what is discarded or what its sender does not want to hear of.
func TestFailureTable(t *testing.T) {
	h := newHome(t)
	mta := failing(t)
	h.to(`{smtp: "` + mta.Address() + `", connections: 1, policy: {"5.7.*": keep, 5.2.2: postmaster, 5.1.6: discard}}`)
	d := h.open()
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	const postmaster = "postmaster@kroon.co.za"
	rows := []struct {
		from, to mail.Path
		notify   string
		told     mail.Path // who gets a report
		holds    string    // of that report
		held     store.Hold
		waits    bool // it stays in the queue
	}{
		{"mail-552-5.3.4@s.example", "x@r.example", "", "mail-552-5.3.4@s.example", "Status: 5.3.4", 0, false},
		{"mail-451-4.3.0@s.example", "x@r.example", "", "", "", 0, true},
		{"a@s.example", "rcpt-550-5.1.1@r.example", "", "a@s.example", "Status: 5.1.1", 0, false},
		{"b@s.example", "rcpt-450-4.2.1@r.example", "", "", "", 0, true},
		{"c@s.example", "data-554-5.5.0@r.example", "", "c@s.example", "Status: 5.5.0", 0, false},
		{"d@s.example", "data-451-4.5.0@r.example", "", "", "", 0, true},
		{"e@s.example", "dot-554-5.6.0@r.example", "", "e@s.example", "Status: 5.6.0", 0, false},
		{"f@s.example", "dot-451-4.6.0@r.example", "", "", "", 0, true},
		{"g@s.example", "rcpt-550-5.7.1@r.example", "", "", "", store.HoldKept, true},
		{"h@s.example", "rcpt-552-5.2.2@r.example", "", postmaster, "Subject: a letter from h@s.example", 0, false},
		{"i@s.example", "rcpt-550-5.1.6@r.example", "", "", "", 0, false},
		{"j@s.example", "rcpt-550-5.1.1@r.example", "NEVER", "", "", 0, false},
		{"", "rcpt-550-5.1.1@r.example", "", postmaster, "Subject: A message that could be neither delivered nor returned", 0, false},
		{"k@s.example", "x@r.example", "SUCCESS", "k@s.example", "Action: relayed", 0, false},
		{"l@s.example", "x@r.example", "", "", "", 0, false},
	}
	for _, x := range rows {
		// A success before each: what is refused is believed then.
		for _, m := range []*mail.Message{
			{Envelope: envelopeTo("fine@r.example"), Content: mail.Text("Subject: fine\r\n\r\nx\r\n")},
			{Envelope: mail.Envelope{Reverse: x.from, Recipients: []mail.Recipient{{Forward: x.to, Notify: x.notify}}},
				Content: mail.Text("Subject: a letter from " + string(x.from) + "\r\n\r\nx\r\n")},
		} {
			if r := d.queue.Deliver(t.Context(), m); !r.Done(1) {
				t.Fatal(r)
			}
			if err := d.runner.Pass(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var told []relaytest.Mail
		for _, m := range mta.Mails() {
			about := strings.Contains(string(m.Data), "a letter from "+string(x.from)+"\r\n")
			if m.From.Null() && about && strings.Contains(string(m.Data), "multipart/report") {
				told = append(told, m)
			}
		}
		switch {
		case x.told == "" && len(told) > 0, x.told != "" && len(told) != 1:
			t.Errorf("%s to %s: %d reports", x.from, x.to, len(told))
		case x.told != "" && (told[0].To[0].Path != x.told || !strings.Contains(string(told[0].Data), x.holds)):
			t.Errorf("%s to %s: told %v\n%s", x.from, x.to, told[0].To, told[0].Data)
		}
		waits := slices.Collect(func(yield func(store.Record) bool) {
			for l := range d.queue.List(t.Context(), store.Filter{}) {
				if l.Record.Reverse == x.from && l.Record.Parent.Zero() {
					yield(l.Record)
				}
			}
		})
		if (len(waits) == 1) != x.waits || x.waits && waits[0].Hold != x.held {
			t.Errorf("%s to %s: %d records wait", x.from, x.to, len(waits))
		}
	}
}
