package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"mailretr/conf"
)

// maxSet bounds a set that is read, in octets; it was ours, but the disk may be anybody's.
const maxSet = 1 << 30

// Load takes the last good set from the store. An error means that it cannot be read; the keeper begins with none then.
func (k *Keeper) Load(ctx context.Context) error {
	b, err := k.Store.Load(ctx, k.Source.Name)
	if err != nil || b == nil {
		return err
	}
	s, err := unpack(b)
	if err != nil {
		return fmt.Errorf("the set of source %s: %w", k.Source.Name, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.set = s
	return nil
}

func (k *Keeper) save(ctx context.Context) error {
	if k.Store == nil {
		return nil // who only looks keeps nothing
	}
	k.mu.Lock()
	s := k.set
	k.mu.Unlock()
	b, err := pack(s)
	if err != nil {
		return err
	}
	return k.Store.Save(context.WithoutCancel(ctx), k.Source.Name, b)
}

func pack(s set) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed) // it is written at each change
	if err != nil {
		return nil, err
	}
	s.Form = form
	err = json.NewEncoder(z).Encode(s)
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}

func unpack(b []byte) (s set, err error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return s, err
	}
	if err := json.NewDecoder(io.LimitReader(z, maxSet)).Decode(&s); err != nil {
		return set{}, err
	}
	if s.Form != form || len(s.Rows) > conf.MaxRows {
		return set{}, errors.New("it was kept by another version of this program")
	}
	for _, r := range s.Rows {
		if r == nil {
			return set{}, errors.New("it is damaged")
		}
	}
	return s, nil
}
