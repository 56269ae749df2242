package relay

import (
	"context"
	"strings"
	"testing"

	"mailretr/store/mail"
)

func TestHeadersFirst(t *testing.T) {
	failed := mail.Result{Outcome: mail.Failed, Reply: "550 no such user"}
	later := mail.Result{Reply: "451 greylisted"}
	judged := mail.Result{Outcome: mail.Failed, Enhanced: "5.7.1", Reply: "550 5.7.1 SPF"}
	away := mail.Result{Scope: mail.OfLane}
	yes := mail.Result{Outcome: mail.Delivered}
	for _, c := range []struct {
		name                    string
		answer                  mail.Result
		mute, noAside, mayLeave bool
		queued, refused, aside  int
		upstream                int
	}{
		{name: "accepted is fetched", answer: yes, queued: 1},
		{name: "refused is never fetched", answer: failed, refused: 1},
		{name: "MTA away is fetched", answer: away, queued: 1},
		{name: "nobody answered is fetched", answer: mail.Result{}, mayLeave: true, queued: 1},
		{name: "deferred stays", answer: later, mayLeave: true, aside: 1, upstream: 1},
		{name: "deferred too often is fetched", answer: later, aside: 1, queued: 1},
		{name: "deferred without notes is fetched", answer: later, noAside: true, queued: 1},
		{name: "judged by our address stays", answer: judged, mayLeave: true, aside: 1, upstream: 1},
		{name: "judged too long is refused", answer: judged, aside: 1, refused: 1},
		{name: "refused and mute stays", answer: failed, mute: true, mayLeave: true, aside: 1, upstream: 1},
		{name: "refused, mute, may not stay", answer: failed, mute: true, aside: 1, queued: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := newStock(letter("small", 100), letter("big", 5000)), newTray()
			to.mute = c.mute
			asides := 0
			h := &HeadersFirst{To: to, Ask: asker{"u2": c.answer}, Above: 1000}
			if !c.noAside {
				h.Aside = func(context.Context, *mail.Message, Reason, mail.Report) (bool, error) {
					asides++
					return c.mayLeave, nil
				}
			}
			n, err := (&Transfer{From: from, To: h, Above: 1000}).Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			_, got := to.got["u2"]
			equal(t, "queued", got, c.queued == 1)
			equal(t, "refused", len(to.refused), c.refused)
			equal(t, "aside", asides, c.aside)
			equal(t, "upstream", len(from.held), c.upstream)
			equal(t, "small one queued", to.got["u1"] != "", true)
			opened := strings.Contains(strings.Join(from.log, " "), "open u2")
			equal(t, "body asked for", opened, c.queued == 1)
			equal(t, "saved", n.Saved > 0, c.refused == 1)
		})
	}
}

func TestHeadersFirstMixedIsFetchedOnce(t *testing.T) {
	from, to := newStock(letter("big", 5000)), newTray()
	mixed := probeFunc(func(m *mail.Message) mail.Report {
		return mail.Report{{Outcome: mail.Failed, Reply: "550"}, {Outcome: mail.Delivered}}
	})
	two := func(_ context.Context, m *mail.Message) error {
		m.Envelope.Recipients = []mail.Recipient{{Forward: "a@b.example"}, {Forward: "c@d.example"}}
		return nil
	}
	h := &HeadersFirst{To: to, Ask: mixed, Above: 1000}
	if _, err := (&Transfer{From: from, To: h, Above: 1000, Resolve: two}).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	equal(t, "queued", len(to.got), 1)
	equal(t, "refused", len(to.refused), 0)
}

type probeFunc func(*mail.Message) mail.Report

func (f probeFunc) Probe(_ context.Context, m *mail.Message) mail.Report { return f(m) }

// Where headers come first for very large messages only, those of middle size do not make short ones wait.
func TestHeadersFirstShortBeforeMiddle(t *testing.T) {
	from, to := newStock(letter("large", 300<<10), letter("middle", 100<<10), letter("short", 20<<10), letter("brief", 100)),
		newTray()
	h := &HeadersFirst{To: to, Ask: asker{}, Above: 256 << 10}
	if _, err := (&Transfer{From: from, To: h, Above: 256 << 10}).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	var opened []string
	for _, step := range strings.Split(strings.Join(from.log, " "), "open ")[1:] {
		opened = append(opened, strings.Fields(step)[0])
	}
	equal(t, "order", strings.Join(opened, " "), "u3 u4 u2 u1")
}
