package mail

import "testing"

// Whatever is not said definitely keeps the message where it is: a report lets go of one only if it has a result for each
// recipient, no more and no fewer, and each is Delivered.
func TestDone(t *testing.T) {
	yes, no, later := Result{Outcome: Delivered}, Result{Outcome: Failed}, Result{}
	for _, x := range []struct {
		report Report
		n      int
		done   bool
	}{
		{Report{yes}, 1, true},
		{Report{yes, yes}, 2, true},
		{nil, 0, false},         // a message without recipients is never let go of
		{Report{}, 0, false},    //
		{nil, 1, false},         // nobody said anything
		{Report{yes}, 2, false}, // one was forgotten
		{Report{yes, yes}, 1, false},
		{Report{yes, no}, 2, false},
		{Report{yes, later}, 2, false},
		{Report{{}}, 1, false}, // the zero value is a deferral
	} {
		if got := x.report.Done(x.n); got != x.done {
			t.Errorf("%v of %d recipients: done is %v", x.report, x.n, got)
		}
	}
}
