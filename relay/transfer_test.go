package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

func TestTransferMovesEverythingOnce(t *testing.T) {
	from, to := newStock(letter("1", 300), letter("2", 100), letter("3", 200)), newTray()
	var gone []mail.UID
	x := Transfer{From: from, To: to,
		Choose: func(_ context.Context, uids []mail.UID, complete bool) (mail.Choice, error) {
			return mail.Choice{Fetch: uids}, nil
		},
		Gone: func(_ context.Context, u []mail.UID) error { gone = u; return nil },
	}
	n, err := x.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "messages", n.Messages, 3)
	equal(t, "left upstream", len(from.held), 0)
	equal(t, "gone", len(gone), 3)
	// Without a threshold small goes before large, announced once for the whole session.
	equal(t, "log", strings.Join(from.log, " "),
		"ahead 1 u2,u3,u1 open u2 open u3 open u1 settle u2 true settle u3 true settle u1 true close")
	equal(t, "commits", to.commits, []int{3})
}

func TestTransferCutKeepsWhatWasWhole(t *testing.T) {
	from, to := newStock(letter("1", 100), letter("2", 200), letter("3", 300)), newTray()
	from.cutAt = "u3"
	n, err := (&Transfer{From: from, To: to}).Run(context.Background())
	var trouble *mail.Trouble
	if !errors.As(err, &trouble) {
		t.Fatalf("error is %v", err)
	}
	equal(t, "at", n.At, "u3")
	equal(t, "progress", n.Progress, true)
	equal(t, "queued", len(to.got), 2)
	equal(t, "upstream", len(from.held), 3) // nothing counts: the marks make the next session release them
}

func TestTransferOneBadMessageStopsNobody(t *testing.T) {
	from, to := newStock(letter("1", 100), letter("2", 200), letter("3", 300)), newTray()
	from.badAlone = "u2"
	var faults []mail.UID
	x := Transfer{From: from, To: to, Fault: func(_ context.Context, m *mail.Message, _ error) {
		faults = append(faults, m.Origin.UID)
	}}
	n, err := x.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "faults", faults, "[u2]")
	equal(t, "messages", n.Messages, 2)
	equal(t, "left", n.Left, 1)
	if _, ok := from.held["u2"]; !ok || len(from.held) != 1 {
		t.Errorf("upstream: %v", from.held)
	}
}

func TestTransferReadsOnWhileABatchIsCommitted(t *testing.T) {
	bodies := make([]string, 2*BatchMessages+10)
	for i := range bodies {
		bodies[i] = letter("n", 100)
	}
	from, to := newStock(bodies...), newTray()
	to.block = make(chan struct{})
	done := make(chan error)
	go func() {
		_, err := (&Transfer{From: from, To: to}).Run(context.Background())
		done <- err
	}()
	to.block <- struct{}{} // the first batch was full; the loop has gone on reading meanwhile
	close(to.block)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	equal(t, "commits", slices.Sorted(slices.Values(to.commits)), []int{10, BatchMessages, BatchMessages}) // the last two at once
	// At least the second batch was opened before the first was settled.
	firstSettle, opened := -1, 0
	for i, line := range from.log {
		if firstSettle < 0 && strings.HasPrefix(line, "settle") {
			firstSettle = i
		}
		if firstSettle < 0 && strings.HasPrefix(line, "open") {
			opened++
		}
	}
	if opened <= BatchMessages {
		t.Errorf("%d messages were opened before the first was settled: the line waits for the disk", opened)
	}
	equal(t, "upstream", len(from.held), 0)
}

// The disk is slow: what was read last is being made durable while the batch before it still is.
func TestTransferEndsWithTwoCommitsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := newStock(letter("1", 100), letter("2", 100), letter("3", 100)), newTray()
		to.block = make(chan struct{})
		done := make(chan error)
		go func() {
			_, err := (&Transfer{From: from, To: to, Messages: 2}).Run(t.Context())
			done <- err
		}()
		synctest.Wait()
		if n := to.begun.Load(); n != 2 {
			t.Errorf("%d commits were begun before the first was done", n)
		}
		if len(from.held) != 3 {
			t.Errorf("upstream, before anything is durable: %v", from.held)
		}
		close(to.block)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		equal(t, "upstream", len(from.held), 0)
	})
}

func TestTransferCommitsAsMuchAsItIsTold(t *testing.T) {
	for want, x := range map[string]Transfer{"[3 3 3 1]": {Messages: 3}, "[4 4 2]": {Octets: 400}, "[10]": {}} {
		var bodies []string
		for range 10 {
			bodies = append(bodies, letter("n", 100))
		}
		to := newTray()
		x.From, x.To = newStock(bodies...), to
		if _, err := x.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		slices.Sort(to.commits) // the last two are under way at once
		slices.Reverse(to.commits)
		equal(t, "commits", fmt.Sprint(to.commits), want)
	}
}

