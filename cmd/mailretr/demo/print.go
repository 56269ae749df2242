package demo

import (
	"fmt"
	"strings"

	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
)

// Intro says what is about to be seen.
func (s *Stage) Intro(o *term.Out) {
	title(o, "mailretr demo: mail on its way from a provider to your own mail server (MTA)")
	o.Printf("Everything runs inside this process and on loopback: no configuration, nothing to install.\n" +
		"Two servers play the provider, one plays your MTA. What lies between is the code of\n" +
		"`mailretr serve`, except that it tries again after half a second instead of minutes.\n\n")
	for _, d := range s.Drops {
		what := "with a Zip"
		if d.large.to == moved {
			what = "for somebody unknown here"
		}
		o.Printf("  %-14s at the provider: %d small messages, and one of %s %s\n",
			d.title(), small, term.Size(int64(len(d.large.octets))), what)
	}
	o.Printf("  %-14s takes mail for %s, but says 451 (try later) to the Zip %d times,\n", "MTA", Domain,
		s.Deferrals)
	o.Printf("  %-14s and 550 (no) to the recipient %s\n\n", "", moved)
}

// Print writes what was shown as a bill, the bounce, and whether it is what was promised.
func (v *Summary) Print(o *term.Out) {
	o.Printf("\n")
	title(o, "What crossed the line, counted at the provider's end, commands and replies included")
	o.Printf("  %s\n", o.Paint(term.Bold, fmt.Sprintf("%-14s %8s  %8s  %9s  %15s  %8s",
		"maildrop", "messages", "sessions", "mailretr", "without a queue", "saved")))
	messages, sessions := 0, 0
	for _, b := range v.Maildrops {
		row(o, b.Name+" ("+strings.ToUpper(b.Protocol)+")", b.Messages, b.Sessions, b.Line, b.Without, b.Saved)
		messages, sessions = messages+b.Messages, sessions+b.Sessions
	}
	row(o, "together", messages, sessions, v.Line, v.Without, v.Saved)
	o.Printf("\n" +
		"\"Without a queue\" adds what a retriever pays that keeps no mail of its own, in as many sessions:\n")
	for _, b := range v.Maildrops {
		b.why(o)
	}
	v.bounce(o)
	v.verdict(o)
}

func row(o *term.Out, name string, messages, sessions int, line, without, saved int64) {
	o.Printf("  %-14s %8d  %8d  %9s  %15s  %8s\n", name, messages, sessions,
		term.Size(line), term.Size(without), term.Size(saved))
}

func title(o *term.Out, text string) { o.Printf("%s\n\n", o.Paint(term.Bold, text)) }

// why says how the price without a queue was computed.
func (b *Bill) why(o *term.Out) {
	text := "the body with the Zip, again for each 451"
	if b.Refused {
		text = "the refused body, in each session since: POP3 cannot stop within it"
	}
	o.Printf("  %-14s %d × %s, %s\n", b.Name, b.Again, term.Size(b.Body), text)
}

func (v *Summary) bounce(o *term.Out) {
	if v.Bounce == nil {
		return
	}
	o.Printf("\n")
	title(o, "The bounce, as the sender sees it: from an address of yours that exists")
	b := v.Bounce
	text := fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\n\n%s", b.From, b.To, b.Subject, b.Text)
	for l := range strings.Lines(text) {
		o.Printf("  | %s\n", mail.Printable(strings.TrimRight(l, "\r\n"), 200))
	}
}

func (v *Summary) verdict(o *term.Out) {
	o.Printf("\n")
	if v.OK {
		o.Printf("%s %d messages reached the MTA, each once and octet for octet. The body that was\n"+
			"deferred crossed the line once, the one that was refused never. The maildrops are empty.\n"+
			"It took %.1f seconds.\n",
			o.Paint(term.Green, "As promised:"), v.Delivered, v.Seconds)
		return
	}
	o.Printf("%s\n", o.Paint(term.Red, "Not as promised:"))
	for _, f := range v.Failures {
		o.Printf("  %s\n", mail.Printable(f, 300))
	}
}
