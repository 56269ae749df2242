package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mailretr/store/mail"
)

// An Mbox is where NewMbox delivers.
type Mbox struct {
	Options
	// Path is a template: "/var/mail/{local}", "~/mbox".
	Path string
	// Create says that a mailbox that is not there is made; else its recipient is unknown.
	Create bool
	// Lock is how long another program may hold the mailbox before the delivery is deferred. 0: 30 s.
	Lock time.Duration
}

// NewMbox makes a client that delivers into mbox files.
func NewMbox(o Mbox) (*Client, error) {
	return newClient(o.Options, func(c *Client) (box, error) {
		p, err := newPlace(o.Path)
		b := &mbox{Client: c, place: p, create: o.Create, wait: o.Lock}
		if b.wait <= 0 {
			b.wait = 30 * time.Second
		}
		return b, err
	})
}

type mbox struct {
	*Client
	place
	create bool
	wait   time.Duration
}

func (b *mbox) whole() bool { return false }

func (b *mbox) turn(t *target) string { return "mbox " + t.path }

// find says where the file is. What is called as the lock of another one would be taken for that.
func (b *mbox) find(t *target) error {
	err := b.settle(t, b.place, b.create)
	if err == nil && len(b.used) > 0 && strings.HasSuffix(t.path, lockSuffix) {
		return failed("5.1.1", "550 5.1.1 there is no mailbox for this address", errors.New("its name is that of a lock"))
	}
	return err
}

// look says whether the file is there and is one that mail may be written into.
func (b *mbox) look(t *target) error {
	return t.who.do(func() error {
		if err := t.standing(); err != nil {
			return err
		}
		fi, err := os.Lstat(t.path)
		if errors.Is(err, fs.ErrNotExist) {
			if b.create {
				return nil
			}
			return missing()
		}
		if err != nil {
			return err
		}
		return proper(fi, t)
	})
}

// proper refuses what only looks like somebody's mailbox: a link, a device, a file with a second name or
// another owner.
func proper(fi fs.FileInfo, t *target) error {
	switch s, ok := fi.Sys().(*syscall.Stat_t); {
	case fi.Mode()&fs.ModeSymlink != 0:
		return deferred("4.2.1", "451 4.2.1 the mailbox is a link", fmt.Errorf("%s is a symbolic link", t.path))
	case !fi.Mode().IsRegular():
		return deferred("4.2.1", "451 4.2.1 the mailbox is not what it should be", fmt.Errorf("%s is no regular file", t.path))
	case ok && s.Nlink > 1:
		return deferred("4.2.1", "451 4.2.1 the mailbox is a link", fmt.Errorf("%s has %d names", t.path, s.Nlink))
	case ok && int(s.Uid) != t.who.uid:
		return deferred("4.2.1", "451 4.2.1 the mailbox belongs to somebody else",
			fmt.Errorf("%s belongs to user %d, not to %s", t.path, s.Uid, t.who.name))
	}
	return nil
}

// put appends the message under both locks, and syncs. What cannot be written to its end is taken away again.
func (b *mbox) put(ctx context.Context, t *target, r io.Reader) error {
	r, stop := t.who.pumped(r)
	defer stop()
	return t.who.do(func() error {
		if err := t.standing(); err != nil {
			return err
		}
		if b.create {
			if err := makeAll(t.base, filepath.Dir(t.path)); err != nil {
				return err
			}
		}
		f, unlock, err := b.locked(ctx, t)
		if err != nil {
			return err
		}
		err = appendTo(f, fromLine(t.m.Envelope.Reverse, b.now()), r)
		// A lock file that stays is stale soon; a message that is on the disk is not delivered again
		// because of it.
		_ = unlock()
		return err
	})
}

