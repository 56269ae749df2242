package bounce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"mailretr/store/mail"
)

// A text is a report that is held in memory.
type text []byte

// Size is exact.
func (t text) Size() int64 { return int64(len(t)) }

// Header returns the header section.
func (t text) Header(context.Context) ([]byte, error) { return headOf(t), nil }

// Open returns the whole report.
func (t text) Open(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(t)), nil
}

// headOf returns what ends with the first empty line.
func headOf(b []byte) []byte {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return b[:i+4]
	}
	return b
}

// A wrapped is a report around a whole message, which is read only when the report is, and never held.
type wrapped struct {
	head, tail []byte
	inner      mail.Content
}

// Size is exact, because that of a queued message is.
func (w *wrapped) Size() int64 { return int64(len(w.head)) + w.inner.Size() + int64(len(w.tail)) }

// Header returns the header section of the report.
func (w *wrapped) Header(context.Context) ([]byte, error) { return headOf(w.head), nil }

// Open opens the message inside. Its reader fails if the message has not the size it was said to have.
func (w *wrapped) Open(ctx context.Context) (io.ReadCloser, error) {
	body, err := w.inner.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the message inside a report: %w", err)
	}
	whole := io.MultiReader(
		bytes.NewReader(w.head), &exact{r: body, left: w.inner.Size()}, bytes.NewReader(w.tail))
	return struct {
		io.Reader
		io.Closer
	}{whole, body}, nil
}

// errSize is told where the octets are not as many as were announced.
var errSize = errors.New("the message inside a report is not as long as it was said to be")

// An exact reads exactly as many octets as are left, and then the end.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	switch e.left -= int64(n); {
	case e.left < 0, err == io.EOF && e.left > 0:
		return 0, errSize
	}
	return n, err
}
