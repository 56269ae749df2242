package local

import (
	"io"
	"os"
)

// A spool is a file that holds a message meanwhile: one that is read several times, or has to be known to
// be whole.
type spool struct {
	path string
	size int64
}

// newSpool reads r to its end. Only we can read the file.
func newSpool(dir string, r io.Reader) (*spool, error) {
	f, err := os.CreateTemp(dir, "mailretr-*.spool")
	if err != nil {
		return nil, err
	}
	s := &spool{path: f.Name()}
	s.size, err = io.Copy(f, r)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (s *spool) open() (*os.File, error) { return os.Open(s.path) }

// remove gives the disk back. What cannot be removed is a temporary file, and no message of anybody's is in
// danger.
func (s *spool) remove() { _ = os.Remove(s.path) }
