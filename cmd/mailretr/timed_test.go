package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/cmd/mailretr/metrics"
	"mailretr/fetch/budget"
	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// stuckEngine commits when it is let.
type stuckEngine struct {
	store.Engine
	let chan error
}

func (e stuckEngine) Commit(context.Context, *store.Batch) error { return <-e.let }

type slowDeliverer struct{}

func (slowDeliverer) Deliver(context.Context, *mail.Message) mail.Report {
	time.Sleep(3 * time.Second) // of a clock that is not real
	return mail.Report{{Outcome: mail.Delivered}}
}

// Commits and attempts are timed, and a commit that does not end is known while it lasts.
func TestStopwatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		house := metrics.House{Version: "1", Now: time.Now, PerMaildrop: func() int { return 0 },
			Totals:    func(context.Context) (store.Totals, error) { return store.Totals{}, nil },
			Maildrops: func() []status.Status { return nil }, Lanes: func() []status.Lane { return nil },
			Line: func() *budget.Sheet { return nil }}
		w := &stopwatch{meter: metrics.New(house), now: time.Now}
		let := make(chan error)
		e := w.engine(stuckEngine{let: let})
		for range 2 {
			go e.Commit(t.Context(), &store.Batch{})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if got := w.writing(); got != 2*time.Second {
			t.Error(got)
		}
		let <- errors.New("no")
		let <- nil
		synctest.Wait()
		if got := w.writing(); got != 0 {
			t.Error(got)
		}
		if r := w.deliverer("smtp", slowDeliverer{}).Deliver(t.Context(), nil); !r.Done(1) {
			t.Error(r)
		}
		if to := (*stopwatch)(nil).deliverer("smtp", slowDeliverer{}); to != (slowDeliverer{}) {
			t.Error("no watch, and something around it")
		}
		r := httptest.NewRecorder()
		(&metrics.Server{Meter: w.meter, House: house}).Handler().ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for _, want := range []string{`mailretr_store_commit_duration_seconds_sum{result="ok"} `,
			`mailretr_store_commit_duration_seconds_count{result="error"} 1`,
			`mailretr_delivery_duration_seconds_sum{kind="smtp",result="delivered"} 3`} {
			if !strings.Contains(r.Body.String(), "\n"+want) {
				t.Errorf("no %s", want)
			}
		}
	})
}
