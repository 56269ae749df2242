package control

import (
	"strings"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

func TestMarks(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		ctx := t.Context()
		put(t, h, "u1", "a@example.org", "jaco@kroon.co.za")
		put(t, h, "u2", "a@example.org", "jaco@kroon.co.za")
		account := mail.AccountOf("pop3", "mail.isp.example", "jaco")
		if _, err := h.Queue.Aside(ctx, store.Aside{Account: account, UID: "u3", Maildrop: "jaco", Why: "no recipient"}); err != nil {
			t.Fatal(err)
		}
		list := all(t, c.Marks(ctx, SeenRequest{Maildrop: "jaco"}))
		if len(list) != 3 || list[0].Mark != "aside" || list[0].Why != "no recipient" || list[1].Mark != "taken" || list[1].Day == "" {
			t.Fatalf("%+v", list)
		}
		if n := len(all(t, c.Marks(ctx, SeenRequest{Maildrop: string(account)}))); n != 3 {
			t.Errorf("by account: %d", n)
		}
		forget := func(want int, q SeenRequest) {
			t.Helper()
			q.Maildrop = "jaco"
			if n, err := c.Seen(ctx, Forget, q); n != want || err != nil {
				t.Errorf("%d %v", n, err)
			}
		}
		if _, err := c.Seen(ctx, Forget, SeenRequest{Maildrop: "jaco"}); codeOf(err) != Usage {
			t.Errorf("nothing meant: %v", err)
		}
		if _, err := c.Seen(ctx, Forget, SeenRequest{Maildrop: "jaco", UIDs: []string{"odd"}}); codeOf(err) != NotFound {
			t.Errorf("unknown: %v", err)
		}
		forget(3, SeenRequest{All: true, DryRun: true})
		forget(2, SeenRequest{UIDs: []string{"u1", "u3"}})                           // by the server's name
		forget(1, SeenRequest{UIDs: []string{markLeft(t, c, "jaco")}, DryRun: true}) // by what the list shows
		forget(1, SeenRequest{All: true})
		if left := all(t, c.Marks(ctx, SeenRequest{Maildrop: "jaco"})); len(left) != 0 {
			t.Errorf("%+v", left)
		}
		for _, v := range []SeenVerb{Accept, Adopt} {
			if _, err := c.Seen(ctx, v, SeenRequest{Maildrop: "jaco", DryRun: true}); err != nil {
				t.Errorf("%s: %v", v, err)
			}
		}
		if _, err := c.Seen(ctx, Accept, SeenRequest{Maildrop: "jaco"}); err != nil {
			t.Error(err)
		}
	})
}

func markLeft(t *testing.T, c *Client, maildrop string) string {
	t.Helper()
	left := all(t, c.Marks(t.Context(), SeenRequest{Maildrop: maildrop}))
	if len(left) != 1 || !strings.HasPrefix(left[0].UID, "#") && left[0].UID != "u2" {
		t.Fatalf("%+v", left)
	}
	return left[0].UID
}

func TestPauseAndPoll(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		list := all(t, c.Poll(t.Context(), PollRequest{Maildrops: []string{"jaco", "odd"}}))
		end := list[len(list)-2:]
		if !end[0].Done || end[0].Kind != "unreachable" || end[0].Hint != "wait" || !strings.Contains(end[0].Error, "refused") ||
			end[1].Kind != "unknown" {
			t.Errorf("%+v", end)
		}
		if err := c.Pause(t.Context(), "jaco"); err != nil {
			t.Fatal(err)
		}
		if list = all(t, c.Poll(t.Context(), PollRequest{Maildrops: []string{"jaco"}})); list[0].Kind != "paused" || list[0].Hint != "to collect from it again: mailretr maildrop resume jaco" {
			t.Errorf("%+v", list)
		}
		if err := c.Resume(t.Context(), "jaco"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPollTellsProgress(t *testing.T) {
	p := &polling{only: []string{"jaco"}, steps: map[string]*Polled{}, dirty: map[string]bool{}}
	at := mail.Origin{Maildrop: "jaco"}
	for _, e := range []mail.Event{
		{Op: mail.OpList, Origin: at, Messages: 3, Octets: 3000},
		{Op: mail.OpQueue, Origin: at, Octets: 1000},
		{Op: mail.OpQueue, Origin: mail.Origin{Maildrop: "other"}, Octets: 1000},
		{Op: mail.OpDeliver, Origin: at},
		{Op: mail.OpQueue, Origin: at, Octets: 1000},
	} {
		p.observe(e)
	}
	if s := p.steps["jaco"]; s.Messages != 2 || s.Of != 3 || s.Octets != 2000 || s.Total != 3000 || s.Doing != "queueing" || len(p.steps) != 1 {
		t.Errorf("%+v", s)
	}
}
