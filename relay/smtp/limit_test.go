package smtp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// rounds delivers as the queue does: those who were not asked come again at once. It returns how many were delivered in
// each round.
func rounds(t *testing.T, c *Client, to []mail.Recipient) (counts []int) {
	t.Helper()
	for len(to) > 0 && len(counts) < 20 {
		m := message()
		m.Envelope.Recipients = to
		var again []mail.Recipient
		for i, r := range c.Deliver(t.Context(), m) {
			switch {
			case r.Scope == mail.OfSession:
				again = append(again, to[i])
			case r.Outcome != mail.Delivered:
				t.Fatalf("%v: %+v", to[i].Forward, r)
			}
		}
		counts = append(counts, len(to)-len(again))
		to = again
	}
	return counts
}

func crowd(n int) (to []mail.Recipient) {
	for i := range n {
		to = append(to, mail.Recipient{Forward: mail.Path(fmt.Sprintf("u%d@d%d.example", i, i%2))})
	}
	return to
}

func TestLimit_Recipients(t *testing.T) {
	tooMany := func(s relaytest.Step) relaytest.Answer {
		if s.Verb == "RCPT" && s.Rcpt >= 4 {
			return relaytest.Answer{Reply: "452 4.5.3 Too many recipients"}
		}
		return relaytest.Answer{}
	}
	for name, x := range map[string]struct {
		offers []string
		answer func(relaytest.Step) relaytest.Answer
		most   int
		want   []int
	}{
		"none":          {nil, nil, 0, []int{10}},
		"configured":    {nil, nil, 3, []int{3, 3, 3, 1}},
		"RCPTMAX":       {[]string{"LIMITS MAILMAX=9 RCPTMAX=4"}, nil, 0, []int{4, 4, 2}},
		"RCPTDOMAINMAX": {[]string{"LIMITS RCPTDOMAINMAX=1"}, nil, 0, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
		"nonsense":      {[]string{"LIMITS RCPTMAX=0 RCPTMAX=-1 =x RCPTMAX=99999999999 RCPTDOMAINMAX=x"}, nil, 0, []int{10}},
		"said":          {[]string{"SIZE"}, tooMany, 0, []int{4, 4, 2}},
		"said, in step": {[]string{"PIPELINING"}, tooMany, 0, []int{4, 4, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			mta := relaytest.New(t, relaytest.Script{Offers: x.offers, Answer: x.answer})
			c := client(t, func(o *Options) { o.Recipients = x.most }, mta)
			if got := rounds(t, c, crowd(10)); !slices.Equal(got, x.want) {
				t.Errorf("delivered by round: %v, want %v", got, x.want)
			}
			if x.answer == nil {
				return
			}
			asked := 0
			for _, l := range mta.Lines() {
				if strings.Contains(l, "RCPT") {
					asked++
				}
			}
			if most := 10 + 6; asked > most { // the limit is found out once, and not in each transaction
				t.Errorf("%d RCPT", asked)
			}
		})
	}
}

// Those behind the limit are asked at once where nobody before it was accepted: they are not to wait behind recipients
// who are deferred for days.
func TestLimit_NobodyWaitsBehindTheDeferred(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Offers: []string{"PIPELINING", "LIMITS RCPTMAX=2"},
		Answer: func(s relaytest.Step) relaytest.Answer {
			if s.Verb == "RCPT" && !strings.HasPrefix(string(s.Path), "good") {
				return relaytest.Answer{Reply: "450 4.2.0 greylisted"}
			}
			return relaytest.Answer{}
		}})
	c := client(t, nil, mta)
	r := c.Deliver(t.Context(), message("a@y.example", "b@y.example", "c@y.example", "good@y.example", "d@y.example"))
	for i, want := range []mail.Outcome{mail.Deferred, mail.Deferred, mail.Deferred, mail.Delivered, mail.Deferred} {
		if r[i].Outcome != want || (r[i].Scope == mail.OfSession) != (i == 4) {
			t.Errorf("%d: %+v", i, r[i])
		}
	}
	if c.Close(); mta.Connections() != 1 || len(mta.Mails()) != 1 {
		t.Errorf("%d connections, %d messages", mta.Connections(), len(mta.Mails()))
	}
}

// Postfix ends a connection after twenty errors, and each recipient beyond its limit is one when they were sent ahead.
func TestLimit_TooManyErrors(t *testing.T) {
	errors := 0
	mta := relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb != "RCPT" || s.Rcpt < 10 {
			return relaytest.Answer{}
		}
		if errors++; errors > 20 {
			return relaytest.Answer{Reply: "421 4.7.0 Error: too many errors", Cut: true}
		}
		return relaytest.Answer{Reply: "452 4.5.3 Error: too many recipients"}
	}})
	if got := rounds(t, client(t, nil, mta), crowd(35)); !slices.Equal(got, []int{10, 10, 10, 5}) {
		t.Errorf("delivered by round: %v", got)
	}
	if n := mta.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestLimit_MessagesOfOneConnection(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Offers: []string{"LIMITS MAILMAX=3"}})
	c := client(t, nil, mta)
	for range 7 {
		if r := one(t, c.Deliver(t.Context(), message("x@y.example"))); r.Outcome != mail.Delivered {
			t.Fatal(r)
		}
	}
	if n := mta.Connections(); n != 3 {
		t.Errorf("%d connections", n)
	}
}
