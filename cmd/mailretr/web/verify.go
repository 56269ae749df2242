package web

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/store/mail"
)

// An inspection compares the files of the queue with its records, which takes as long as reading them: it goes on when the
// page is left. There is one at a time. The zero value is ready; safe for concurrent use.
type inspection struct {
	mu    sync.Mutex
	begun bool
	over  bool
	ended time.Time
	last  control.Verified
	found []control.Verified
	err   *control.Error
	stop  context.CancelFunc
	work  sync.WaitGroup
}

const (
	// verifyRate is how many octets are read in a second, so that others get at the disk: what the command line reads, too.
	verifyRate = 20 << 20
	// maxFindings is how many findings the page names.
	maxFindings = 200
)

// begin begins one; false: another is under way.
func (x *inspection) begin(v *visit) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.begun && !x.over || v.life.Err() != nil {
		return false
	}
	ctx, stop := context.WithCancel(v.life)
	x.begun, x.over, x.last, x.found, x.err, x.stop = true, false, control.Verified{}, nil, nil, stop
	began, at, client := time.Now(), v.at, v.client
	x.work.Go(func() {
		defer stop()
		for one, err := range client.Verify(ctx, control.VerifyRequest{Rate: verifyRate}) {
			x.note(one, err)
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		x.over, x.ended = true, at.Add(time.Since(began))
	})
	return true
}

// note takes in a finding, or how far it has come.
func (x *inspection) note(one control.Verified, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case err != nil:
		x.err = control.ErrorOf(err)
	case one.Problem == "":
		problems := max(x.last.Problems, one.Problems)
		x.last = one
		x.last.Problems = problems
	default:
		if x.last.Problems++; len(x.found) < maxFindings {
			x.found = append(x.found, one)
		}
	}
}

// mark writes what is another where the page shows something else.
func (x *inspection) mark(w io.Writer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	fmt.Fprint(w, x.begun, x.over, x.last.Messages, x.last.Problems)
}

// halt ends the one that is under way.
func (x *inspection) halt() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.begun && !x.over {
		x.stop()
	}
}

func (x *inspection) wait() { x.work.Wait() }

// A verifyPage is how the comparing stands.
type verifyPage struct {
	Running, Wrong bool
	Text           string // how far it is, or how it ended; "": there was none
	Said           string // why it ended early
	Ended          moment
	Messages, Of   int
	Found          []finding
	More           int // findings that are not shown
}

// A finding is something wrong, and what to do about it.
type finding struct {
	control.Verified
	Word, Todo, URL string
}

func (x *inspection) page(v *visit) (p verifyPage) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.begun {
		return p
	}
	t, l := v.texts, &x.last
	p = verifyPage{Running: !x.over, Messages: l.Messages, Of: l.Of, More: l.Problems - len(x.found), Wrong: l.Problems > 0}
	read := []any{counted(l.Messages, "message"), size(l.Octets)}
	switch {
	case p.Running:
		p.Text = t.get("verify.running", l.Messages, l.Of, size(l.Octets))
	case !l.Done:
		p.Text, p.Wrong = t.get("verify.stopped", read...), true
	case l.Problems > 0:
		p.Text = t.get("verify.wrong", append([]any{counted(l.Problems, "finding")}, read...)...)
	default:
		p.Text = t.get("verify.well", read...)
	}
	if x.over {
		p.Ended = v.moment(x.ended)
		if x.err != nil && x.err.Code != control.Tempfail {
			p.Said = x.err.Error()
		}
	}
	for _, one := range x.found {
		key := "problem." + strings.ReplaceAll(one.Problem, " ", "")
		f := finding{Verified: one, Word: t.first(key+".word", "problem.other.word"), Todo: t.first(key, "problem.other")}
		if one.ID != "" {
			f.URL = messageURL(one.ID)
		}
		p.Found = append(p.Found, f)
	}
	return p
}

func verifyOf(v *visit) error {
	p := v.inspection.page(v)
	v.live("verify", v.texts.get("verify.title"), p, p.Running)
	return nil
}

// verify begins to compare, or stops that.
func verify(v *visit) error {
	if v.r.PostFormValue("stop") != "" {
		v.inspection.halt()
		return v.see("/admin/verify")
	}
	if v.House.Verify == nil {
		return &fault{503, "verify.cannot"}
	}
	if !v.inspection.begin(v) {
		return &fault{409, "verify.busy"}
	}
	v.log("verifying", "user", mail.Printable(v.who.Name, 200))
	return v.see("/admin/verify")
}
