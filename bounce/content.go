package bounce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"mailretr/store/mail"
)

// A wrapped is a report around a whole message, which is read only when the report is, and never held.
type wrapped struct {
	head, tail []byte
	inner      mail.Content
}

// Size is exact, because that of a queued message is.
func (w *wrapped) Size() int64 { return int64(len(w.head)) + w.inner.Size() + int64(len(w.tail)) }

// Header returns the header section of the report.
func (w *wrapped) Header(context.Context) ([]byte, error) { return mail.HeaderOf(w.head), nil }

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
