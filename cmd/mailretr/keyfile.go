package main

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
)

// keyFile reads a key of 32 octets, or makes one where there is no such file. One of another length is the error damaged; nil:
// a new key takes its place.
func keyFile(path string, damaged error) (key [32]byte, err error) {
	b, err := os.ReadFile(path)
	switch {
	case err == nil && len(b) == len(key):
		return [32]byte(b), nil
	case err == nil && damaged != nil:
		return key, damaged
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return key, err
	}
	if _, err := rand.Read(key[:]); err != nil {
		return key, err
	}
	return key, put(path, func(w io.Writer) error {
		_, err := w.Write(key[:])
		return err
	})
}
