package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// put writes a file of mode 0600 beside its name and moves it there when it is whole; when put returns nil, a power cut
// leaves it there. After an error nothing has changed. Links that somebody else made are not followed.
func put(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new")
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			p.Path = path // nobody knows the other name
		}
		return &exit{exCantCreat, usage(err.Error(), "name a file in a directory that is there, and in which you may write")}
	}
	defer os.Remove(f.Name())
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return settled(filepath.Dir(path))
}

// settled returns when the names in a directory are durable. One that may be entered and not read can only be believed.
func settled(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
