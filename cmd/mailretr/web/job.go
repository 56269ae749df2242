package web

import (
	"context"
	"sync"
	"time"

	"mailretr/cmd/mailretr/control"
)

// jobs are what admins do to many messages; one at a time, for they wait for attempts that are under way. The zero value is
// ready; safe for concurrent use.
type jobs struct {
	mu   sync.Mutex
	last *job
	work sync.WaitGroup
}

// A job is one of them.
type job struct {
	verb                      control.Verb
	total, done, failed, gone int
	err                       *control.Error
	first                     *control.Error // why the first one failed
	over                      bool
	ended                     time.Time
}

// remembered is how long the end of one is shown.
const remembered = 10 * time.Minute

// begin begins one; false: another is under way.
func (j *jobs) begin(v *visit, verb control.Verb, q control.ChangeRequest) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last != nil && !j.last.over || v.life.Err() != nil {
		return false
	}
	x := &job{verb: verb, total: q.Most}
	j.last = x
	began, at, life, client := time.Now(), v.at, v.life, v.client
	j.work.Go(func() {
		j.follow(life, client, x, q)
		j.mu.Lock()
		defer j.mu.Unlock()
		x.over, x.ended = true, at.Add(time.Since(began))
	})
	return true
}

func (j *jobs) follow(ctx context.Context, c *control.Client, x *job, q control.ChangeRequest) {
	for change, err := range c.Change(ctx, x.verb, q) {
		j.mu.Lock()
		switch {
		case err != nil:
			x.err = control.ErrorOf(err)
		case change.Total > 0:
			x.total = change.Total
		case change.State == control.Done:
			x.done++
		case change.State == control.Gone:
			x.gone++
		case change.State == control.Failed:
			if x.failed++; x.first == nil {
				x.first = change.Error
			}
		}
		j.mu.Unlock()
	}
}

func (j *jobs) stop() { j.work.Wait() }

// A jobState is a job on a page.
type jobState struct {
	Done        bool
	Text        string
	Said        string // why it, or its first message, failed
	Changed, Of int
}

// state is the job that a page shows; nil: none.
func (j *jobs) state(v *visit) *jobState {
	j.mu.Lock()
	defer j.mu.Unlock()
	x := j.last
	if x == nil || x.over && v.at.Sub(x.ended) > remembered {
		return nil
	}
	s := &jobState{Done: x.over, Changed: x.done + x.failed + x.gone, Of: x.total}
	verb := v.texts.get("verbs." + string(x.verb))
	s.Text = v.texts.get("job.running", verb, s.Changed, s.Of)
	if x.over {
		s.Text = v.texts.get("job.done", verb, counted(x.done, "message"))
		if x.failed > 0 {
			s.Text += " " + v.texts.get("job.failed", x.failed)
		}
		if x.gone > 0 {
			s.Text += " " + v.texts.get("job.gone", x.gone)
		}
	}
	for _, e := range []*control.Error{x.err, x.first} {
		if e != nil {
			s.Said = e.Error()
			break
		}
	}
	return s
}
