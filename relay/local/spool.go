package local

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// A spool is a file that holds a message meanwhile: one that is read several times, or has to be known to
// be whole.
type spool struct {
	path string
	size int64
}

// pattern is how spools are called.
const pattern = "mailretr-*.spool"

// Sweep removes what an earlier process has left in Options.Dir when it was killed. Nobody else may use the directory.
func Sweep(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if ours, _ := filepath.Match(pattern, e.Name()); ours && e.Type().IsRegular() {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// newSpool reads r to its end. Only we can read the file.
func newSpool(dir string, r io.Reader) (*spool, error) {
	f, err := os.CreateTemp(dir, pattern)
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
