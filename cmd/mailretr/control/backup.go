package control

import (
	"context"
	"io"
	"net/http"
	"time"

	"mailretr/store/badger"
	"mailretr/store/mail"
)

// backup writes a backup of the state. One that breaks off does not look whole: it has no end, and neither has the answer.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	h := &s.House
	if h.Backup == nil {
		fail(w, newError(Unavailable, "this state cannot be backed up", ""))
		return
	}
	w.Header().Set("Content-Type", "application/x-tar")
	out := &paced{w: w, ctl: http.NewResponseController(w)}
	if _, err := h.Backup(r.Context(), out); err != nil {
		if !out.any {
			fail(w, err)
			return
		}
		if h.Queue.Observe != nil {
			h.Queue.Observe.Observe(mail.Event{At: h.now(), Op: mail.OpStore, Text: "a backup broke off", Err: err})
		}
		panic(http.ErrAbortHandler)
	}
}

// A Backuper writes all of a state.
type Backuper func(context.Context, io.Writer) (badger.Manifest, error)

// paced gives a client time to read on, and holds back what it has not begun to send: an early error is an ordinary one.
type paced struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
	any bool
}

// Write writes.
func (p *paced) Write(b []byte) (int, error) {
	p.any = true
	_ = p.ctl.SetWriteDeadline(time.Now().Add(stalled)) // in the same process there is none
	return p.w.Write(b)
}

// Backup opens a backup of the state as it is now. The caller closes it. One that was not read to its end without an error
// is none.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	return c.ask(ctx, "/v1/backup", nil)
}
