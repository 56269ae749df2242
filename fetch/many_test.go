package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"mailretr/store/mail"
)

// H11: a header with a million recipients, in one field or in as many. Nobody is guessed, the message stays, and what
// finding that out takes does not grow with the header.
func TestH11_MillionRecipientsInAHeader(t *testing.T) {
	const all = 1_000_000
	list := func(begin, each, end string) []byte {
		var b strings.Builder
		b.WriteString(begin)
		for i := range all {
			fmt.Fprintf(&b, each, i)
		}
		b.WriteString(end + "From: a@x.test\r\n\r\n")
		return []byte(b.String())
	}
	d := Multi{Local: []string{"y.test"}, Fields: []Field{{Name: "X-To", All: true}}}
	for what, header := range map[string][]byte{
		"one line":         list("X-To: ", "u%d@y.test,", "last@y.test\r\n"),
		"folded":           list("X-To: first@y.test,", "\r\n u%d@y.test,", " last@y.test\r\n"),
		"a field for each": list("", "X-To: u%d@y.test\r\n", ""),
		"nobody's":         list("X-To: ", "u%d@z.test,", "last@z.test\r\n"),
		"one, then others": list("X-To: one@y.test\r\n", "X-No: %d\r\n", ""),
		"one in a row":     list("", "X-To: one@y.test (%d)\r\n", ""),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m := &mail.Message{Content: headed(header)}
		err := d.Resolve(t.Context(), m)
		runtime.ReadMemStats(&after)
		var tr *mail.Trouble
		one := what == "one, then others"
		switch {
		case one && (err != nil || len(m.Envelope.Recipients) != 1):
			t.Errorf("%s: %v, %v", what, m.Envelope.Recipients, err)
		case !one && (!errors.As(err, &tr) || tr.Kind != mail.NoEnvelope || len(m.Envelope.Recipients) > 0):
			t.Errorf("%s: %d recipients, %v", what, len(m.Envelope.Recipients), err)
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 1<<20 {
			t.Errorf("%s: it takes %d octets to find that out, in a header of %d", what, cost, len(header))
		}
	}
}

// headed is a content of which only the header is asked for.
type headed []byte

func (h headed) Size() int64                                 { return int64(len(h)) }
func (h headed) Header(context.Context) ([]byte, error)      { return h, nil }
func (h headed) Open(context.Context) (io.ReadCloser, error) { return nil, errors.New("not asked for") }
