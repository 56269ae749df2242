package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

// An answer is lines of JSON, each a frame: items, then either an error or the end. Whoever reads neither
// was cut off.
type frame struct {
	Error *Error `json:"error,omitempty"`
	End   bool   `json:"end,omitempty"`
}

// itemHead begins a line with an item. Both sides know it, so that an item is not read twice.
const itemHead = `{"item":`

const (
	// maxFrame bounds a line that a client reads: a message may have 1,000 recipients with a reply each.
	maxFrame = 8 << 20
	// stalled is how long a client may leave an answer unread before the server lets it go.
	stalled = time.Minute
	// held is how long a line of a list may wait for others to go out with it.
	held = 200 * time.Millisecond
)

// stream writes an answer. The status is sent with the first octets, so what fails before the first item is
// an ordinary error; afterwards it is the last line.
type stream struct {
	w    http.ResponseWriter
	ctl  *http.ResponseController
	buf  *bufio.Writer
	last time.Time // when octets went out
	any  bool
}

func newStream(w http.ResponseWriter) *stream {
	return &stream{w: w, ctl: http.NewResponseController(w), buf: bufio.NewWriterSize(w, 32<<10), last: time.Now()}
}

// item writes one object; now sends it at once.
func (s *stream) item(v any, now bool) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.line(append(append([]byte(itemHead), b...), '}'), now)
}

func (s *stream) line(b []byte, now bool) error {
	if !s.any {
		s.any = true
		s.w.Header().Set("Content-Type", "application/jsonl")
	}
	s.patience()
	if _, err := s.buf.Write(append(b, '\n')); err != nil {
		return err
	}
	if !now && time.Since(s.last) < held {
		return nil
	}
	s.last = time.Now()
	return errors.Join(s.buf.Flush(), s.ctl.Flush())
}

// patience gives the client time to read on. In the same process there is no deadline, and nobody who
// stalls.
func (s *stream) patience() { _ = s.ctl.SetWriteDeadline(time.Now().Add(stalled)) }

// end writes the last line.
func (s *stream) end(err error) {
	if err != nil && !s.any {
		fail(s.w, err)
		return
	}
	f := frame{End: true}
	if err != nil {
		f = frame{Error: ErrorOf(err)}
	}
	b, err := json.Marshal(f)
	if err == nil {
		_ = s.line(b, true) // an error of writing means that nobody listens any more
	}
}

// items reads an answer.
func items[T any](body io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		lines := bufio.NewScanner(body)
		lines.Buffer(make([]byte, 0, 64<<10), maxFrame)
		for lines.Scan() {
			v, end, err := item[T](lines.Bytes())
			if end && err == nil {
				return
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
		yield(zero, cut(lines.Err()))
	}
}

// item reads one line.
func item[T any](line []byte) (v T, end bool, err error) {
	if b, ok := bytes.CutPrefix(line, []byte(itemHead)); ok && len(b) > 0 {
		if err = json.Unmarshal(b[:len(b)-1], &v); err != nil {
			err = cut(err)
		}
		return v, false, err
	}
	var f frame
	switch err = json.Unmarshal(line, &f); {
	case err != nil:
		return v, true, cut(err)
	case f.Error != nil:
		return v, true, f.Error
	case !f.End:
		return v, true, cut(errors.New("a line is neither item nor end"))
	}
	return v, true, nil
}

// cut is an answer that ended early.
func cut(err error) *Error {
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return newError(Unavailable, fmt.Sprintf("the daemon's answer broke off: %v", err), "see its log, and try again")
}
