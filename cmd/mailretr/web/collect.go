package web

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/store/mail"
)

// runs are the maildrops that are being collected because somebody said so on a page, or were lately. The zero value is
// ready; safe for concurrent use.
type runs struct {
	mu   sync.Mutex
	all  map[string]*run
	busy int
	work sync.WaitGroup
}

// A run is one of them.
type run struct {
	by           string // who has said so
	began, ended time.Time
	last         control.Polled
	err          *control.Error
	done         bool
}

const (
	// maxRuns bounds what goes on at once; the sessions themselves are bounded by limits.sessions.
	maxRuns = 64
	// perOwner bounds those of one owner: sessions that others are waiting for are not his alone.
	perOwner = 4
	// runTime is how long one is waited for. A session that takes longer goes on when its maildrop is due.
	runTime = time.Hour
	// lately is how long its end is shown.
	lately = 2 * time.Minute
)

// begin begins one, unless it is too early, or too many are under way: its fault is why. over: although a budget is spent.
func (r *runs) begin(v *visit, name string, over bool) (wait time.Duration, refused *fault) {
	ctx, c, now, every := v.life, v.client, v.at, v.every()
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.all[name]
	switch {
	case x != nil && !x.done:
		return 0, nil // it is being done
	case x != nil && now.Sub(x.began) < every:
		return every - now.Sub(x.began), &fault{http.StatusTooManyRequests, "collect.wait"}
	case r.busy >= maxRuns || ctx.Err() != nil:
		return time.Minute, &fault{http.StatusServiceUnavailable, "collect.full"}
	case !v.who.Admin && r.under(v.who.Name) >= perOwner:
		return time.Minute, &fault{http.StatusTooManyRequests, "collect.many"}
	}
	if r.all == nil {
		r.all = map[string]*run{}
	}
	for n, x := range r.all {
		if x.done && now.Sub(x.began) >= max(every, lately) && now.Sub(x.ended) >= lately {
			delete(r.all, n)
		}
	}
	x = &run{by: v.who.Name, began: now}
	r.all[name] = x
	r.busy++
	r.work.Go(func() { r.follow(ctx, c, control.PollRequest{Maildrops: []string{name}, OverBudget: over}, x) })
	return 0, nil
}

// under is how many are under way because somebody has said so. r.mu is held.
func (r *runs) under(by string) (n int) {
	for _, x := range r.all {
		if !x.done && x.by == by {
			n++
		}
	}
	return n
}

// follow collects, and keeps how far it is.
func (r *runs) follow(ctx context.Context, c *control.Client, q control.PollRequest, x *run) {
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	began := time.Now()
	for p, err := range c.Poll(ctx, q) {
		r.mu.Lock()
		if err != nil {
			x.err = control.ErrorOf(err)
		} else {
			x.last = p
		}
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x.done, x.ended = true, x.began.Add(time.Since(began))
	r.busy--
}

// stop waits for all of them, when their context has ended.
func (r *runs) stop() { r.work.Wait() }

// A progress is a run on a page.
type progress struct {
	Done, Good   bool
	Text         string
	Messages, Of int64
}

// of is the run of a maildrop that a page shows; nil: none.
func (r *runs) of(name string, v *visit) *progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.all[name]
	if x == nil || x.done && v.at.Sub(x.ended) > lately {
		return nil
	}
	p, l, t := &progress{Done: x.done, Messages: x.last.Messages, Of: x.last.Of}, &x.last, v.texts
	switch {
	case !x.done && l.Of > 0:
		p.Text = t.get("run.fetching", min(l.Messages+1, l.Of), l.Of)
	case !x.done:
		p.Text = t.get("run.connecting")
	case x.err != nil || l.Kind == "stopped":
		p.Text = t.get("run.stopped")
	case l.Error != "":
		p.Text = t.get("run.failed")
	case l.Messages > 0:
		p.Text, p.Good = t.get("run.came", counted(l.Messages, "message"), size(l.Octets)), true
	default:
		p.Text, p.Good = t.get("run.nothing"), true
	}
	return p
}

// left is how long nobody can begin another.
func (r *runs) left(name string, v *visit) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.all[name]
	if x == nil || !x.done {
		return 0
	}
	return max(0, v.every()-v.at.Sub(x.began))
}

// every is the time between two runs of one maildrop.
func (v *visit) every() time.Duration {
	if v.who.Admin {
		return min(v.web.Collect, 5*time.Second)
	}
	return v.web.Collect
}

// collect collects now.
func collect(v *visit) error {
	name := v.r.PostFormValue("name")
	if !v.owns(name) {
		return errNotThere
	}
	m := v.maildrop(name)
	if m == nil || !m.Enabled || v.House.Poller == nil || v.web.Collect == 0 && !v.who.Admin {
		return &fault{http.StatusConflict, "collect.off"}
	}
	over := v.r.PostFormValue("over") != "" && v.who.Admin
	if wait, refused := v.runs.begin(v, name, over); refused != nil {
		v.w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return refused
	}
	v.log("collecting", "maildrop", name, "over_budget", over, "user", mail.Printable(v.who.Name, 200))
	return v.back("collect")
}

// back leads to the page that the form was on, which says what was done.
func (v *visit) back(did string) error {
	to := local(v.r.PostFormValue("back"))
	return v.see(noting(to, did))
}
