package local

import (
	"io"
	"sync"
)

// pumped reads r in a goroutine that has our own rights, for somebody who has laid them down. stop ends it,
// and returns when r is not read any more.
func (w *who) pumped(r io.Reader) (_ io.Reader, stop func()) {
	if w.self {
		return r, func() {}
	}
	from, to := io.Pipe()
	var work sync.WaitGroup
	work.Go(func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{r}, make([]byte, 64<<10))
		to.CloseWithError(err) // nil is io.EOF
	})
	return from, func() { from.Close(); work.Wait() }
}
