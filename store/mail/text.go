package mail

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// A Text is a [Content] that is held in memory, in normal form: a message that we have made, or that somebody gave us. It may
// be read as often as one likes, and by several at once.
type Text []byte

// Size is exact.
func (t Text) Size() int64 { return int64(len(t)) }

// Header returns the header section.
func (t Text) Header(context.Context) ([]byte, error) {
	if h := HeaderOf(t); len(h) <= MaxHeader {
		return h, nil
	}
	return nil, fmt.Errorf("the header section is longer than %d octets", MaxHeader)
}

// Open returns all of it. Close does nothing.
func (t Text) Open(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(t)), nil
}

// HeaderOf returns the header section that octets in normal form begin with, and the empty line that ends it; all of them
// where there is no empty line. A message that begins with the empty line has no field (RFC 5322, 3.5).
func HeaderOf(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return b[:2]
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return b[:i+4]
	}
	return b
}