// open opens the file, and nothing that stands in its place.
func (b *mbox) open(t *target) (f *os.File, made bool, err error) {
	const flags = os.O_RDWR | os.O_APPEND | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err = os.OpenFile(t.path, flags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if !b.create {
			return nil, false, missing()
		}
		f, err = os.OpenFile(t.path, flags|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) { // made by somebody else meanwhile
			f, err = os.OpenFile(t.path, flags, 0)
		}
		made = true
	}
	if err != nil {
		return nil, false, err
	}
	fi, err := f.Stat()
	if err == nil {
		err = proper(fi, t)
	}
	if err != nil {
		f.Close()
		return nil, false, err
	}
	if made {
		err = syncPath(filepath.Dir(t.path))
	}
	return f, made, err
}

// appendTo writes one message behind what is there. After an error the file is as long as before.
func appendTo(f *os.File, from string, r io.Reader) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	before := fi.Size()
	err = write(f, before, from, r)
	if err == nil {
		return nil
	}
	if e := f.Truncate(before); e != nil {
		return errors.Join(err, fmt.Errorf("taking back what was written: %w", e))
	}
	return errors.Join(err, f.Sync())
}

func write(f *os.File, before int64, from string, r io.Reader) error {
	gap, err := gapOf(f, before)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, gap+from); err != nil {
		return err
	}
	q := &mboxrd{to: f, start: true}
	u := &lf{to: q}
	if _, err := io.CopyBuffer(struct{ io.Writer }{u}, struct{ io.Reader }{r}, make([]byte, 64<<10)); err != nil {
		return err
	}
	if err := errors.Join(u.end(), q.end()); err != nil {
		return err
	}
	if _, err := io.WriteString(f, "\n"); err != nil {
		return err
	}
	return f.Sync()
}

// gapOf is what is missing between what is there and a line that begins a message: an empty line. A message
// whose end was lost in a crash has none.
func gapOf(f *os.File, size int64) (string, error) {
	if size == 0 {
		return "", nil
	}
	n := min(size, 2)
	tail := make([]byte, n)
	if _, err := f.ReadAt(tail, size-n); err != nil {
		return "", err
	}
	switch {
	case bytes.Equal(tail, []byte("\n\n")):
		return "", nil
	case tail[n-1] == '\n':
		return "\n", nil
	}
	return "\n\n", nil
}

// fromLine begins a message (RFC 4155). The time is UTC, in the form of asctime.
func fromLine(reverse mail.Path, now time.Time) string {
	sender := string(reverse)
	if reverse.Null() || reverse.Check() != nil {
		sender = "MAILER-DAEMON"
	}
	sender = strings.ReplaceAll(sender, " ", "-") // of a quoted local part
	return "From " + sender + " " + now.UTC().Format(time.ANSIC) + "\n"
}

// mboxrd is a writer that puts one more > before each line that is From with any number of > before it.
// Lines end with LF. It holds nothing back but the beginning of that word: where in a run of > the new one
// stands makes no difference.
type mboxrd struct {
	to    io.Writer
	start bool // only > have come on this line
	part  int  // so much of "From " has come after them
}

const fromWord = "From "

// Write passes p on.
func (q *mboxrd) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p)+16)
	for i := 0; i < len(p); i++ {
		if !q.start { // nothing happens before the next line
			end := bytes.IndexByte(p[i:], '\n')
			if end < 0 {
				out = append(out, p[i:]...)
				break
			}
			out = append(out, p[i:i+end+1]...)
			i, q.start = i+end, true
			continue
		}
		c := p[i]
		if c == fromWord[q.part] {
			if q.part++; q.part == len(fromWord) {
				out = append(out, ">"+fromWord...)
				q.start, q.part = false, 0
			}
			continue
		}
		out = append(out, fromWord[:q.part]...)
		q.start = c == '\n' || c == '>' && q.part == 0
		q.part = 0
		out = append(out, c)
	}
	if _, err := q.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes what was held back.
func (q *mboxrd) end() error {
	_, err := io.WriteString(q.to, fromWord[:q.part])
	q.part = 0
	return err
}
