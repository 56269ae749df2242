package badger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"mailretr/store"
	"mailretr/store/mail"
)

// errTorn says that a spool file is not whole: it was never sealed, or it is damaged.
var errTorn = errors.New("store: the spool file is not whole")

// A spooled is a sealed body that is open for reading. Its octets are read with pread: not for concurrent
// use, but two of one body do not disturb each other.
type spooled struct {
	*io.SectionReader
	file    *os.File
	headLen int64
	headSum uint32
	sum     [32]byte
}

// Close closes the file.
func (s *spooled) Close() error { return s.file.Close() }

// openFile opens the file of a body, whole or not.
func (e *Engine) openFile(id mail.ID) (*os.File, error) {
	d, err := e.spool.get(shardOf(id))
	if err != nil {
		return nil, err
	}
	defer e.spool.put(d)
	f, err := d.root.Open(id.String())
	if err != nil {
		return nil, fmt.Errorf("opening the body of %s: %w", id, err)
	}
	return f, nil
}

// openSpooled opens the file of a body and looks whether it has the length that beginning and end say.
func (e *Engine) openSpooled(id mail.ID) (*spooled, error) {
	f, err := e.openFile(id)
	if err != nil {
		return nil, err
	}
	s := &spooled{file: f}
	if err := s.measure(); err != nil {
		f.Close()
		return nil, fmt.Errorf("the body of %s: %w", id, err)
	}
	return s, nil
}

func (s *spooled) measure() error {
	fi, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%w: it is no file", errTorn)
	}
	whole := fi.Size()
	if whole < int64(beginLen+trailerLen) {
		return fmt.Errorf("%w: %d octets", errTorn, whole)
	}
	var b [trailerLen]byte
	if _, err := s.file.ReadAt(b[:beginLen], 0); err != nil {
		return err
	}
	if string(b[:len(magicBegin)]) != magicBegin {
		return fmt.Errorf("%w: it does not begin like one", errTorn)
	}
	s.headLen = int64(binary.BigEndian.Uint32(b[len(magicBegin):]))
	s.headSum = binary.BigEndian.Uint32(b[len(magicBegin)+4:])
	if _, err := s.file.ReadAt(b[:], whole-int64(trailerLen)); err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint64(b[:]))
	copy(s.sum[:], b[8:])
	begin := int64(beginLen) + s.headLen
	if string(b[8+sha256.Size:]) != magicEnd || size != whole-begin-int64(trailerLen) {
		return fmt.Errorf("%w: its length or its end is not what it says", errTorn)
	}
	s.SectionReader = io.NewSectionReader(s.file, begin, size)
	return nil
}

// head reads the head of the file.
func (s *spooled) head(c *codec) (*head, error) {
	if s.headLen > maxRecord {
		return nil, fmt.Errorf("%w: a head of %d octets", errTorn, s.headLen)
	}
	b := make([]byte, s.headLen)
	if _, err := s.file.ReadAt(b, int64(beginLen)); err != nil {
		return nil, err
	}
	if crc32.Checksum(b, castagnoli) != s.headSum {
		return nil, fmt.Errorf("%w: the check sum of its head is wrong", errTorn)
	}
	h := new(head)
	if err := c.dec.Unmarshal(b, h); err != nil {
		return nil, fmt.Errorf("%w: %w", errTorn, err)
	}
	return h, nil
}

// verify reads all octets and returns the length of the header section with its empty line: all of them where
// there is no empty line.
func (s *spooled) verify(ctx context.Context) (header int64, err error) {
	sum := sha256.New()
	buf := make([]byte, 64<<10)
	header = -1
	var tail []byte // the last three octets before buf
	for at := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := s.ReadAt(buf, at)
		sum.Write(buf[:n])
		if header < 0 {
			seen := append(tail, buf[:n]...)
			if at == 0 && bytes.HasPrefix(seen, []byte("\r\n")) {
				header = 2
			} else if i := bytes.Index(seen, []byte("\r\n\r\n")); i >= 0 {
				header = at - int64(len(tail)) + int64(i) + 4
			}
			tail = append([]byte(nil), seen[max(0, len(seen)-3):]...)
		}
		at += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	if header < 0 {
		header = s.Size()
	}
	if [32]byte(sum.Sum(nil)) != s.sum {
		return header, fmt.Errorf("%w: its SHA-256 is not what its end says", errTorn)
	}
	return header, nil
}

// VerifyBody reads a body whole and compares it with its trailer.
func (e *Engine) VerifyBody(ctx context.Context, ref store.BodyRef) error {
	if err := e.usable(); err != nil {
		return err
	}
	id, err := parseRef(ref)
	if err != nil {
		return err
	}
	s, err := e.openSpooled(id)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.head(&e.codec); err != nil {
		return fmt.Errorf("the body of %s: %w", id, err)
	}
	if _, err := s.verify(ctx); err != nil {
		return fmt.Errorf("the body of %s: %w", id, err)
	}
	return nil
}
