package badger

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// A backup is a tar file, so that a single message can be taken out of it by hand:
//
//	backup.json    what it is and which version; read first, so that a newer one is refused at once
//	format, …      small files of the state directory
//	db/000001 …    records, marks and notes, as pairs of key and value (see dump), in pieces
//	spool/hh/ID    the octets of each message, as they lie in the spool
//	manifest.json  how much there is, and a SHA-256 of the names, sizes and octets of all before it
//
// Badger has a backup of its own, which is not used: it leaves out what it cannot read without an error, and reads with a
// transaction of its own per goroutine, so that what it writes need not be of one instant.

// backupVersion is the version of this form.
const backupVersion = 1

const (
	backupHead     = "backup.json"
	backupManifest = "manifest.json"
	backupSmall    = 64 << 10 // octets of a small file, at most
	backupPiece    = 1 << 20  // octets of a piece of the database
)

// A Head says what a backup is.
type Head struct {
	Version int       `json:"version"` // of the form of the backup
	Format  int       `json:"format"`  // of the state
	Made    time.Time `json:"made"`
}

// A Manifest says what is in a backup.
type Manifest struct {
	Messages int    `json:"messages"`
	Octets   int64  `json:"octets"`            // of their files
	Missing  int    `json:"missing,omitempty"` // messages whose files could not be read: they are lost
	SHA256   string `json:"sha256"`
}

// check says whether a backup can be read by this program.
func (h *Head) check() error {
	switch {
	case h.Version < 1 || h.Format < 1:
		return errors.New("this is no backup of mailretr")
	case h.Version > backupVersion || h.Format > formatVersion:
		return fmt.Errorf("the backup was made by a newer version (form %d, state %d; this one knows up to %d and %d): restore it "+
			"with that version or a newer one; nothing was changed", h.Version, h.Format, backupVersion, formatVersion)
	}
	return nil
}

// A digest sums up names, sizes and octets.
type digest struct{ hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

// file begins the next file.
func (d digest) file(name string, size int64) {
	d.Write(binary.BigEndian.AppendUint64(append([]byte(name), 0), uint64(size)))
}

// An archive writes a backup.
type archive struct {
	tar  *tar.Writer
	sum  digest
	made time.Time
}

// file writes one file; size octets are read, neither more nor less.
func (a *archive) file(name string, size int64, r io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: a.made, Format: tar.FormatPAX}
	if err := a.tar.WriteHeader(h); err != nil {
		return err
	}
	a.sum.file(name, size)
	n, err := io.CopyN(io.MultiWriter(a.tar, a.sum), r, size)
	if err != nil {
		return fmt.Errorf("%s: %d of %d octets: %w", name, n, size, err)
	}
	return nil
}

// object writes a file of JSON.
func (a *archive) object(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)) + 1, Mode: 0o600, ModTime: a.made, Format: tar.FormatPAX}
	if err := a.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err = a.tar.Write(append(b, '\n'))
	return err
}