func TestTransferReleasesOnlyAfterALaterCommit(t *testing.T) {
	from := newStock(letter("1", 100))
	var order []string
	x := Transfer{From: from, To: newTray(),
		Choose: func(_ context.Context, uids []mail.UID, _ bool) (mail.Choice, error) {
			return mail.Choice{Release: uids}, nil
		},
		Confirm: func(context.Context) error { order = append(order, "confirm"); return nil },
	}
	if _, err := x.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	order = append(order, from.log...)
	equal(t, "order", strings.Join(order, " "), "confirm release u1 close")

	from = newStock(letter("1", 100))
	x.From, x.Confirm = from, func(context.Context) error { return errors.New("disk is gone") }
	if _, err := x.Run(context.Background()); err == nil {
		t.Error("a failed confirmation passed")
	}
	equal(t, "log", strings.Join(from.log, " "), "close")
}

func TestTransferKeepsWhatNobodyTook(t *testing.T) {
	for name, report := range map[string]mail.Report{
		"short":    nil,
		"deferred": {{}},
		"failed":   {{Outcome: mail.Failed}},
	} {
		t.Run(name, func(t *testing.T) {
			from := newStock(letter("1", 100))
			to := deliverFunc(func(context.Context, *mail.Message) mail.Report { return report })
			if _, err := (&Transfer{From: from, To: to}).Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			equal(t, "upstream", len(from.held), 1)
		})
	}
}

func TestTransferPanicIsADeferral(t *testing.T) {
	from := newStock(letter("1", 100), letter("2", 100))
	calls := 0
	to := deliverFunc(func(context.Context, *mail.Message) mail.Report {
		if calls++; calls == 1 {
			panic("poison")
		}
		return mail.Report{{Outcome: mail.Delivered}}
	})
	if _, err := (&Transfer{From: from, To: to}).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	equal(t, "upstream", len(from.held), 1)
}

func TestTransferSickLaneEnds(t *testing.T) {
	from := newStock(letter("1", 100), letter("2", 100))
	calls := 0
	to := deliverFunc(func(context.Context, *mail.Message) mail.Report {
		calls++
		return mail.Report{{Scope: mail.OfLane, Reply: "421 go away"}}
	})
	_, err := (&Transfer{From: from, To: to}).Run(context.Background())
	if sickness(err) == nil {
		t.Fatalf("error is %v", err)
	}
	equal(t, "attempts", calls, 1)
	equal(t, "upstream", len(from.held), 2)
}

// TestLingerEndsAfterGrace: an attempt outlives the stop by grace and no longer.
func TestLingerEndsAfterGrace(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	longer, done := linger(ctx, time.Hour)
	stop()
	if longer.Err() != nil {
		t.Error("the attempt was cut at the stop")
	}
	done()
	if longer.Err() == nil {
		t.Error("the attempt's context outlives it")
	}
	ctx, stop = context.WithCancel(context.Background())
	stop()
	longer, done = linger(ctx, time.Nanosecond)
	defer done()
	<-longer.Done()
}

type deliverFunc func(context.Context, *mail.Message) mail.Report

func (f deliverFunc) Deliver(ctx context.Context, m *mail.Message) mail.Report { return f(ctx, m) }

func TestTransferLooksAtHeadersWhereUIDsProveNothing(t *testing.T) {
	from, to := newStock(letter("1", 300), letter("2", 100), letter("3", 200)), newTray()
	var asked []mail.UID
	x := Transfer{From: from, To: to,
		Choose: func(_ context.Context, uids []mail.UID, _ bool) (mail.Choice, error) {
			return mail.Choice{Fetch: uids, Check: []mail.UID{"u1", "u3"}}, nil
		},
		Known: func(_ context.Context, all []*mail.Message) (known, release []mail.UID, err error) {
			for _, m := range all {
				asked = append(asked, m.Origin.UID)
			}
			return []mail.UID{"u1"}, []mail.UID{"u1"}, nil
		},
	}
	n, err := x.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "asked about", asked, "[u3 u1]")
	equal(t, "known", n.Known, 1)
	equal(t, "forgotten", from.forgot, "[u1]")
	equal(t, "queued", len(to.got), 2)
	equal(t, "the last that was done", from.log[len(from.log)-2:], "[release u1 close]")
	for _, line := range from.log {
		if line == "open u1" {
			t.Error("the body of a message that was here before crossed the line")
		}
	}
}
